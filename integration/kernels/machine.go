package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"vpngw/integration/kernels/order"
)

// machine is a virtual one, which sees this machine's files, read-only, and has two network cards on one wire.
type machine struct {
	kernel     *kernel
	folder     string // with the order and what its jobs run
	initramfs  string // file
	console    string // file for what the kernel says
	software   bool   // without the help of /dev/kvm
	processors int
	megabytes  int
}

// card is one of its network cards.
type card struct{ model, driver, name, address string }

var (
	lroCard   = card{"vmxnet3", "vmxnet3", "card-lro", "52:54:00:00:00:01"}
	plainCard = card{"virtio-net-pci", "virtio_net", "card-plain", "52:54:00:00:00:02"}
	cards     = []card{lroCard, plainCard}
)

// emulator is the program that makes the machine.
const emulator = "qemu-system-x86_64"

// run boots the machine and gives each of its events to f, until it switches itself off or the context ends. The emulator does
// not survive this process.
func (m *machine) run(ctx context.Context, f func(order.Event)) (err error) {
	events, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer events.Close()
	cmd := exec.CommandContext(ctx, emulator, m.arguments()...)
	cmd.ExtraFiles = []*os.File{write}
	var diagnostics strings.Builder
	cmd.Stdout, cmd.Stderr = &diagnostics, &diagnostics
	// The kernel sends the signal when the thread ends that started the emulator: the thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return err
	}
	silent := func() bool { return false }
	if !m.software {
		silent = m.watchBoot(cmd.Process)
	}
	readErr := readEvents(events, f)
	if readErr != nil {
		_ = cmd.Process.Kill() // it may have ended
	}
	err = errors.Join(readErr, cmd.Wait())
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case silent():
		return errSilent
	}
	if err != nil {
		return fmt.Errorf("%s: %w %s", emulator, err, diagnostics.String())
	}
	return nil
}

// errSilent is the error of a machine in which no kernel began to run.
var errSilent = errors.New("the kernel did not begin to run")

// silence is how long a kernel may take to say its first word with /dev/kvm.
const silence = 25 * time.Second

// watchBoot kills the emulator if the kernel says nothing. What it returns ends the watch, and tells whether that was so.
func (m *machine) watchBoot(emulator *os.Process) (silent func() bool) {
	var dead atomic.Bool
	timer := time.AfterFunc(silence, func() {
		if text, err := os.ReadFile(m.console); err != nil || !bytes.Contains(text, []byte("Linux version")) {
			dead.Store(true)
			_ = emulator.Kill() // it may have ended
		}
	})
	return func() bool { timer.Stop(); return dead.Load() }
}

// readEvents reads until the other end is closed.
func readEvents(from io.Reader, f func(order.Event)) error {
	d := json.NewDecoder(bufio.NewReader(from))
	for {
		var e order.Event
		switch err := d.Decode(&e); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("events: %w", err)
		}
		f(e)
	}
}

// arguments are those of the emulator, which is given the pipe for the events as its file 3.
func (m *machine) arguments() []string {
	accelerator := "kvm:tcg"
	if m.software {
		accelerator = "tcg"
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-machine", "q35,accel=" + accelerator, "-cpu", "max",
		"-smp", strconv.Itoa(m.processors), "-m", strconv.Itoa(m.megabytes),
		"-kernel", m.kernel.image, "-initrd", m.initramfs,
		"-append", "console=ttyS0 panic=-1",
		"-serial", "file:" + m.console,
		"-device", "virtio-serial-pci", "-chardev", "file,id=events,path=/dev/fd/3",
		"-device", "virtserialport,chardev=events,name=" + order.Port,
	}
	for _, s := range []struct{ tag, path string }{{order.RootTag, "/"}, {order.WorkTag, m.folder}, {order.ModulesTag, m.kernel.modules}} {
		args = append(args,
			"-fsdev", fmt.Sprintf("local,id=%s,path=%s,security_model=none,readonly=on,multidevs=remap", s.tag, s.path),
			"-device", fmt.Sprintf("virtio-9p-pci,fsdev=%s,mount_tag=%s", s.tag, s.tag))
	}
	for n, c := range cards {
		args = append(args, "-netdev", fmt.Sprintf("hubport,id=wire%d,hubid=0", n),
			"-device", fmt.Sprintf("%s,netdev=wire%d,mac=%s,romfile=", c.model, n, c.address))
	}
	return args
}

// lastWords is the end of what the kernel said.
func (m *machine) lastWords() string {
	text, err := os.ReadFile(m.console)
	if err != nil {
		return err.Error()
	}
	const lines = 30
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

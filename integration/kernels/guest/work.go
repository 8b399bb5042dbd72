//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/integration/kernels/order"
)

// work carries out the order.
func work() error {
	text, err := os.ReadFile(filepath.Join(order.WorkFolder, order.File))
	if err != nil {
		return err
	}
	var o order.Order
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("%s: %w", order.File, err)
	}
	port, err := openPort()
	if err != nil {
		return err
	}
	defer port.Close()
	if err := settle(); err != nil {
		return err
	}
	for _, module := range o.Modules {
		if err := run("modprobe", module); err != nil {
			return err
		}
	}
	if err := nameCards(o.Cards); err != nil {
		return err
	}
	for n, job := range o.Jobs {
		r := &reporter{job: n, to: json.NewEncoder(port)}
		if err := r.to.Encode(r.run(job)); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}

// settle brings about what an init system would.
func settle() error {
	for _, v := range [][2]string{{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, {"HOME", "/root"}} {
		if err := os.Setenv(v[0], v[1]); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte("vpngw-kernels")); err != nil {
		return os.NewSyscallError("sethostname", err)
	}
	const files = 1 << 19 // as systemd has it
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files, Max: files}); err != nil {
		return os.NewSyscallError("setrlimit", err)
	}
	return run("ip", "link", "set", "lo", "up")
}

// nameCards gives network cards names that do not depend on which was found first.
func nameCards(names map[string]string) error {
	addresses, err := filepath.Glob("/sys/class/net/*/address")
	if err != nil {
		return err
	}
	named := 0
	for _, file := range addresses {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if name, ok := names[strings.TrimSpace(string(text))]; ok {
			if err := run("ip", "link", "set", "dev", filepath.Base(filepath.Dir(file)), "name", name); err != nil {
				return err
			}
			named++
		}
	}
	if named != len(names) {
		return fmt.Errorf("%d of %d network cards are there", named, len(names))
	}
	return nil
}

func run(args ...string) error {
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// openPort opens the way back.
func openPort() (*os.File, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err == nil && strings.TrimSpace(string(text)) == order.Port {
			return os.OpenFile(filepath.Join("/dev", filepath.Base(filepath.Dir(name))), os.O_WRONLY, 0)
		}
	}
	return nil, fmt.Errorf("no virtio port is named %s", order.Port)
}

// reporter turns what a job writes into events.
type reporter struct {
	job int
	to  *json.Encoder
}

func (r *reporter) Write(b []byte) (int, error) {
	return len(b), r.to.Encode(order.Event{Job: r.job, Output: b})
}

// run runs a job to its end, and returns the event that says so.
func (r *reporter) run(job order.Job) order.Event {
	end := order.Event{Job: r.job, Done: true, Exit: -1}
	cmd := exec.Command(job.Args[0], job.Args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = job.Dir, r, r
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // what it leaves behind may hold its output open
	if err := cmd.Start(); err != nil {
		end.Failed = err.Error()
		return end
	}
	limit := time.AfterFunc(time.Duration(job.Limit)*time.Second, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may just have ended
	})
	err := cmd.Wait()
	inTime := limit.Stop()
	switch exit := new(exec.ExitError); {
	case !inTime:
		end.Failed = fmt.Sprintf("killed after %d s", job.Limit)
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		end.Exit = cmd.ProcessState.ExitCode()
	case errors.As(err, &exit):
		end.Exit = exit.ExitCode()
	default:
		end.Failed = err.Error()
	}
	return end
}

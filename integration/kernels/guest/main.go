//go:build linux

// Command guest is the first process of the machine that make kernels boots. It loads what leads to the other machine's files,
// takes these as its root, read-only with a file system in memory over them, does what the [order.Order] says, and switches the
// machine off. It is no program for people.
package main

import (
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// worker is the argument of the second process, which works while the first buries those that nobody else waits for.
const worker = "work"

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == worker:
		if err := work(); err != nil {
			fmt.Fprintln(os.Stderr, "guest:", err)
			os.Exit(1)
		}
	case os.Getpid() == 1:
		if err := first(); err != nil {
			fmt.Println("guest:", err) // on the console
		}
		unix.Sync()
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) // there is nobody to tell
	default:
		fmt.Fprintln(os.Stderr, "guest: this program is the first process of the machine that make kernels boots")
		os.Exit(2)
	}
}

// first makes the machine usable, and returns when the work is done.
func first() error {
	if err := enterRoot(); err != nil {
		return err
	}
	w := exec.Command("/proc/self/exe", worker)
	w.Stdout, w.Stderr = os.Stdout, os.Stderr
	if err := w.Start(); err != nil {
		return err
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("wait: %w", err)
		case pid == w.Process.Pid && status.ExitStatus() != 0:
			return fmt.Errorf("the work ended with status %#x", uint32(status))
		case pid == w.Process.Pid:
			return nil
		}
	}
}

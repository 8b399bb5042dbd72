package lab

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// clockTicks is USER_HZ, the unit of /proc/stat, which Linux fixes at 100 for user space on every architecture Go supports.
const clockTicks = 100

// errGone says that a figure of a process was asked for after its end.
var errGone = errors.New("the process has ended")

// CPU is processor time of the whole machine, in seconds summed over its processors.
type CPU struct{ User, System, SoftIRQ, Idle float64 }

// Busy is the time that was neither idle nor stolen by the hypervisor.
func (c CPU) Busy() float64 { return c.User + c.System + c.SoftIRQ }

// Sub is the time between two readings.
func (c CPU) Sub(before CPU) CPU {
	return CPU{c.User - before.User, c.System - before.System, c.SoftIRQ - before.SoftIRQ, c.Idle - before.Idle}
}

// CPUSeconds reads /proc/stat. With veth the receiver's work is done in the sender's context, so only the whole machine's
// time says what a path costs.
func CPUSeconds() (CPU, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return CPU{}, fmt.Errorf("CPU seconds: %w", err)
	}
	return parseStat(string(b))
}

// parseStat reads the first line: cpu user nice system idle iowait irq softirq steal …
func parseStat(text string) (CPU, error) {
	line, _, _ := strings.Cut(text, "\n")
	f := strings.Fields(line)
	if len(f) < 8 || f[0] != "cpu" {
		return CPU{}, fmt.Errorf("CPU seconds: /proc/stat starts with %q", line)
	}
	var v [7]float64
	for i := range v {
		ticks, err := strconv.ParseUint(f[i+1], 10, 64)
		if err != nil {
			return CPU{}, fmt.Errorf("CPU seconds: /proc/stat: %w", err)
		}
		v[i] = float64(ticks) / clockTicks
	}
	return CPU{User: v[0] + v[1], System: v[2], SoftIRQ: v[5] + v[6], Idle: v[3] + v[4]}, nil
}

// CPUSeconds is the user and system time of the process so far.
func (p *Process) CPUSeconds() (float64, error) {
	b, err := p.proc("stat")
	if err != nil {
		return 0, err
	}
	// The program's name, in parentheses, may hold anything; utime and stime are the 12th and 13th field behind it.
	f := strings.Fields(b[strings.LastIndexByte(b, ')')+1:])
	if len(f) < 13 {
		return 0, fmt.Errorf("CPU seconds of %s: /proc stat has %d fields", p.name, len(f))
	}
	var sum float64
	for _, ticks := range f[11:13] {
		n, err := strconv.ParseUint(ticks, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("CPU seconds of %s: %w", p.name, err)
		}
		sum += float64(n) / clockTicks
	}
	return sum, nil
}

// RSS is the resident memory of the process in bytes.
func (p *Process) RSS() (int64, error) {
	b, err := p.proc("status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(b) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("memory of %s: %w", p.name, err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("memory of %s: %w", p.name, errGone)
}

func (p *Process) proc(file string) (string, error) {
	if !p.Running() {
		return "", fmt.Errorf("/proc %s of %s: %w", file, p.name, errGone)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.PID(), file))
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.name, err)
	}
	return string(b), nil
}

// waitExit returns when a child has ended, and leaves it to be reaped.
func waitExit(pid int) {
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != unix.EINTR {
			return
		}
	}
}

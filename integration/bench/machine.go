package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab/command"
)

// machine describes where the figures were taken: none is portable without it.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"`
	Go     string `json:"go"`
	Iperf  string `json:"iperf3"`
	// Load is the load average of the minute before the run: above the bench's
	// own use it tells of neighbours.
	Load string `json:"load_average_before"`
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, Linux %s %s, %s, %s, load average before the run %s",
		m.CPU, m.Cores, m.Kernel, m.Arch, m.Go, m.Iperf, m.Load)
}

// describeMachine reads the machine; what it does not tell stays unknown.
func describeMachine(ctx context.Context) machine {
	m := machine{CPU: "unknown CPU", Cores: runtime.NumCPU(), Arch: runtime.GOARCH, Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if model := cpuModel(text); model != "" {
			m.CPU = model
		}
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	if text, err := command.Output(exec.CommandContext(ctx, "iperf3", "--version")); err == nil {
		m.Iperf, _, _ = strings.Cut(text, " (")
	}
	return m
}

// cpuModel finds the model name in /proc/cpuinfo; empty where the
// architecture prints none.
func cpuModel(cpuinfo []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(cpuinfo))
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The two ways in which a [CPUMeter] counts the CPU time of a whole path.
const (
	// CPUGroup counts a cgroup v2 that holds this process and all that it started, plus
	// the ksoftirqd threads: exact run times, blind to the machine's other work.
	CPUGroup = "cgroup"
	// CPUMachine counts /proc/stat: all work of the machine, on most kernels
	// sampled by the timer tick.
	CPUMachine = "machine"
)

// CPUUsage is CPU time spent since some fixed moment, in seconds, counted in both ways.
type CPUUsage struct{ Group, Machine float64 }

// Sub is the time between two readings.
func (u CPUUsage) Sub(before CPUUsage) CPUUsage {
	return CPUUsage{u.Group - before.Group, u.Machine - before.Machine}
}

// Of returns the time counted in the named way.
func (u CPUUsage) Of(source string) float64 {
	if source == CPUGroup {
		return u.Group
	}
	return u.Machine
}

// CPUMeter reads CPU time. It holds a cgroup with this process and all that it
// starts; Close dissolves it.
type CPUMeter struct {
	group     string // folder of the cgroup, empty when there is none
	home      string // folder of the cgroup this process came from
	ksoftirqd []int  // process ids
}

// NewCPUMeter moves this process into a cgroup of the given name where the
// machine has a cgroup v2 hierarchy that can be written; elsewhere the meter
// reads only /proc/stat.
func NewCPUMeter(name string) *CPUMeter {
	m := &CPUMeter{}
	membership, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return m
	}
	home, ok := unifiedGroup(membership)
	if !ok {
		return m
	}
	// Machines that mount both versions have the second one level down.
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
			continue
		}
		dir := filepath.Join(root, name)
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if moveSelf(dir) != nil {
			_ = os.Remove(dir) // empty; the fallback works without it
			continue
		}
		m.group, m.home, m.ksoftirqd = dir, filepath.Join(root, home), findKsoftirqd("/proc")
		return m
	}
	return m
}

func moveSelf(group string) error {
	return os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
}

// Source returns the better way of counting that the machine allows.
func (m *CPUMeter) Source() string {
	if m.group != "" {
		return CPUGroup
	}
	return CPUMachine
}

// Read returns the CPU time spent so far; Group stays zero without a cgroup.
func (m *CPUMeter) Read() (u CPUUsage, err error) {
	machine, err := CPUSeconds()
	if err != nil {
		return u, err
	}
	u.Machine = machine.Busy()
	if m.group == "" {
		return u, nil
	}
	text, err := os.ReadFile(filepath.Join(m.group, "cpu.stat"))
	if err != nil {
		return u, err
	}
	if u.Group, err = parseCPUStat(text); err != nil {
		return u, err
	}
	// Under load the kernel hands packet work to ksoftirqd, outside the cgroup.
	for _, pid := range m.ksoftirqd {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return u, err
		}
		seconds, err := parseThreadStat(text)
		if err != nil {
			return u, err
		}
		u.Group += seconds
	}
	return u, nil
}

// Close moves this process back and removes the cgroup. The kernel may need a
// moment to let go of processes that have just ended.
func (m *CPUMeter) Close() error {
	if m.group == "" {
		return nil
	}
	if err := moveSelf(m.home); err != nil {
		return fmt.Errorf("leaving the cgroup: %w", err)
	}
	var err error
	for range 40 {
		if err = os.Remove(m.group); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("removing the cgroup: %w", err)
}

// unifiedGroup finds the cgroup v2 path in /proc/PID/cgroup: the line of hierarchy 0.
func unifiedGroup(membership []byte) (path string, ok bool) {
	for line := range strings.Lines(string(membership)) {
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			return path, true
		}
	}
	return "", false
}

func findKsoftirqd(proc string) []int {
	var pids []int
	files, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "comm"))
	for _, f := range files {
		name, err := os.ReadFile(f)
		if err != nil || !bytes.HasPrefix(name, []byte("ksoftirqd/")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parseCPUStat reads usage_usec of a cgroup's cpu.stat, as seconds.
func parseCPUStat(text []byte) (float64, error) {
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "usage_usec "); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("cpu.stat of the cgroup: %w", err)
			}
			return float64(n) / 1e6, nil
		}
	}
	return 0, errors.New("cpu.stat of the cgroup has no usage_usec")
}

// parseThreadStat reads system time, as seconds, of a kernel thread's
// /proc/PID/stat. Its unit is USER_HZ, 100 on every architecture that Go runs on.
func parseThreadStat(text []byte) (float64, error) {
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat is %q, without times", text)
	}
	ticks, err := strconv.ParseUint(f[12], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/PID/stat: %w", err)
	}
	return float64(ticks) / 100, nil
}

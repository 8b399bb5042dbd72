package lab

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParseCPUStat(t *testing.T) {
	got, err := parseCPUStat([]byte("usage_usec 2500000\nuser_usec 1000000\nsystem_usec 1500000\n"))
	if err != nil || got != 2.5 {
		t.Errorf("%v s, %v, want 2.5 s", got, err)
	}
	for _, text := range []string{"", "user_usec 1\n", "usage_usec x\n"} {
		if _, err := parseCPUStat([]byte(text)); err == nil {
			t.Errorf("%q was read without an error", text)
		}
	}
}

func TestParseThreadStat(t *testing.T) {
	const line = "15 (ksoftirqd/0 (a) 9) S 2 0 0 0 -1 69238848 0 0 0 0 7 321 0 0 20 0 1 0 32 0 0\n"
	got, err := parseThreadStat([]byte(line))
	if err != nil || got != 3.21 {
		t.Errorf("%v s, %v, want 3.21 s", got, err)
	}
	for _, text := range []string{"", "15 (x) S 2", "15 (x) S 2 0 0 0 -1 6 0 0 0 0 0 y 0"} {
		if _, err := parseThreadStat([]byte(text)); err == nil {
			t.Errorf("%q was read without an error", text)
		}
	}
}

func TestUnifiedGroup(t *testing.T) {
	for _, c := range []struct {
		text, want string
		ok         bool
	}{
		{"0::/user.slice/session-1.scope\n", "/user.slice/session-1.scope", true},
		{"4:memory:/m\n1:cpu:/\n0::/\n", "/", true},
		{"4:memory:/m\n", "", false},
	} {
		if got, ok := unifiedGroup([]byte(c.text)); got != c.want || ok != c.ok {
			t.Errorf("unifiedGroup(%q) = %q, %v", c.text, got, ok)
		}
	}
}

func TestFindKsoftirqd(t *testing.T) {
	proc := t.TempDir()
	for pid, name := range map[string]string{"1": "init", "15": "ksoftirqd/0", "22": "ksoftirqd/1", "net": "ksoftirqd/2"} {
		dir := filepath.Join(proc, pid)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "comm"), []byte(name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := findKsoftirqd(proc); len(got) != 2 || got[0]+got[1] != 15+22 {
		t.Errorf("ksoftirqd is %v, want 15 and 22", got)
	}
}

// The meter moves its process into a cgroup and must find its way home.
func TestCPUMeter(t *testing.T) {
	m := NewCPUMeter("vpngw-meter-test")
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	before, err := m.Read()
	if err != nil {
		t.Fatal(err)
	}
	if m.Source() != CPUGroup {
		t.Skip("no cgroup v2 that can be written")
	}
	burn(t, 100*time.Millisecond)
	after, err := m.Read()
	if err != nil {
		t.Fatal(err)
	}
	// Rusage and the cgroup round differently; half can only be a meter that does not count us.
	if used := after.Sub(before).Of(CPUGroup); used < 0.05 {
		t.Errorf("%v CPU-s counted for 0.1 s of work", used)
	}
}

// burn uses d of processor time, however long that takes on a busy machine.
func burn(t *testing.T, d time.Duration) {
	t.Helper()
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for start := used(); used()-start < d; {
	}
}

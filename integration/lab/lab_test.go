package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// needLab skips a test on a machine that cannot run it.
func needLab(t *testing.T, programs ...string) {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	if m := Missing(programs...); len(programs) > 0 && len(m) > 0 {
		t.Skipf("not installed: %v", m)
	}
}

// traces lists what is left of a lab outside its processes.
func traces(id string) (left []string) {
	for _, dir := range []string{"/run/netns", os.TempDir()} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), namePrefix+id) {
				left = append(left, dir+"/"+e.Name())
			}
		}
	}
	return left
}

func twoSites(t *testing.T, o Options) *Sites {
	t.Helper()
	needLab(t)
	s, err := TwoSites(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left := traces(s.ID()); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return s
}

// TestSocketsAreNotPaced looks at the congestion control that a connection has until somebody asks for another: none that
// leaves a pacer behind.
func TestSocketsAreNotPaced(t *testing.T) {
	s := twoSites(t, Options{})
	err := s.A.Host.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		name, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		if name != "reno" {
			t.Errorf("a socket begins with %q", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestTwoSitesForward sends packets through both topologies in clear, for both families.
func TestTwoSitesForward(t *testing.T) {
	for _, router := range []bool{false, true} {
		t.Run(fmt.Sprintf("router=%t", router), func(t *testing.T) {
			s := twoSites(t, Options{Router: router, MTU: 1400})
			for _, to := range []netip.Addr{s.B.Host4, s.B.Host6, s.B.Outside4, s.B.Outside6} {
				r, err := Ping{From: s.A.Host, To: to, Count: 5, Interval: 5 * time.Millisecond}.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%s: %v", to, r)
				if r.Received != 5 || r.Duplicates != 0 || r.Min <= 0 || r.Min > r.Median || r.Median > r.Max {
					t.Errorf("ping %s: %+v", to, r)
				}
			}
			c, err := s.A.Gateway.Counters(WAN)
			if err != nil || c.TxPackets < 20 {
				t.Errorf("counters of the wire: %+v, %v", c, err)
			}
		})
	}
}

func TestIsolated(t *testing.T) {
	for _, router := range []bool{false, true} {
		s := twoSites(t, Options{Router: router, Isolated: true})
		for _, to := range []netip.Addr{s.B.Host4, s.B.Host6} {
			r, err := Ping{From: s.A.Host, To: to, Count: 2, Interval: time.Millisecond, Wait: 50 * time.Millisecond}.Run(t.Context())
			if err != nil || r.Received > 0 {
				t.Errorf("router %t: ping %s: %+v %v", router, to, r, err)
			}
		}
		for _, to := range []netip.Addr{s.B.Outside4, s.B.Outside6} {
			r, err := Ping{From: s.A.Gateway, To: to, Count: 2, Interval: time.Millisecond}.Run(t.Context())
			if err != nil || r.Received != 2 {
				t.Errorf("router %t: ping %s from gateway A: %+v %v", router, to, r, err)
			}
		}
	}
}

func TestHubForwards(t *testing.T) {
	needLab(t)
	s, err := Hub(3, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, b := range s.Branches {
		for _, to := range []netip.Addr{b.Host4, b.Host6} {
			r, err := Ping{From: s.Hub.Host, To: to, Count: 2, Interval: time.Millisecond}.Run(t.Context())
			if err != nil || r.Received != 2 {
				t.Errorf("ping %s: %+v %v", to, r, err)
			}
		}
	}
}

func TestPingUnreachable(t *testing.T) {
	s := twoSites(t, Options{})
	if err := s.B.Gateway.LinkUp(WAN, false); err != nil {
		t.Fatal(err)
	}
	r, err := Ping{From: s.A.Host, To: s.B.Host4, Count: 3, Interval: time.Millisecond, Wait: 50 * time.Millisecond}.Run(t.Context())
	if err != nil || r.Sent != 3 || r.Received != 0 || r.LossPercent() != 100 {
		t.Errorf("ping over a cut wire: %+v %v", r, err)
	}
}

func TestIperf(t *testing.T) {
	needLab(t, "iperf3")
	s := twoSites(t, Options{NICLike: true})
	run := func(i Iperf) IperfResult {
		t.Helper()
		i.Client, i.Server, i.Seconds = s.A.Host, s.B.Host, 1
		r, err := i.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", r)
		return r
	}
	if r := run(Iperf{Address: s.B.Host4, Bidirectional: true}); r.Gbit <= 0 || r.GbitReverse <= 0 || r.Bytes == 0 || r.CPU.Busy() <= 0 {
		t.Error("TCP both ways: a figure is missing")
	}
	if r := run(Iperf{Address: s.B.Host6, Streams: 2, Reverse: true}); r.Gbit <= 0 || r.GbitReverse != 0 || len(r.Intervals) == 0 {
		t.Error("TCP reverse: a figure is missing")
	}
	if r := run(Iperf{Address: s.B.Host4, UDP: true, RateMbit: 20, Length: 1000}); r.Packets < 1000 || r.Gbit < 0.015 || r.Gbit > 0.025 {
		t.Error("UDP of 20 Mbit/s does not show as that")
	}
	_, err := Iperf{Client: s.A.Host, Server: s.B.Host, Address: netip.MustParseAddr("203.0.113.1")}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "203.0.113.1") {
		t.Errorf("an address that is not there: %v", err)
	}
}

func TestNICLikeFeatures(t *testing.T) {
	s := twoSites(t, Options{NICLike: true})
	out, err := s.A.Gateway.Features(WAN)
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.B.Gateway.Features(WAN)
	if err != nil {
		t.Fatal(err)
	}
	if out["tx-checksum-ip-generic"] || out["tx-tcp-segmentation"] || !in["rx-gro"] {
		t.Errorf("sender checksum %t, TSO %t, receiver GRO %t", out["tx-checksum-ip-generic"], out["tx-tcp-segmentation"], in["rx-gro"])
	}
	if s.A.Gateway.NICLike("lo") == nil {
		t.Error("NICLike took a device that is no wire")
	}
}

func TestCapture(t *testing.T) {
	s := twoSites(t, Options{})
	c, err := s.A.Gateway.Capture(WAN)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Ping{From: s.A.Host, To: s.B.Host4, Count: 7, Interval: time.Millisecond}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	echoes := 0
	err = c.Frames(func(f []byte) {
		if len(f) == 14+20+8+56 && f[14+9] == 1 {
			echoes++
		}
	})
	if err != nil || echoes != 14 {
		t.Errorf("captured %d of 14 echo messages, %v", echoes, err)
	}
}

func TestProcess(t *testing.T) {
	s := twoSites(t, Options{})
	n := s.A.Host
	out, err := n.Run(t.Context(), "sh", "-c", "cat /sys/class/net/eth0/operstate; ip -o -4 addr show eth0")
	if err != nil || !strings.HasPrefix(out, "up\n") || !strings.Contains(out, "10.1.0.2/24") {
		t.Errorf("run in a namespace: %q %v", out, err)
	}
	var exit *ExitError
	if _, err := n.Run(t.Context(), "sh", "-c", "echo no >&2; exit 3"); !errors.As(err, &exit) || exit.Code != 3 || exit.Stderr != "no" {
		t.Errorf("exit code: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := n.Run(ctx, "sleep", "60"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
	// A child of the process belongs to its group and goes with it.
	p, err := n.Start(Spec{Args: []string{"sh", "-c", "trap '' TERM; echo ready; sleep 60 & wait; sleep 60"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := Poll(t.Context(), 5*time.Second, func() error {
		if p.Stdout() != "ready\n" {
			return errors.New("not ready")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if rss, err := p.RSS(); err != nil || rss < 100<<10 {
		t.Errorf("memory %d, %v", rss, err)
	}
	if _, err := p.CPUSeconds(); err != nil {
		t.Error(err)
	}
	if code := p.Stop(100 * time.Millisecond); code != -1 || p.Running() {
		t.Errorf("a process that ignores SIGTERM: code %d, running %t", code, p.Running())
	}
	if _, err := p.RSS(); !errors.Is(err, errGone) {
		t.Errorf("memory of a process that has ended: %v", err)
	}
}

func TestCloseInAnyState(t *testing.T) {
	needLab(t)
	s, err := TwoSites(Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.A.Host.Start(Spec{Args: []string{"sleep", "60"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.A.Gateway.Capture(WAN); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if p.Running() {
		t.Error("a process survived")
	}
	if left := traces(s.ID()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := s.Namespace("late"); err == nil {
		t.Error("a closed lab made a namespace")
	}
	if _, err := s.A.Host.Start(Spec{Args: []string{"true"}}); err == nil {
		t.Error("a closed lab started a process")
	}
	if err := s.A.Host.Do(func() error { return nil }); err == nil {
		t.Error("a closed lab's namespace was entered")
	}
	// Least of all may it act on this process's own namespace.
	if err := s.A.Host.SetMTU("lo", 65536); !errors.Is(err, errClosed) {
		t.Errorf("setting a device of a closed lab: %v", err)
	}
}

// TestDeathLeavesNothing lets a whole process die in several ways with a lab open and a program running in it.
func TestDeathLeavesNothing(t *testing.T) {
	needLab(t)
	if how := os.Getenv("VPNGW_LAB_DIE"); how != "" {
		dieWithLab(how)
	}
	for _, how := range []string{"panic", "interrupt", "kill"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestDeathLeavesNothing$")
			cmd.Env = append(os.Environ(), "VPNGW_LAB_DIE="+how)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the child lived: %s", out)
			}
			var id string
			var sleeper int
			if _, err := fmt.Sscanf(string(out), "lab %s sleeper %d\n", &id, &sleeper); err != nil {
				t.Fatalf("the child said %q", out)
			}
			if err := Poll(t.Context(), 10*time.Second, func() error {
				left := traces(id)
				if lives(sleeper) {
					left = append(left, "the sleeper")
				}
				if len(left) > 0 {
					return fmt.Errorf("left behind: %v", left)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// lives tells whether a process has not ended. Whoever inherits it may take its time to
// ask what became of it.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(after, "Z")
}

func dieWithLab(how string) {
	s, err := TwoSites(Options{})
	if err != nil {
		panic(err)
	}
	p, err := s.A.Host.Start(Spec{Args: []string{"sleep", "3600"}})
	if err != nil {
		panic(err)
	}
	fmt.Printf("lab %s sleeper %d\n", s.ID(), p.PID())
	switch how {
	case "panic":
		go func() { panic("as the test wants") }()
	case "interrupt":
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Signal(os.Interrupt)
	case "kill":
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
	}
	time.Sleep(time.Minute)
}

func TestStream(t *testing.T) {
	s := twoSites(t, Options{})
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, to := range []netip.Addr{s.B.Host4, s.B.Host6} {
		var got bytes.Buffer
		n, _, err := Stream(t.Context(), s.A.Host, s.B.Host, to, bytes.NewReader(data), &got)
		if err != nil || n != int64(len(data)) || !bytes.Equal(got.Bytes(), data) {
			t.Errorf("stream to %s: %d of %d bytes, %v", to, n, len(data), err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.B.Gateway.LinkUp(WAN, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Stream(ctx, s.A.Host, s.B.Host, s.B.Host4, bytes.NewReader(data), io.Discard); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stream over a cut wire: %v", err)
	}
}

func TestHubSize(t *testing.T) {
	for _, n := range []int{0, MaxBranches + 1} {
		if _, err := Hub(n, Options{}); err == nil {
			t.Errorf("made a hub of %d branches", n)
		}
	}
}

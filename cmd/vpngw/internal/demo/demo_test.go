package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// standIn, set in the environment, makes this test binary play a vpngw that only pretends: the sites of a lab reach each other
// without a tunnel, so the demo's own course can be seen without a gateway. The value says what goes wrong.
const standIn = "VPNGW_DEMO_STAND_IN"

func TestMain(m *testing.M) {
	if fault := os.Getenv(standIn); fault != "" && len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		os.Exit(pretend(fault, os.Args[1:]))
	}
	// Under the race detector each end of a stand-in would take a second.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	os.Exit(m.Run())
}

func pretend(fault string, args []string) int {
	switch args[0] {
	case "genkey":
		if os.WriteFile(args[1], []byte("key"), 0o600) != nil {
			return 1
		}
	case "pubkey":
		fmt.Println("AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAA=")
	case "check":
		if fault == "check" {
			fmt.Fprintln(os.Stderr, args[1]+":3:1: a mistake")
			return 1
		}
	case "run":
		fmt.Fprintln(os.Stderr, "the stand-in's log")
		if fault == "die" {
			return 7
		}
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		<-term
		if fault == "stop" {
			return 3
		}
	case "status":
		fmt.Println(`{"version":"stand-in","edges":{"tun_read":{"calls":3,"bytes":6}},"tunnels":[{"name":"site-b","state":"up","drops":{"replayed":2}}],"drops":{}}`)
	}
	return 0
}

// watched is an Out that tells when a text has been written.
type watched struct {
	mu   sync.Mutex
	text strings.Builder
	want string
	seen chan struct{}
	once sync.Once
}

func newWatched(text string) *watched { return &watched{want: text, seen: make(chan struct{})} }

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if strings.Contains(w.text.String(), w.want) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(b), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// checkNothingLeft looks for the labs that the output names.
func checkNothingLeft(t *testing.T, out string) {
	t.Helper()
	labs := strings.Split(out, "namespaces ")[1:]
	if len(labs) == 0 {
		t.Fatalf("the output names no lab:\n%s", out)
	}
	for _, l := range labs {
		name, _, _ := strings.Cut(l, "-*")
		for _, dir := range []string{"/run/netns", os.TempDir()} {
			if left, _ := filepath.Glob(filepath.Join(dir, name+"*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	}
}

func needLab(t *testing.T) {
	t.Helper()
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	if m := lab.Missing("iperf3"); len(m) > 0 {
		t.Skipf("not installed: %v", m)
	}
}

func TestDemo(t *testing.T) {
	needLab(t)
	t.Setenv(standIn, "none")
	out := newWatched("")
	if err := Run(t.Context(), Options{Out: out, Seconds: 1, FileMiB: 1, QueueSeconds: 1, clear: true}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Log(out)
	for _, want := range []string{"tunnel up", "SHA-256 the same", "under 4 TCP connections", "replayed 2", "cleanly", "FIFO  1 s", "fair  1 s", "Jain, worst"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in the output", want)
		}
	}
	checkNothingLeft(t, out.String())
}

func TestDemoFailures(t *testing.T) {
	needLab(t)
	for fault, want := range map[string]string{
		"check": "a mistake",
		"die":   "the stand-in's log",
		"stop":  "exit code 3",
	} {
		for act := 1; act <= 2; act++ {
			t.Run(fmt.Sprintf("%s in act %d", fault, act), func(t *testing.T) {
				t.Setenv(standIn, fault)
				out := newWatched("")
				err := Run(t.Context(), Options{Out: out, Act: act, Seconds: 1, FileMiB: 1, QueueSeconds: 1, clear: true})
				if err == nil {
					t.Fatalf("no error:\n%s", out)
				}
				if !strings.Contains(out.String(), "FAILED") || !strings.Contains(out.String(), want) {
					t.Errorf("error %v, output lacks %q:\n%s", err, want, out)
				}
				checkNothingLeft(t, out.String())
			})
		}
	}
}

// TestDemoInterrupted ends the demo by each signal and by its context, at different stages.
func TestDemoInterrupted(t *testing.T) {
	needLab(t)
	t.Setenv(standIn, "none")
	self := func(s syscall.Signal) func() {
		return func() { _ = syscall.Kill(os.Getpid(), s) }
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, c := range map[string]struct {
		act int
		at  string
		ctx context.Context
		end func()
	}{
		"interrupt while measuring":       {1, "TCP, 1 connection, A to B:", t.Context(), self(syscall.SIGINT)},
		"terminate at the set-up":         {1, "vpngw genkey", t.Context(), self(syscall.SIGTERM)},
		"context while pinging":           {1, "tunnel up", ctx, cancel},
		"interrupt behind the FIFO":       {2, "FIFO  1 s", t.Context(), self(syscall.SIGINT)},
		"terminate behind the fair queue": {2, "{rate: 95Mbit}; 4 tunnels up", t.Context(), self(syscall.SIGTERM)},
	} {
		t.Run(name, func(t *testing.T) {
			out := newWatched(c.at)
			result := make(chan error, 1)
			go func() {
				result <- Run(c.ctx, Options{Out: out, Act: c.act, Seconds: 3, FileMiB: 1, QueueSeconds: 3, clear: true})
			}()
			select {
			case <-out.seen:
			case err := <-result:
				t.Fatalf("ended before %q: %v\n%s", c.at, err, out)
			}
			c.end()
			err := <-result
			if err == nil || !strings.Contains(err.Error(), "interrupted") {
				t.Errorf("error %v", err)
			}
			if strings.Contains(out.String(), "FAILED") {
				t.Errorf("an interruption shows as a failure:\n%s", out)
			}
			checkNothingLeft(t, out.String())
		})
	}
}

// TestScreenFits renders empty and enormous results.
func TestScreenFits(t *testing.T) {
	huge := lab.IperfResult{Gbit: 123.456, Retransmits: 12345678, Packets: 1e9, Lost: 1e9, Jitter: 1e4, Bytes: 1e12, CPU: lab.CPU{User: 1e6}}
	slow := lab.PingResult{Sent: 1e6, Received: 1, Median: time.Hour, P99: time.Hour, Max: time.Hour}
	edge := daemon.Edge{Calls: 1e15, Bytes: 1e18}
	drops := map[string]uint64{}
	for i := range 40 {
		drops[fmt.Sprintf("reason_%d", i)] = 1e12
	}
	starved := &contest{gap: time.Hour, delays: []time.Duration{time.Hour}, moments: []moment{{mbit: []float64{1e5, 1e5, 1e5, 0}}}}
	sites := &lab.Sites{}
	for name, e := range map[string]*ending{
		"nothing": {},
		"empty":   {first: &results{sites: sites}, second: &comparison{fifo: &contest{}, fair: &contest{}}},
		"huge": {seconds: 1e4, version: strings.Repeat("v", 200), second: &comparison{fifo: starved, fair: starved},
			first: &results{sites: sites, one: [2]lab.IperfResult{huge, huge}, four: [2]lab.IperfResult{huge, huge}, udp: huge, idle: slow, busy: slow,
				inside6: slow, edgesA: daemon.Edges{TunRead: edge, UDPSend: edge}, edgesB: daemon.Edges{UDPReceive: edge, TunWrite: edge},
				dropsA: drops, dropsB: drops, file: fileResult{bytes: 1 << 40, took: time.Hour}}},
	} {
		lines := strings.Split(strings.TrimRight(e.screen(), "\n"), "\n")
		if len(lines) > 40 {
			t.Errorf("%s: %d lines", name, len(lines))
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > screenWidth {
				t.Errorf("%s: %d characters: %s", name, n, l)
			}
		}
	}
}

func TestRunNeedsRoot(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("this is root")
	}
	err := Run(t.Context(), Options{Out: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "sudo vpngw demo") {
		t.Errorf("error %v", err)
	}
}

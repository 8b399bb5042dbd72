package tunnel

import (
	"context"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"vpngw/offload/tun"
	"vpngw/tunnel/lane"
)

// onLanes gives a gateway of three tunnels several lanes, which run, and queues without a
// device, which are never attached.
func onLanes(t *testing.T, n int, c func(*Config)) *Gateway {
	t.Helper()
	g := three(t)
	g.cfg.Uplink, g.cfg.Uplinks = Uplink{}, map[string]Uplink{"slow0": {Rate: 1e6}}
	if c != nil {
		c(&g.cfg)
	}
	lanes, err := lane.NewGroup(lane.Config{}, n)
	if err != nil {
		t.Fatal(err)
	}
	g.useLanes(lanes)
	g.queues = make([]*tun.Device, n)
	for i := range g.homing.attached {
		g.homing.attached[i] = true
	}
	done := make(chan error, n)
	for _, l := range lanes.Lanes() {
		go func() { done <- l.Run() }()
	}
	t.Cleanup(func() {
		lanes.Stop()
		for range n {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		lanes.Close()
	})
	for i, tn := range g.tunnels {
		tn.link = "eth0"
		tn.remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}), 4500)
	}
	g.openUplinks()
	return g
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// TestHome: a tunnel moves with its uplink, and what control tells it meanwhile reaches it
// where it is, in order.
func TestHome(t *testing.T) {
	g := onLanes(t, 2, nil)
	b := g.tunnels[0]
	if err := g.force("b", 1); err != nil {
		t.Fatal(err)
	}
	ran := make(chan int, 100)
	for i := range 100 {
		b.do(func(l *lane.Lane) {
			if l.Index() == 1 {
				ran <- i
			}
		})
	}
	for i := range 100 {
		select {
		case n := <-ran:
			if n != i {
				t.Fatalf("command %d ran as number %d", n, i)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("command %d did not run on lane 1", i)
		}
	}
	if b.home != 1 || b.lane.Home().Index() != 1 || b.uplink.lanes[1].Load() == nil || b.lane.Queue() == nil {
		t.Errorf("home %d, on lane %d", b.home, b.lane.Home().Index())
	}
	for what, err := range map[string]error{
		"there is no lane 2":          g.force("b", 2),
		`there is no tunnel "x"`:      g.force("x", 0),
		"tunnel b is still moving":    g.force("b", 0),
		"has to stay on the first":    func() error { g.tunnels[2].remote = g.tunnels[1].remote; return g.force("d", 1) }(),
		"shares its peer's address, ": g.force("c", 1),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, want %q", err, what)
		}
	}
	if err := g.force("b", -1); err != nil || b.forced {
		t.Errorf("a home that was asked for stays so: %v", err)
	}
	eventually(t, "the tunnel may move again", func() bool { return g.force("b", 0) == nil })
	eventually(t, "it is back", func() bool { return b.lane.Home().Index() == 0 })
}

// TestShapedUplinkIsOnOneLane: a tunnel whose route changes to an uplink with a rate comes
// to the first lane, and the uplink is on no other at any time.
func TestShapedUplinkIsOnOneLane(t *testing.T) {
	g := onLanes(t, 2, nil)
	b := g.tunnels[0]
	if err := g.force("b", 1); err != nil {
		t.Fatal(err)
	}
	b.forced = false
	b.link = "slow0"
	eventually(t, "the tunnel leaves by the other interface", func() bool {
		g.useUplink(b) // as each sample does
		return b.uplink.name == "slow0" && b.lane.Home().Index() == 0
	})
	eventually(t, "the lane has the uplink", func() bool { return b.uplink.lanes[0].Load() != nil })
	if b.home != 0 || b.uplink.lanes[1].Load() != nil {
		t.Errorf("home %d, the uplink is on lane 1: %v", b.home, b.uplink.lanes[1].Load())
	}
	if err := g.force("b", 1); err == nil {
		t.Error("a tunnel of an uplink with a rate may be sent away")
	}
	if shaped, free := b.uplink.config, g.tunnels[1].uplink.config; shaped.Limit != g.cfg.Fairness.Memory || shaped.Budget != nil || free.Budget == nil {
		t.Errorf("the uplink on one lane: %+v; the one on two: %+v", shaped, free)
	}
}

// TestRehome: a busy lane gives a tunnel away, and a tunnel that has to be on the first
// lane comes back.
func TestRehome(t *testing.T) {
	g := onLanes(t, 2, nil)
	halt := make(chan struct{})
	defer close(halt)
	work := func(l *lane.Lane) { // keeps a lane from sleeping
		var again func()
		again = func() {
			select {
			case <-halt:
			default:
				runtime.Gosched()
				l.Do(again)
			}
		}
		l.Do(again)
	}
	work(g.lanes.Lanes()[0])
	eventually(t, "a tunnel moves", func() bool {
		for _, tn := range g.tunnels[:2] {
			tn.lane.Counters.BytesOut.Add(1e6)
		}
		time.Sleep(20 * time.Millisecond)
		g.rehome()
		return g.tunnels[0].home == 1
	})
	if s := g.eachLane(); s[0].Tunnels != 2 || s[1].Tunnels != 1 || s[0].Busy < 0.8 {
		t.Errorf("lanes %+v", s)
	}
	g.tunnels[0].remote = g.tunnels[1].remote
	eventually(t, "it comes back", func() bool {
		g.rehome()
		return g.tunnels[0].home == 0 && g.tunnels[0].lane.Home().Index() == 0
	})
}

// TestLaneNumber: left to itself it follows the processors.
func TestLaneNumber(t *testing.T) {
	c := valid()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for procs, want := range map[int]int{1: 1, 2: 1, 4: 2, 16: 8, 64: 16} {
		if runtime.GOMAXPROCS(procs); c.lanes() != want {
			t.Errorf("%d processors: %d lanes, want %d", procs, c.lanes(), want)
		}
	}
	if c.Lanes = 64; c.lanes() != 64 {
		t.Error("a configured number is not taken")
	}
}

// TestHomeAsked: over the gateway's own goroutine.
func TestHomeAsked(t *testing.T) {
	g := onLanes(t, 2, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case f := <-g.requests:
				f()
			case <-ctx.Done():
				return
			}
		}
	}()
	if err := g.Home(ctx, "b", 1); err != nil {
		t.Error(err)
	}
	if err := g.Home(ctx, "b", 7); err == nil {
		t.Error("there is no lane 7")
	}
	cancel()
	<-done
	close(g.stopped)
	if err := g.Home(t.Context(), "b", 0); err != ErrStopped {
		t.Errorf("of a gateway that has ended: %v", err)
	}
}

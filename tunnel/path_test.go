package tunnel

import (
	"net/netip"
	"testing"
	"time"

	"vpngw/crypto/ike"
)

// onPath is a gateway whose only tunnel is up, on a route of 1500 bytes.
func onPath(t *testing.T, change func(c *Config)) (*Gateway, *tunnel) {
	t.Helper()
	c := valid()
	if change != nil {
		change(&c)
	}
	g, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	tn := g.tunnels[0]
	tn.up, tn.route, tn.remote = true, 1500, netip.MustParseAddrPort("192.0.2.2:4500")
	return g, tn
}

// TestPathIsFollowed: the probe of the route's MTU is sent when the tunnel is up, and what
// comes of it stands in the status; while it is down the route counts.
func TestPathIsFollowed(t *testing.T) {
	g, tn := onPath(t, nil)
	now := time.Now()
	if s := tn.mtuStatus(now); s.Outer != 1500 || s.Known != "route" {
		t.Errorf("before: %+v", s)
	}
	g.discover(tn, now)
	if tn.pathAt.IsZero() || g.nextTunnel.IsZero() || g.nextTunnel.After(tn.pathAt) {
		t.Errorf("the probe is not due: %v, reminded of at %v", tn.pathAt, g.nextTunnel)
	}
	probe, ok := g.nextProbe(tn, now).(ike.ProbePath)
	if !ok || probe.Size != 1500 || probe.ID != tn.id {
		t.Fatalf("probe %+v", probe)
	}
	e := g.pathProbed(ike.PathProbed{ID: tn.id, Size: 1500, Outcome: ike.PathLost})
	if next, ok := e.(ike.ProbePath); !ok || next.Size != 1280 {
		t.Fatalf("next %+v, want a probe of 1280", e)
	}
	if s := tn.mtuStatus(time.Now()); s.Outer != 1280 || s.Known != "assumed" || s.Changed < 0 || s.Changed > 60 {
		t.Errorf("after a black hole: %+v", s)
	}
	g.pathProbed(ike.PathProbed{ID: tn.id, Size: 1280, Outcome: ike.PathPassed})
	if s := tn.mtuStatus(time.Now()); s.Outer != 1280 || s.Known != "probed" {
		t.Errorf("when that passed: %+v", s)
	}
	g.forgetPath(tn)
	if s := tn.mtuStatus(now); s.Outer != 1500 || s.Known != "route" || !tn.pathAt.IsZero() {
		t.Errorf("down: %+v", s)
	}
	if e := g.pathProbed(ike.PathProbed{ID: tn.id, Size: 1420}); e != nil {
		t.Errorf("a late outcome: %+v", e)
	}
}

// TestPathOfARoute: what the route says is followed at once downwards.
func TestPathOfARoute(t *testing.T) {
	g, tn := onPath(t, nil)
	g.discover(tn, time.Now())
	tn.route = 1400
	g.routeMTU(tn, time.Now())
	if tn.outerMTU() != 1400 {
		t.Errorf("MTU %d", tn.outerMTU())
	}
	g, tn = onPath(t, nil)
	tn.route = 65536 // of the loopback device
	g.discover(tn, time.Now())
	if tn.outerMTU() != ike.MaxPathProbe {
		t.Errorf("MTU %d of a route that is wider than can be probed", tn.outerMTU())
	}
}

// TestPathIsNotLookedFor where that is switched off, and of a tunnel that is down.
func TestPathIsNotLookedFor(t *testing.T) {
	for name, change := range map[string]func(c *Config, tn *tunnel){
		"switched off": func(c *Config, _ *tunnel) { c.NoMTUDiscovery = true },
		"down":         func(_ *Config, tn *tunnel) { tn.up = false },
		"no route":     func(_ *Config, tn *tunnel) { tn.route = 0 },
	} {
		g, tn := onPath(t, nil)
		change(&g.cfg, tn)
		g.routeMTU(tn, time.Now())
		if tn.path != nil || g.nextProbe(tn, time.Now()) != nil {
			t.Errorf("%s: a path is probed", name)
		}
		g.largeSent(tn, time.Now())
		g.pathHint(tn, time.Now(), 1300)
		if tn.outerMTU() != tn.route {
			t.Errorf("%s: MTU %d", name, tn.outerMTU())
		}
	}
}

// TestPathSwitches: the lane is told what the file says.
func TestPathSwitches(t *testing.T) {
	for _, off := range []bool{false, true} {
		_, tn := onPath(t, func(c *Config) { c.NoMSSClamp, c.NoMTUDiscovery = off, off })
		if tn.lane.NoMSSClamp != off || tn.lane.PathEvents == off {
			t.Errorf("off %t: clamp off %t, events %t", off, tn.lane.NoMSSClamp, tn.lane.PathEvents)
		}
	}
}

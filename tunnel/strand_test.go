package tunnel

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"vpngw/tunnel/lane"
)

func TestStrandCount(t *testing.T) {
	for _, c := range []struct {
		name    string
		lanes   int
		strands int
		tunnels int
		shape   func(*Config)
		want    int
	}{
		{"one lane", 1, 0, 1, nil, 0},
		{"all lanes", 4, 0, 1, nil, 3},
		{"as many tunnels as lanes twice", 4, 0, 8, nil, 3},
		{"more", 4, 0, 9, nil, 0},
		{"more, but asked for", 4, 3, 9, nil, 2},
		{"more than lanes asked for", 2, 64, 1, nil, 1},
		{"switched off", 4, 1, 1, nil, 0},
		{"the tunnel has a rate", 4, 4, 1, func(c *Config) { c.Tunnels[0].Rate = 1e6 }, 0},
		{"the uplink has a rate", 4, 0, 1, func(c *Config) { c.Uplink.Rate = 1e6 }, 0},
		{"an uplink has a rate", 4, 0, 1, func(c *Config) { c.Uplinks = map[string]Uplink{"wan1": {Rate: 1e6}} }, 0},
		{"an uplink without", 4, 0, 1, func(c *Config) { c.Uplinks = map[string]Uplink{"wan1": {Overhead: 18}} }, 3},
	} {
		cfg := valid()
		for len(cfg.Tunnels) < c.tunnels {
			cfg.Tunnels = append(cfg.Tunnels, cfg.Tunnels[0])
		}
		cfg.Tunnels[0].Strands = c.strands
		if c.shape != nil {
			c.shape(&cfg)
		}
		if got := cfg.strandCount(&cfg.Tunnels[0], c.lanes); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// spreadGateway is a gateway with two lanes that do not run, and its only tunnel's strand.
func spreadGateway(t *testing.T) (*Gateway, *strand) {
	t.Helper()
	g, err := New(valid(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	lanes, err := lane.NewGroup(lane.Config{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lanes.Close)
	g.useLanes(lanes)
	tunnel := g.tunnels[0]
	tunnel.up, tunnel.source, tunnel.remote = true, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddrPort("127.0.0.1:45999")
	return g, tunnel.strands[0]
}

// TestStrandOpener follows a strand that we open: it carries packets once it was heard, and
// none any more when it is silent, down or without a child.
func TestStrandOpener(t *testing.T) {
	g, s := spreadGateway(t)
	now := time.Now()
	expect := func(what string, inUse, open bool) {
		t.Helper()
		if s.inUse != inUse || s.remote.IsValid() != open || open && s.remote != s.tunnel.remote {
			t.Errorf("%s: in use %v, connected to %v", what, s.inUse, s.remote)
		}
	}
	g.strandInstalls(s, true)
	expect("installed", false, false)
	g.strandSends(s, true, now)
	expect("has a child", false, true)
	port := s.local.Port()
	if port == 0 || port == g.cfg.Port || s.beatAt.Sub(now) != strandKnock {
		t.Errorf("from port %d, next dummy in %v", port, s.beatAt.Sub(now))
	}
	g.strandHeard(s, now)
	expect("heard", true, true)
	for range 3 {
		now = now.Add(strandBeat)
		g.tendStrands(s.tunnel, now)
	}
	expect("silent", false, true)
	if wait := s.beatAt.Sub(now); wait != strandKnock {
		t.Errorf("next dummy in %v", wait)
	}
	for range 10 {
		now = now.Add(strandKnock)
		g.tendStrands(s.tunnel, now)
	}
	if wait := s.beatAt.Sub(now); wait <= strandKnock {
		t.Errorf("next dummy in %v after many in vain", wait)
	}
	g.strandHeard(s, now)
	expect("heard again", true, true)
	g.strandMoved(s, lane.Moved{Remote: netip.MustParseAddrPort("127.0.0.1:1")}, now)
	expect("the other end seems to be elsewhere", true, true)
	g.followTunnel(s.tunnel, now)
	expect("the same addresses", true, true)
	s.tunnel.remote = netip.MustParseAddrPort("127.0.0.1:45998")
	g.followTunnel(s.tunnel, now)
	expect("another address of the peer", false, true)
	g.strandHeard(s, now)
	g.strandSends(s, false, now)
	expect("no child", false, true)
	g.strandSends(s, true, now)
	expect("another child", true, true)
	g.strandInstalls(s, false)
	expect("now the peer opens", false, false)
	g.closeStrands(s.tunnel)
	expect("down", false, false)
	if !s.beatAt.IsZero() {
		t.Error("a strand that is down goes on")
	}
}

// TestStrandOfPeer follows a strand that the peer opens: it is connected to where the peer
// was heard.
func TestStrandOfPeer(t *testing.T) {
	g, s := spreadGateway(t)
	g.cfg.Port = 0 // any that is free
	now := time.Now()
	g.strandInstalls(s, false)
	g.strandHeard(s, now)
	g.strandSends(s, true, now)
	if s.remote.IsValid() || s.inUse {
		t.Errorf("connected to %v before it is known where", s.remote)
	}
	g.strandSends(s, false, now)
	for _, port := range []uint16{40001, 40002} {
		at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
		g.strandMoved(s, lane.Moved{Local: netip.MustParseAddrPort("127.0.0.1:4500"), Remote: at}, now)
		if !s.sends {
			s.beatAt = time.Time{}
			g.strandSends(s, true, now)
			if s.beatAt.IsZero() {
				t.Error("a child to answer with, and no dummy")
			}
		}
		if s.remote != at || !s.inUse {
			t.Errorf("heard from %v, connected to %v, in use %v", at, s.remote, s.inUse)
		}
	}
	g.closeStrands(s.tunnel)
	s.tunnel.up = false
	g.strandMoved(s, lane.Moved{Local: netip.MustParseAddrPort("127.0.0.1:4500"), Remote: netip.MustParseAddrPort("127.0.0.1:40003")}, now)
	if s.remote.IsValid() {
		t.Error("a strand of a tunnel that is down is connected")
	}
}

package lane

import "testing"

// TestHardLimitsAreToldOnce: the lane stops at the limit, in either direction, and goes
// on at once with new keys.
func TestHardLimitsAreToldOnce(t *testing.T) {
	for name, limits := range map[string]Limits{"bytes": {HardBytes: 10 * 1040}, "packets": {HardPackets: 10}} {
		t.Run(name+" sent", func(t *testing.T) {
			g := newGate(t)
			s := g.site(1, false)
			s.out.Limits = limits
			for range 3 {
				g.tun.push(tcp4(1, 5).super(bytesOf(7000, 1), 1000))
				g.settle()
			}
			if n := len(s.opened(t)); n != 10 {
				t.Errorf("%d packets left, want 10", n)
			}
			got := of[HardLimit](g.events())
			if len(got) != 1 || got[0].Tunnel != s.Tunnel || got[0].SPI != s.out.Child {
				t.Errorf("told %v, want it once", got)
			}
			fresh := g.site(1, false)
			g.tun.push(tcp4(1, 5).plain(nil))
			g.settle()
			if len(fresh.opened(t)) != 1 {
				t.Error("nothing is sent on new keys")
			}
		})
		t.Run(name+" received", func(t *testing.T) {
			g := newGate(t)
			s := g.site(1, false)
			s.in.Limits = limits
			for range 14 {
				d := s.seal(tcp4(1, 5).back().packet(bytesOf(1000, 1), false))
				s.socket.arrive(len(d), d)
				g.settle()
			}
			if n := s.Counters.PacketsIn.Load(); n != 10 {
				t.Errorf("%d packets came in, want 10", n)
			}
			got := of[HardLimit](g.events())
			if len(got) != 1 || got[0].Tunnel != s.Tunnel || got[0].SPI != s.in.ESP.SPI() {
				t.Errorf("told %v, want it once", got)
			}
		})
	}
}

// TestSoftLimitsOfWhatIsReceived: a peer that never asks for new keys makes us ask.
func TestSoftLimitsOfWhatIsReceived(t *testing.T) {
	for name, limits := range map[string]Limits{"bytes": {SoftBytes: 5 * 1040}, "packets": {SoftPackets: 5}} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			s := g.site(1, false)
			s.in.Limits = limits
			for i := range 10 {
				d := s.seal(tcp4(1, 5).back().packet(bytesOf(1000, 1), false))
				s.socket.arrive(len(d), d)
				g.settle()
				got := of[SoftLimit](g.events())
				if (len(got) == 1) != (i == 4) {
					t.Fatalf("packet %d: told %v", i+1, got)
				}
				if i == 4 && (got[0].Tunnel != s.Tunnel || got[0].SPI != s.in.ESP.SPI()) {
					t.Errorf("told %v", got)
				}
			}
			if n := s.Counters.PacketsIn.Load(); n != 10 {
				t.Errorf("%d packets came in, want all 10", n)
			}
		})
	}
}

// TestNoAllocationWithLimits: watching the limits and dropping beyond them costs no memory.
func TestNoAllocationWithLimits(t *testing.T) {
	for name, limits := range map[string]Limits{
		"far":  {SoftBytes: 1 << 40, SoftPackets: 1 << 40, HardBytes: 1 << 41, HardPackets: 1 << 41},
		"past": {SoftBytes: 1, SoftPackets: 1, HardBytes: 1, HardPackets: 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, s, turn := outgoing(t)
			s.out.Limits = limits
			turn() // what is told once is told
			if got := testing.AllocsPerRun(50, turn); got != 0 {
				t.Errorf("out: %v allocations", got)
			}
			_, s, turn = incoming(t, 44)
			s.in.Limits = limits
			turn()
			if got := testing.AllocsPerRun(50, turn); got != 0 {
				t.Errorf("in: %v allocations", got)
			}
		})
	}
}

// TestIKEPortComesToStrangers: what comes to the port of IKE alone reaches control
// whole, with the port that it came to, and never the tunnels' inbox.
func TestIKEPortComesToStrangers(t *testing.T) {
	g := newGate(t)
	g.site(1, false)
	p := ikeListener(g)
	m := ikeMessage(100)
	p.arrive(len(m), m)
	g.settle()
	got := of[IKE](g.strangers())
	if len(got) != 1 || got[0].Tunnel != nil || got[0].Local.Port() != 500 || string(got[0].Bytes) != string(m) {
		t.Fatalf("strangers: %v", got)
	}
	// More than there is room for is dropped and counted, and nothing else suffers.
	for range 2 * inboxLen {
		p.arrive(len(m), m)
		g.settle()
	}
	if n := g.lane.counters.Drops.Map()["control_busy"]; n != inboxLen {
		t.Errorf("%d are counted as dropped, want %d", n, inboxLen)
	}
	if n := len(g.events()); n != 0 {
		t.Errorf("%d events of tunnels", n)
	}
}

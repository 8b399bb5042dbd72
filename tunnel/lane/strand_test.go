package lane

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"vpngw/tunnel/drop"
)

// strandOn gives s a strand on a lane.
func strandOn(gates []*gate, s *site, home int) *site {
	st := gates[home].site(20+home, false)
	st.home.Store(gates[home].lane)
	st.Strand = home
	local, remote := subnets(int(s.ID), false), subnets(int(s.ID), true)
	st.in.Policy, st.out.Policy = NewPolicy(local, remote), NewPolicy(local, remote)
	gates[home].lane.SetStrand(s.Tunnel, st.Tunnel)
	return st
}

// TestStrand: what a lane reads goes by the strand that is at home there, whenever that can
// send, and else by the tunnel itself.
func TestStrand(t *testing.T) {
	for _, c := range []struct {
		name  string
		queue int // that the packets come off
		spoil func(l *Lane, s, st *site)
		by    int // 1: by the strand
	}{
		{"its lane", 1, nil, 1},
		{"the home of the tunnel", 0, nil, 0},
		{"a lane without strand", 2, nil, 0},
		{"no SA", 1, func(l *Lane, s, st *site) { l.RemoveOutbound(st.Tunnel, st.out.Child) }, 0},
		{"no socket", 1, func(l *Lane, s, st *site) {
			_ = l.SetSocket(st.Tunnel, nil, netip.AddrPort{}, netip.AddrPort{})
		}, 0},
		{"no uplink", 1, func(l *Lane, s, st *site) { l.SetUplink(st.Tunnel, nil) }, 0},
		{"not in use", 1, func(l *Lane, s, st *site) { l.SetStrand(s.Tunnel, nil) }, 0},
		{"the tunnel is down", 1, func(l *Lane, s, st *site) { s.Tunnel.out = nil }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			gates := newGates(t, 3)
			s := siteOn(gates, 1, 0)
			s.Spread(3)
			routes := gates[0].lane.routes
			st := strandOn(gates, s, 1)
			for _, g := range gates {
				g.lane.SetRoutes(routes)
			}
			if c.spoil != nil {
				c.spoil(gates[1].lane, s, st)
			}
			p := tcp4(1, 5).super(bytesOf(10*1000, 1), 1000)
			want := cut(t, p)
			gates[c.queue].tun.push(p)
			for range 3 { // read, hand over, send
				for _, g := range gates {
					g.step()
				}
			}
			carrier, other := s, st
			if c.by == 1 {
				carrier, other = st, s
			}
			carrier.wantPackets(t, want)
			if n := other.Counters.PacketsOut.Load(); n != 0 {
				t.Errorf("%d packets went the other way", n)
			}
			wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{})
			wantDrops(t, &st.Counters.Drops, map[drop.Reason]int{})
		})
	}
}

// TestNoAllocationStrand: the choice costs nothing.
func TestNoAllocationStrand(t *testing.T) {
	gates := newGates(t, 2)
	s := siteOn(gates, 1, 0)
	s.Spread(2)
	routes := gates[0].lane.routes
	st := strandOn(gates, s, 1)
	gates[1].lane.SetRoutes(routes)
	st.socket.discard = true
	super := tcp4(1, 5000).super(bytesOf(45*1398, 1), 1398)
	if got := testing.AllocsPerRun(200, func() {
		gates[1].tun.push(super)
		gates[1].step()
	}); got != 0 {
		t.Errorf("%v allocations for a superpacket", got)
	}
	if got := st.Counters.PacketsOut.Load(); got != 201*45 {
		t.Errorf("%d packets were sent, want %d", got, 201*45)
	}
}

// TestDeal: flows that go by a tunnel itself are dealt out to it and its strands for a
// while, each to one.
func TestDeal(t *testing.T) {
	gates := newGates(t, 3)
	s := siteOn(gates, 1, 0)
	s.Spread(3)
	routes := gates[0].lane.routes
	parts := []*site{s, strandOn(gates, s, 1), strandOn(gates, s, 2)}
	for _, g := range gates {
		g.lane.SetRoutes(routes)
	}
	const flows, each = 60, 3
	// send returns how many packets of which flows each part has sent.
	send := func() (sent [3]map[uint16]int) {
		for n := range flows * each {
			gates[0].tun.push(tcp4(1, uint16(1000+n%flows)).plain(nil))
		}
		for range 6 {
			for _, g := range gates {
				g.step()
			}
		}
		for i, p := range parts {
			sent[i] = map[uint16]int{}
			for _, packet := range p.opened(t) {
				sent[i][binary.BigEndian.Uint16(packet[20:])]++
			}
		}
		return sent
	}
	if sent := send(); len(sent[0]) != flows {
		t.Errorf("%d flows go by the tunnel before", len(sent[0]))
	}
	gates[0].lane.Deal(s.Tunnel, []*Tunnel{parts[1].Tunnel, parts[2].Tunnel})
	sent, sum := send(), 0
	for i, by := range sent {
		sum += len(by)
		if len(by) < flows/6 {
			t.Errorf("%d of %d flows go by part %d", len(by), flows, i)
		}
		for flow, n := range by {
			if n != each {
				t.Errorf("%d of %d packets of flow %d go by part %d", n, each, flow, i)
			}
		}
	}
	if sum != flows {
		t.Errorf("%d flows, want %d", sum, flows)
	}
	gates[0].passes(time.Duration(dealTime))
	if sent := send(); len(sent[0]) != flows {
		t.Errorf("%d flows go by the tunnel after a while", len(sent[0]))
	}
}

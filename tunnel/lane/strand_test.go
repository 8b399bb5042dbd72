package lane

import (
	"net/netip"
	"testing"

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

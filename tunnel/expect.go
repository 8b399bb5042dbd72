package tunnel

import "net/netip"

// expect tells the lane where a peer is configured to be, so that a flood from other
// addresses cannot use up what is let through of its messages.
func (g *Gateway) expect(t *tunnel, at netip.Addr) {
	before := t.expected
	if at == before || g.lane == nil { // there is none before setUp
		return
	}
	t.expected = at
	g.lane.Do(func() { g.lane.MovePeer(before, at) })
}

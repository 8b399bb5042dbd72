package tunnel

import (
	"net/netip"

	"vpngw/tunnel/lane"
)

// expect tells the lanes where a peer is configured to be, so that a flood from other
// addresses cannot use up what is let through of its messages.
func (g *Gateway) expect(t *tunnel, at netip.Addr) {
	before := t.expected
	if at == before || g.lanes == nil { // there is none before setUp
		return
	}
	t.expected = at
	g.lanes.Do(func(l *lane.Lane) { l.MovePeer(before, at) })
}

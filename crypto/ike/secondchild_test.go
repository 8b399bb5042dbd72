package ike

import (
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// TestSecondChild: beside a child, one that carries the same or more is made, and one
// that would leave some of it out is refused.
func TestSecondChild(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) {
		a.Local, b.Remotes = selectors("10.1.0.0/24"), selectors("10.1.0.0/24")
		a.Remotes, b.Local = selectors("10.2.0.0/24"), selectors("10.2.0.0/24")
	})
	a.connect()
	w.run(time.Second)
	s := b.m.peers[b.peers[0].ID].sas[0]
	for _, c := range []struct {
		local, remote []Selector
		refused       bool
	}{
		{selectors("10.2.0.0/24"), selectors("10.1.0.0/24"), false},
		{selectors("10.2.0.0/16", "fd00:2::/64"), selectors("10.1.0.0/16"), false},
		{selectors("10.2.0.0/25"), selectors("10.1.0.0/24"), true},
		{selectors("10.2.0.0/24"), selectors("10.1.0.0/25", "10.1.0.128/25"), true}, // not in one piece
		{selectors("fd00:2::/64"), selectors("fd00:1::/64"), true},
	} {
		refused := s.refuseSecond(&child{local: c.local, remote: c.remote})
		if (refused != nil) != c.refused || refused != nil && refused.notify != message.NotifyNoAdditionalSAs {
			t.Errorf("%s to %s beside %s to %s: %+v", selectorText(c.local), selectorText(c.remote),
				selectorText(s.peer.using.local), selectorText(s.peer.using.remote), refused)
		}
	}
}

package ike

import (
	"fmt"
	"slices"

	"vpngw/crypto/ike/message"
)

// refuseSecond refuses a child beside one that carries what it would not. The tunnel
// sends on one child alone, the newest: the networks of the other one would become
// unreachable without a word. (RFC 7296 §1.3 has the notify for it.)
func (s *sa) refuseSecond(c *child) *refusal {
	for _, o := range s.peer.children {
		if o.sa != s || !o.live() || coversAll(c.local, o.local) && coversAll(c.remote, o.remote) {
			continue
		}
		detail := fmt.Sprintf("%v wants a second child for %s to %s beside that for %s to %s: let it propose all networks for one child",
			s.peer.RemoteID, selectorText(c.remote), selectorText(c.local), selectorText(o.remote), selectorText(o.local))
		s.peer.log.Info("second child refused", "reason", detail)
		return &refusal{message.NotifyNoAdditionalSAs, nil, RejectSelectors, detail}
	}
	return nil
}

// coversAll tells whether each of these is inside one of the list.
func coversAll(list, these []Selector) bool {
	return !slices.ContainsFunc(these, func(t Selector) bool { return !covers(list, t) })
}

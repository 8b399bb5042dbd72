package tunnel

import (
	"net/netip"
	"slices"
)

// nextAddress picks where a peer with a host name is looked for: the first of its
// addresses where no attempt has failed since it was up, and when there is none the
// first again. Those of a family that this machine does not have are left out if there
// are others.
func (g *Gateway) nextAddress(t *tunnel) (at int) {
	usable := -1
	for i, a := range t.addresses {
		if len(g.listener) > 0 && g.listener[a.Is4()] == nil {
			continue
		}
		if !slices.Contains(t.failed, a) {
			return i
		}
		if usable < 0 {
			usable = i
		}
	}
	t.failed = nil
	return max(usable, 0)
}

// failedHere notes that an attempt at t's address failed. It tells whether another
// address is left.
func (t *tunnel) failedHere() bool {
	if !t.peer.IsValid() {
		return false
	}
	if a := t.peer.Addr(); !slices.Contains(t.failed, a) {
		t.failed = append(t.failed, a)
	}
	return slices.ContainsFunc(t.addresses, func(a netip.Addr) bool { return !slices.Contains(t.failed, a) })
}

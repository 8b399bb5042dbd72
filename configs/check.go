package configs

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"vpngw/crypto/identity"
)

// checkTunnels compares the parts of each tunnel, and the tunnels with one another.
func (a *assembly) checkTunnels(g *Gateway) {
	ids := map[identity.Identity]*tunnelParts{}
	for _, t := range a.tunnels {
		a.checkAuthentication(t, g)
		a.checkIdentity(t, g, ids)
		a.checkSubnets(t)
		if t.section.entry("dpd") != nil { // without it the defaults hold, checked once
			a.checkDPD(t.scope.sub("dpd"))
		}
	}
	a.checkOverlaps()
}

// authentications are the keys that say how a peer authenticates.
var authentications = []string{"public_key", "psk_file", "ca_file"}

// checkAuthentication wants one of a public key with a key of our own, a PSK, and authorities with a certificate of our own.
func (a *assembly) checkAuthentication(t *tunnelParts, g *Gateway) {
	peer := t.section.entry("peer")
	if peer == nil || peer.section == nil {
		return
	}
	// Given counts, also when it is wrong: that is noted elsewhere.
	var given []*entry
	meant := false
	for _, name := range authentications {
		if e := peer.section.entry(name); e != nil {
			given = append(given, e)
		}
		meant = meant || peer.section.meant[name]
	}
	switch {
	case len(given) == 0 && !meant:
		a.at(peer.heading(), peer.path, "neither public_key nor psk_file nor ca_file", "give the peer's public_key as `vpngw pubkey` prints it there, or a psk_file, or the ca_file of its certificate")
	case len(given) > 1:
		a.problem(given[1], fmt.Sprintf("both %s and %s", given[0].name, given[1].name), "remove one of the two")
	}
	a.checkAuthority(peer.section.entry("ca_file"), t)
	public := peer.section.entry("public_key")
	if public == nil || !public.good {
		return
	}
	switch {
	case !a.hasKey:
		a.problem(public, "the tunnel uses a public key, but gateway.key_file is missing", "make our own key with `vpngw genkey FILE` and name it there")
	case !g.Key.IsZero() && g.Key.Public() == t.Peer.PublicKey:
		a.problem(public, "this is our own public key", "take the one that `vpngw pubkey` prints at the peer")
	}
}

// checkIdentity wants every peer to be another one than us and than the other tunnels' peers.
func (a *assembly) checkIdentity(t *tunnelParts, g *Gateway, ids map[identity.Identity]*tunnelParts) {
	e := t.peer.entry("id")
	if e == nil {
		return
	}
	id, err := identity.Parse(t.Peer.ID)
	if err != nil {
		return // noted elsewhere
	}
	if own, err := identity.Parse(g.ID); err == nil && id.Equal(own) {
		a.problem(e, "this is our own identity (gateway.id)", "give the identity of the peer")
	}
	if other := ids[id.Key()]; other != nil {
		a.problem(e, fmt.Sprintf("tunnel %s has the same peer, in line %d", other.Name, other.peer.entry("id").node.Line),
			"give each peer an identity of its own, or join the subnets in one tunnel")
		return
	}
	ids[id.Key()] = t
}

// checkSubnets compares the subnets and the peer's address of one tunnel.
func (a *assembly) checkSubnets(t *tunnelParts) {
	local, remote := t.scope.entry("local_subnets"), t.scope.entry("remote_subnets")
	if remote == nil {
		return
	}
	for _, r := range remote.items {
		prefix := r.value.(netip.Prefix)
		if t.ip.IsValid() && prefix.Contains(t.ip) {
			a.problem(r, fmt.Sprintf("the peer's own address %v is in %v", t.ip, prefix),
				"the tunnel's packets would be sent into the tunnel: leave that address out of the remote subnets")
		}
		if local == nil {
			continue
		}
		for _, l := range local.items {
			if prefix.Overlaps(l.value.(netip.Prefix)) {
				a.problem(r, fmt.Sprintf("%v overlaps %v of the tunnel's local_subnets, in line %d", prefix, l.value, l.node.Line),
					"a subnet is on one side only")
			}
		}
	}
}

// checkDPD compares the two durations of a dpd scope and shows a mistake in its first layer.
func (a *assembly) checkDPD(sc scope) {
	if len(sc.layers) == 0 {
		return
	}
	interval, timeout := get[time.Duration](sc, "interval"), get[time.Duration](sc, "timeout")
	if timeout > interval {
		return
	}
	for _, name := range []string{"timeout", "interval"} {
		if e := sc.layers[0].entry(name); e != nil && e.good {
			a.problem(e, fmt.Sprintf("timeout (%s) is not longer than interval (%s)", shortDuration(timeout), shortDuration(interval)),
				"a peer must have time to answer: three intervals are usual")
			return
		}
	}
}

// claim is a remote subnet and whose it is.
type claim struct {
	netip.Prefix
	*entry
	tunnel *tunnelParts
}

// checkOverlaps wants the remote subnets of all tunnels disjoint. Sorted by address and then length, a subnet comes
// right behind those that enclose it: one pass with a stack finds them.
func (a *assembly) checkOverlaps() {
	var claims []claim
	for _, t := range a.tunnels {
		if e := t.scope.entry("remote_subnets"); e != nil {
			for _, item := range e.items {
				claims = append(claims, claim{item.value.(netip.Prefix), item, t})
			}
		}
	}
	slices.SortStableFunc(claims, func(x, y claim) int {
		return cmp.Or(x.Addr().Compare(y.Addr()), cmp.Compare(x.Bits(), y.Bits()))
	})
	var enclosing []claim
	for _, c := range claims {
		for len(enclosing) > 0 && !enclosing[len(enclosing)-1].Contains(c.Addr()) {
			enclosing = enclosing[:len(enclosing)-1]
		}
		for _, outer := range slices.Backward(enclosing) {
			if outer.tunnel != c.tunnel {
				a.overlap(outer, c)
				break
			}
		}
		enclosing = append(enclosing, c)
	}
}

// overlap is shown at the one that stands later in the file and names the other.
func (a *assembly) overlap(x, y claim) {
	if cmp.Or(cmp.Compare(x.node.Line, y.node.Line), cmp.Compare(x.node.Column, y.node.Column)) > 0 {
		x, y = y, x
	}
	a.problem(y.entry, fmt.Sprintf("%v overlaps %v of tunnel %s, in line %d", y.Prefix, x.Prefix, x.tunnel.Name, x.node.Line),
		"a packet must have one way to go: give each tunnel remote subnets of its own")
}

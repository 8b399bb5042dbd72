//go:build linux

package survey

import (
	"cmp"
	"net"
	"net/netip"
	"slices"

	"vpngw/tunnel/doctor"
)

// LAN says by which interface hosts of ours are reached.
type LAN struct {
	Hosts netip.Prefix
	Link  string // "": by none, by several, or they are addresses of this machine
}

// LANs asks by which interfaces the hosts of local subnets are reached: what a packet from
// one of them has come by, as far as routes tell. Of the prefixes that a host is in the
// longest counts. They are in order, each there once. It may be called by any goroutine.
func LANs(local []netip.Prefix) ([]LAN, error) {
	ask := newAsker()
	defer ask.handle.Close()
	t := readTable(&doctor.Facts{Subject: doctor.Subject{Local: local}}, ask)
	links := map[netip.Prefix]string{}
	for _, p := range local {
		t.lan(p.Masked(), links)
	}
	own, err := net.InterfaceAddrs()
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			host := netip.PrefixFrom(p.Addr().Unmap(), p.Addr().Unmap().BitLen())
			if slices.ContainsFunc(local, host.Overlaps) {
				links[host] = ""
			}
		}
	}
	lans := make([]LAN, 0, len(links))
	for hosts, link := range links {
		lans = append(lans, LAN{hosts, link})
	}
	slices.SortFunc(lans, func(x, y LAN) int {
		return cmp.Or(x.Hosts.Addr().Compare(y.Hosts.Addr()), cmp.Compare(x.Hosts.Bits(), y.Hosts.Bits()))
	})
	return lans, err
}

// lan notes in links the interfaces of a local subnet: that of the route that leads to all
// of it, and those of routes to parts of it.
func (t *table) lan(p netip.Prefix, links map[netip.Prefix]string) {
	all := t.v4
	if p.Addr().Is6() {
		all = t.v6
	}
	best := map[netip.Prefix]*known{}
	prefer := func(at netip.Prefix, r *known) {
		if b := best[at]; b == nil || r.to.Bits() > b.to.Bits() || r.to.Bits() == b.to.Bits() && r.Priority < b.Priority {
			best[at] = r
		}
	}
	for n := range all {
		switch r := &all[n]; {
		case !r.narrow || r.to.Bits() <= p.Bits() && r.to.Overlaps(p):
			prefer(p, r)
		case r.to.Overlaps(p):
			prefer(r.to.Masked(), r)
		}
	}
	for at, r := range best {
		links[at] = t.leaf(r)
	}
	if best[p] == nil { // rules of policy routing may know another table
		links[p] = ""
		if r := t.ask.route(p.Addr().Next()); r != nil && unicast(r) {
			links[p] = t.ask.link(r.LinkIndex)
		}
	}
}

// leaf is the interface of a route, "" if that is none or several.
func (t *table) leaf(r *known) string {
	hops := leaves(&r.Route)
	if !unicast(&r.Route) || len(hops) != 1 {
		return ""
	}
	return t.ask.link(hops[0])
}

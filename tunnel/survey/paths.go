//go:build linux

package survey

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vpngw/tunnel/doctor"
	"vpngw/tunnel/netconf"
)

// table is what of the main routing table is about the gateway's peers and subnets. It is
// read once for a look, route by route: a router may have a million others.
type table struct {
	v4, v6 []known
	ask    *asker
}

// known is a route with its destination; without one it leads everywhere.
type known struct {
	netlink.Route
	to     netip.Prefix
	narrow bool // it has a destination
}

func readTable(f *doctor.Facts, ask *asker) (t table) {
	about := append(slices.Clone(f.Local), f.Remote...)
	for _, p := range f.Peers {
		if p.Address.IsValid() {
			about = append(about, netip.PrefixFrom(p.Address, p.Address.BitLen()))
		}
	}
	read := func(family int) (kept []known) {
		_, err := list(func() ([]netlink.Route, error) {
			kept = nil
			main := netlink.Route{Table: unix.RT_TABLE_MAIN}
			return nil, netlink.RouteListFilteredIter(family, &main, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
				dst, ok := prefixOf(r.Dst)
				if !ok || slices.ContainsFunc(about, dst.Overlaps) {
					kept = append(kept, known{r, dst, ok})
				}
				return true
			})
		})
		if err != nil {
			unseen(f, "routes", err)
		}
		return kept
	}
	return table{read(netlink.FAMILY_V4), read(netlink.FAMILY_V6), ask}
}

// paths asks for the ways to the peers.
func paths(f *doctor.Facts, t *table) {
	var ask netconf.Paths
	defer ask.Close()
	for _, p := range f.Peers {
		if !p.Address.IsValid() {
			f.Unseen = append(f.Unseen, "the path of tunnel "+p.Tunnel+": its peer's address is not known")
			continue
		}
		path, err := ask.From(p.Source, p.Address)
		if err != nil {
			unseen(f, "the path of tunnel "+p.Tunnel, err)
			continue
		}
		d := doctor.Path{Peer: p, Link: path.Link, MTU: path.MTU}
		d.Source = path.Source
		d.Via, d.StrictAlso = nextHop(t, p.Address, path.Link)
		f.Paths = append(f.Paths, d)
	}
}

// nextHop is where packets to a peer go on link, and the other interfaces by which a route
// leads to it, too, and whose reverse-path filter is strict.
func nextHop(t *table, peer netip.Addr, link string) (via netip.Addr, strict []string) {
	if r := t.ask.route(peer); r != nil {
		via, _ = netip.AddrFromSlice(r.Gw)
		via = via.Unmap()
	}
	if peer.Is6() {
		return via, nil // the kernel filters only IPv4
	}
	for n := range t.v4 {
		r := &t.v4[n]
		if !unicast(&r.Route) || r.narrow && !r.to.Contains(peer) {
			continue
		}
		for _, index := range leaves(&r.Route) {
			name := t.ask.link(index)
			if name == "" || name == link || slices.Contains(strict, name) {
				continue
			}
			if reversePath(name) == 1 {
				strict = append(strict, name)
			}
		}
	}
	return via, strict
}

// returns asks by which interface answers to the remote subnets would go: by another than
// the TUN device, and its reverse-path filter drops what comes from there.
func returns(f *doctor.Facts, t *table) {
	for _, p := range f.Remote {
		if p.Addr().Is6() {
			continue // the kernel filters only IPv4
		}
		for _, a := range parts(t, p) {
			r := doctor.Return{Subnet: a}
			if back := t.ask.route(a.Addr()); back != nil && unicast(back) {
				r.Link = t.ask.link(back.LinkIndex)
			}
			f.Returns = append(f.Returns, r)
		}
	}
}

// parts are a remote subnet and the parts of it that have routes of their own.
func parts(t *table, p netip.Prefix) []netip.Prefix {
	all := []netip.Prefix{p}
	for n := range t.v4 {
		if r := &t.v4[n]; r.narrow && r.to.Bits() > p.Bits() && p.Overlaps(r.to) && unicast(&r.Route) {
			all = append(all, r.to)
		}
	}
	return all
}

// list asks again, a few times, when something changed while the kernel was listing.
func list[T any](ask func() ([]T, error)) (got []T, err error) {
	for range 10 {
		if got, err = ask(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return got, err
}

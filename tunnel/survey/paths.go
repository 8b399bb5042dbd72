//go:build linux

package survey

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vpngw/tunnel/doctor"
	"vpngw/tunnel/netconf"
)

// table is what of the main routing table is about the gateway's peers and subnets. It is
// read once for a look, route by route: a router may have a million others.
type table struct{ v4, v6 []netlink.Route }

func readTable(f *doctor.Facts) (t table) {
	about := append(slices.Clone(f.Local), f.Remote...)
	for _, p := range f.Peers {
		if p.Address.IsValid() {
			about = append(about, netip.PrefixFrom(p.Address, p.Address.BitLen()))
		}
	}
	read := func(family int) (kept []netlink.Route) {
		_, err := list(func() ([]netlink.Route, error) {
			kept = nil
			main := netlink.Route{Table: unix.RT_TABLE_MAIN}
			return nil, netlink.RouteListFilteredIter(family, &main, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
				dst, ok := prefixOf(r.Dst)
				if !ok || slices.ContainsFunc(about, dst.Overlaps) {
					kept = append(kept, r)
				}
				return true
			})
		})
		if err != nil {
			unseen(f, "routes", err)
		}
		return kept
	}
	return table{read(netlink.FAMILY_V4), read(netlink.FAMILY_V6)}
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
	if routes, err := netlink.RouteGet(net.IP(peer.AsSlice())); err == nil && len(routes) > 0 {
		via, _ = netip.AddrFromSlice(routes[0].Gw)
		via = via.Unmap()
	}
	if peer.Is6() {
		return via, nil // the kernel filters only IPv4
	}
	for _, r := range t.v4 {
		if dst, ok := prefixOf(r.Dst); !unicast(&r) || ok && !dst.Contains(peer) {
			continue
		}
		for _, index := range leaves(&r) {
			l, err := netlink.LinkByIndex(index)
			if err != nil || l.Attrs().Name == link || slices.Contains(strict, l.Attrs().Name) {
				continue
			}
			if name := l.Attrs().Name; reversePath(name) == 1 {
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
			if routes, err := netlink.RouteGet(net.IP(a.Addr().AsSlice())); err == nil && len(routes) > 0 && unicast(&routes[0]) {
				if l, err := netlink.LinkByIndex(routes[0].LinkIndex); err == nil {
					r.Link = l.Attrs().Name
				}
			}
			f.Returns = append(f.Returns, r)
		}
	}
}

// parts are a remote subnet and the parts of it that have routes of their own.
func parts(t *table, p netip.Prefix) []netip.Prefix {
	all := []netip.Prefix{p}
	for _, r := range t.v4 {
		if dst, ok := prefixOf(r.Dst); ok && dst.Bits() > p.Bits() && p.Overlaps(dst) && unicast(&r) {
			all = append(all, dst)
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

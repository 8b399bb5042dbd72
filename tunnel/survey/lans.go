//go:build linux

package survey

import (
	"cmp"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// LAN says by which interface hosts of ours are reached.
type LAN struct {
	Hosts netip.Prefix
	Link  string // "": by none, by several, or they are addresses of this machine
}

// mostParts bounds the routes to parts of local subnets that are looked at, of each family:
// a router that is the way to everywhere may have a million.
const mostParts = 4096

// LANs asks by which interfaces the hosts of local subnets are reached: what a packet from
// one of them has come by, as far as routes tell. Of the prefixes that a host is in the
// longest counts. They are in order, each there once. It may be called by any goroutine.
func LANs(local []netip.Prefix) ([]LAN, error) {
	ask := newAsker()
	defer ask.handle.Close()
	links := map[netip.Prefix]string{}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		w, err := waysOf(family, local)
		if err != nil {
			return nil, err
		}
		w.name(ask, links)
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

// ways are the routes of the main table to local subnets of one family: to each the one that
// leads to all of it, and those to parts of it.
type ways struct {
	local []netip.Prefix
	best  map[netip.Prefix]way
}

type way struct {
	bits, priority int // of the route's prefix; of two routes the longer one counts, then the lower priority
	link           int // index; 0: none, or several
}

func waysOf(family int, local []netip.Prefix) (w ways, err error) {
	for _, p := range local {
		if p.Addr().Is4() == (family == netlink.FAMILY_V4) {
			w.local = append(w.local, p.Masked())
		}
	}
	if w.local == nil {
		return w, nil
	}
	_, err = list(func() ([]netlink.Route, error) {
		w.best = map[netip.Prefix]way{}
		main := netlink.Route{Table: unix.RT_TABLE_MAIN}
		return nil, netlink.RouteListFilteredIter(family, &main, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
			w.add(&r)
			return true
		})
	})
	return w, err
}

func (w *ways) add(r *netlink.Route) {
	to, narrow := prefixOf(r.Dst)
	if !narrow {
		to = netip.Prefix{} // of no bits
	}
	for _, p := range w.local {
		switch {
		case !narrow || to.Bits() <= p.Bits() && to.Overlaps(p):
			w.prefer(p, r, max(to.Bits(), 0))
		case to.Overlaps(p) && len(w.best) < mostParts:
			w.prefer(to.Masked(), r, to.Bits())
		}
	}
}

func (w *ways) prefer(at netip.Prefix, r *netlink.Route, bits int) {
	n := way{bits: bits, priority: r.Priority}
	if hops := leaves(r); unicast(r) && len(hops) == 1 {
		n.link = hops[0]
	}
	if b, ok := w.best[at]; !ok || n.bits > b.bits || n.bits == b.bits && n.priority < b.priority {
		w.best[at] = n
	}
}

// name notes the names of the interfaces in links.
func (w *ways) name(ask *asker, links map[netip.Prefix]string) {
	for at, n := range w.best {
		links[at] = ""
		if n.link != 0 {
			links[at] = ask.link(n.link)
		}
	}
	for _, p := range w.local {
		if _, ok := w.best[p]; ok {
			continue
		}
		links[p] = "" // unless rules of policy routing know another table
		if r := ask.route(p.Addr().Next()); r != nil && unicast(r) {
			links[p] = ask.link(r.LinkIndex)
		}
	}
}

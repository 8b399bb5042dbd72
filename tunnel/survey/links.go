//go:build linux

package survey

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vpngw/offload/ethtool"
	"vpngw/tunnel/doctor"
)

// roles says why interfaces matter, by their index.
type roles map[int]*doctor.Interface

func (r roles) add(index int, role doctor.Role, towards string) {
	i := r[index]
	if i == nil {
		i = &doctor.Interface{}
		r[index] = i
	}
	if !slices.Contains(i.Roles, role) {
		i.Roles = append(i.Roles, role)
	}
	if towards != "" && !slices.Contains(i.Towards, towards) {
		i.Towards = append(i.Towards, towards)
	}
}

// interfaces fills f.Interfaces: the TUN device, the uplinks of f.Paths, those that local
// subnets are behind, and what these are stacked on.
func interfaces(f *doctor.Facts, t *table) error {
	links, err := list(netlink.LinkList)
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	byName := map[string]netlink.Link{}
	for _, l := range links {
		byName[l.Attrs().Name] = l
	}
	matter := roles{}
	if l := byName[f.Interface]; l != nil {
		matter.add(l.Attrs().Index, doctor.TUN, "")
	} else {
		f.Unseen = append(f.Unseen, fmt.Sprintf("%s: there is no such interface; the gateway is not running", f.Interface))
	}
	for _, p := range f.Paths {
		if l := byName[p.Link]; l != nil {
			matter.add(l.Attrs().Index, doctor.Uplink, p.Address.String())
		}
	}
	for _, p := range f.Local {
		behind(f, t, p, matter)
	}
	for _, l := range links {
		a := l.Attrs()
		if i := matter[a.Index]; i != nil {
			describe(f, i, l)
		}
	}
	stacked(f, links, matter)
	for index, i := range matter {
		if i.Name != "" {
			f.Interfaces = append(f.Interfaces, *i)
		} else {
			f.Unseen = append(f.Unseen, fmt.Sprintf("interface with index %d is gone", index))
		}
	}
	slices.SortFunc(f.Interfaces, func(a, b doctor.Interface) int {
		return cmp.Or(-compareBool(a.Is(doctor.TUN), b.Is(doctor.TUN)), strings.Compare(a.Name, b.Name))
	})
	return nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// behind finds the interfaces that a local subnet is reached by: that of the route to it,
// and those of routes to parts of it.
func behind(f *doctor.Facts, t *table, p netip.Prefix, matter roles) {
	all := t.v4
	if p.Addr().Is6() {
		all = t.v6
	}
	found := false
	for n := range all {
		if r := &all[n]; r.narrow && p.Overlaps(r.to) && r.to.Bits() >= p.Bits() && unicast(&r.Route) {
			for _, index := range leaves(&r.Route) {
				found = true
				matter.add(index, doctor.LAN, p.String())
			}
		}
	}
	if found {
		return
	}
	// A wider route, perhaps: where would a host of it be?
	route := t.ask.route(p.Addr().Next())
	if route == nil || !unicast(route) {
		if !p.IsSingleIP() {
			unseen(f, "the interface of local subnet "+p.String(), fmt.Errorf("no route leads to it"))
		}
		return
	}
	matter.add(route.LinkIndex, doctor.LAN, p.String())
}

func unicast(r *netlink.Route) bool { return r.Type == 0 || r.Type == unix.RTN_UNICAST }

func leaves(r *netlink.Route) []int {
	if len(r.MultiPath) == 0 {
		return []int{r.LinkIndex}
	}
	var all []int
	for _, hop := range r.MultiPath {
		all = append(all, hop.LinkIndex)
	}
	return all
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits), ok // the default route has 16 bytes
}

// stacked adds the interfaces that others of the list hand packets on from: offloads act there.
func stacked(f *doctor.Facts, links []netlink.Link, matter roles) {
	for again := true; again; {
		again = false
		for _, l := range links {
			a := l.Attrs()
			for _, upper := range links {
				u := upper.Attrs()
				over := matter[u.Index]
				if over == nil || matter[a.Index] != nil || !carries(a, upper) {
					continue
				}
				i := &doctor.Interface{Roles: slices.Clone(over.Roles), Under: u.Name}
				matter[a.Index] = i
				describe(f, i, l)
				again = true
			}
		}
	}
}

// carries tells whether packets of upper go through the interface with attributes a.
func carries(a *netlink.LinkAttrs, upper netlink.Link) bool {
	u := upper.Attrs()
	switch upper.Type() {
	case "bridge", "bond", "team", "vrf":
		return a.MasterIndex == u.Index
	case "vlan", "macvlan", "ipvlan":
		return a.Index == u.ParentIndex
	}
	return false
}

// describe fills in all but the roles.
func describe(f *doctor.Facts, i *doctor.Interface, l netlink.Link) {
	a := l.Attrs()
	i.Name, i.Kind, i.MTU, i.TxQueueLen = a.Name, l.Type(), a.MTU, a.TxQLen
	i.GSOMaxSize, i.GROMaxSize, i.GROMaxIPv4 = int(a.GSOMaxSize), int(a.GROMaxSize), int(a.GROIPv4MaxSize)
	i.Qdisc = qdisc(l)
	name := strings.ReplaceAll(a.Name, ".", "/")
	i.ReversePath = reversePath(a.Name)
	forwards, ok := sysctl("net.ipv4.conf." + name + ".forwarding")
	i.ForwardsIPv4 = forwards == 1 || !ok
	features, err := ethtool.Features(a.Name)
	if err != nil {
		unseen(f, "features of "+a.Name, err)
		return
	}
	i.Features = make(map[string]doctor.Feature, len(features))
	for name, s := range features {
		i.Features[name] = doctor.Feature{On: s.On, Requested: s.Requested, Fixed: s.Fixed || !s.Available}
	}
}

// reversePath is the rp_filter in force: the kernel takes the larger of the two.
func reversePath(iface string) int {
	all, _ := sysctl("net.ipv4.conf.all.rp_filter")
	own, _ := sysctl("net.ipv4.conf." + strings.ReplaceAll(iface, ".", "/") + ".rp_filter")
	return max(all, own)
}

func qdisc(l netlink.Link) string {
	all, err := list(func() ([]netlink.Qdisc, error) { return netlink.QdiscList(l) })
	if err != nil {
		return "unknown"
	}
	for _, q := range all {
		if q.Attrs().Parent == netlink.HANDLE_ROOT {
			return q.Type()
		}
	}
	return "noqueue"
}

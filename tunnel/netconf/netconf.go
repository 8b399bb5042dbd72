// Package netconf sets up what the kernel must know of a gateway: the TUN device's
// addresses, and routes of the remote subnets.
//
// Routes fail closed. Each remote subnet has two: one into the TUN device and,
// behind it with a high metric, an unreachable one. While the device is missing,
// being made anew, or after the gateway was killed, traffic for the subnet is
// refused and does not leave in clear by some wider route. A clean end removes both.
package netconf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// Protocol marks our routes, so that those of an earlier run are recognized.
	// It is from the range that iproute2 leaves to users.
	Protocol = 214

	// unreachableMetric is behind every metric that somebody would choose.
	unreachableMetric = 1 << 30
	tunMetric         = 50
)

// Net is the kernel state of one gateway. One goroutine may use it.
type Net struct {
	Link      int            // index of the TUN device
	Addresses []netip.Prefix // of the TUN device
	Remote    []netip.Prefix // subnets reached through it
	Local     []netip.Prefix // subnets behind this gateway, where a source address for its own packets is looked for
}

// Ensure makes the kernel's state what it should be, and changes nothing that is
// already so. It may be called again whenever something has changed.
func (n *Net) Ensure() error {
	link, err := netlink.LinkByIndex(n.Link)
	if err != nil {
		return fmt.Errorf("TUN device with index %d: %w", n.Link, err)
	}
	have, err := n.routes()
	if err != nil {
		return err
	}
	// What fails keeps nothing else from being done, and the subnets are closed before
	// anything is opened.
	var errs []error
	closed, open := n.wanted()
	errs = append(errs, ensureRoutes(closed, have), n.ensureAddresses(link))
	if link.Attrs().Flags&net.FlagUp == 0 {
		if err := netlink.LinkSetUp(link); err != nil {
			errs = append(errs, fmt.Errorf("set %s up: %w", link.Attrs().Name, explain(err)))
		}
	}
	return errors.Join(append(errs, ensureRoutes(open, have))...)
}

// ensureRoutes adds those of the routes that are not there.
func ensureRoutes(routes []netlink.Route, have map[routeKey]bool) error {
	var errs []error
	for _, want := range routes {
		if have[keyOf(&want)] {
			continue
		}
		if err := netlink.RouteReplace(&want); err != nil {
			errs = append(errs, fmt.Errorf("add route to %v: %w", want.Dst, explain(err)))
		}
	}
	return errors.Join(errs...)
}

// Remove takes the routes back. The addresses go with the device.
func (n *Net) Remove() error {
	var errs []error
	closed, open := n.wanted()
	for _, r := range append(open, closed...) {
		r.Src = nil // whatever it was when the route was made
		if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("remove route to %v: %w", r.Dst, err))
		}
	}
	return errors.Join(errs...)
}

func (n *Net) ensureAddresses(link netlink.Link) error {
	// The kernel would solicit routers on the device at every start.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+link.Attrs().Name+"/addr_gen_mode", []byte("1"), 0)
	have, err := list(func() ([]netlink.Addr, error) { return netlink.AddrList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return fmt.Errorf("list addresses of %s: %w", link.Attrs().Name, err)
	}
next:
	for _, want := range n.Addresses {
		for _, a := range have {
			if a.IP.Equal(want.Addr().AsSlice()) {
				continue next
			}
		}
		addr := &netlink.Addr{IPNet: ipNet(want)}
		if want.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD // nobody else is on this link
		}
		if err := netlink.AddrReplace(link, addr); err != nil {
			return fmt.Errorf("add address %v to %s: %w", want, link.Attrs().Name, explain(err))
		}
	}
	return nil
}

// wanted returns our routes: for every remote subnet the unreachable one and the one
// into the TUN device before it.
func (n *Net) wanted() (closed, open []netlink.Route) {
	sources := n.sources()
	closed, open = make([]netlink.Route, 0, len(n.Remote)), make([]netlink.Route, 0, len(n.Remote))
	for _, p := range n.Remote {
		in := netlink.Route{LinkIndex: n.Link, Dst: ipNet(p), Protocol: Protocol, Priority: tunMetric, Scope: netlink.SCOPE_LINK}
		if src, ok := sources[p.Addr().Is4()]; ok {
			in.Src = src.AsSlice()
		}
		if p.Addr().Is6() {
			in.Scope = netlink.SCOPE_UNIVERSE
		}
		open = append(open, in)
		closed = append(closed, netlink.Route{Dst: ipNet(p), Protocol: Protocol, Priority: unreachableMetric, Type: unix.RTN_UNREACHABLE})
	}
	return closed, open
}

// unusable are flags of an IPv6 address that the kernel refuses as a source: it may turn
// out to be another host's, or has. When it is known to be ours that is a change of the
// network, and Ensure is called again.
const unusable = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED

// sources returns, for IPv4 (true) and IPv6 (false), an address of this machine in
// the local subnets: what the gateway itself sends must have one that the tunnel's
// selectors allow. Where the TUN device has an address of that family, the user has
// chosen.
func (n *Net) sources() map[bool]netip.Addr {
	found := map[bool]netip.Addr{}
	addrs, err := list(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return found // a convenience only
	}
	chosen := map[bool]bool{}
	for _, a := range n.Addresses {
		chosen[a.Addr().Is4()] = true
	}
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		if !ok || a.LinkIndex == n.Link || a.Flags&unusable != 0 {
			continue
		}
		ip = ip.Unmap()
		for _, p := range n.Local {
			if _, have := found[ip.Is4()]; !have && !chosen[ip.Is4()] && p.Contains(ip) {
				found[ip.Is4()] = ip
			}
		}
	}
	return found
}

// routeKey is what tells routes of ours apart. There may be thousands of them.
type routeKey struct {
	dst         netip.Prefix
	link, type_ int
	metric      int
	src         netip.Addr
}

func keyOf(r *netlink.Route) routeKey {
	k := routeKey{metric: r.Priority, type_: r.Type}
	if r.Dst != nil {
		k.dst = prefixOf(r.Dst)
	}
	if r.Type == 0 {
		k.type_ = unix.RTN_UNICAST
	}
	if k.type_ == unix.RTN_UNICAST { // IPv6 lists unreachable routes on lo
		k.link = r.LinkIndex
	}
	if r.Src != nil {
		k.src, _ = netip.AddrFromSlice(r.Src)
		k.src = k.src.Unmap()
	}
	return k
}

// routes lists our routes as they stand.
func (n *Net) routes() (map[routeKey]bool, error) {
	have := make(map[routeKey]bool, 2*len(n.Remote))
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		ours, err := list(func() (keys []routeKey, err error) {
			err = netlink.RouteListFilteredIter(family, &netlink.Route{Protocol: Protocol}, netlink.RT_FILTER_PROTOCOL,
				func(r netlink.Route) bool {
					keys = append(keys, keyOf(&r))
					return true
				})
			return keys, err
		})
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, k := range ours {
			have[k] = true
		}
	}
	return have, nil
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

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func prefixOf(n *net.IPNet) netip.Prefix {
	addr, _ := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if size == 32 {
		addr = addr.Unmap()
	}
	return netip.PrefixFrom(addr, bits)
}

func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (needs CAP_NET_ADMIN)", err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w (IPv6 is disabled on this machine or interface)", err)
	}
	return err
}

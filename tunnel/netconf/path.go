package netconf

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
)

// Path is how this machine reaches a peer.
type Path struct {
	Source netip.Addr // as asked for, or the kernel's choice
	MTU    int        // of the route or else of its interface, in bytes
	Link   string
}

// PathTo asks the kernel for the way to peer from an address that it chooses.
func PathTo(peer netip.Addr) (Path, error) { return PathFrom(netip.Addr{}, peer) }

// PathFrom asks the kernel for the way to peer from an address of this machine, which
// rules of policy routing may look at; from none, it chooses one.
func PathFrom(source, peer netip.Addr) (Path, error) {
	options := netlink.RouteGetOptions{SrcAddr: net.IP(source.AsSlice())}
	routes, err := netlink.RouteGetWithOptions(net.IP(peer.AsSlice()), &options)
	if err != nil {
		return Path{}, fmt.Errorf("no route to %v: %w", peer, err)
	}
	if len(routes) == 0 {
		return Path{}, fmt.Errorf("no route to %v", peer)
	}
	r := routes[0]
	link, err := netlink.LinkByIndex(r.LinkIndex)
	if err != nil {
		return Path{}, fmt.Errorf("interface of the route to %v: %w", peer, err)
	}
	p := Path{Source: source, MTU: link.Attrs().MTU, Link: link.Attrs().Name}
	// Of the route as it is configured: what the kernel has learnt beside it comes from
	// ICMP that anybody can forge.
	options.FIBMatch = true
	configured, err := netlink.RouteGetWithOptions(net.IP(peer.AsSlice()), &options)
	if err == nil && len(configured) > 0 && configured[0].MTU > 0 {
		p.MTU = min(p.MTU, configured[0].MTU)
	}
	if src, ok := netip.AddrFromSlice(r.Src); ok {
		p.Source = src.Unmap()
	}
	return p, nil
}

// SetMTU changes the MTU of a device.
func SetMTU(index, mtu int) error {
	link, err := netlink.LinkByIndex(index)
	if err != nil {
		return fmt.Errorf("device with index %d: %w", index, err)
	}
	if err := netlink.LinkSetMTU(link, mtu); err != nil {
		return fmt.Errorf("set MTU %d on %s: %w", mtu, link.Attrs().Name, explain(err))
	}
	return nil
}

// TxDropped is how many packets the kernel has dropped on a TUN device because its
// ring was full or it was down; 0 if the device is gone.
func TxDropped(index int) uint64 {
	link, err := netlink.LinkByIndex(index)
	if err != nil || link.Attrs().Statistics == nil {
		return 0
	}
	return link.Attrs().Statistics.TxDropped
}

// Forwarding tells whether the machine forwards packets of a family (4 or 6).
func Forwarding(version int) bool {
	path := "/proc/sys/net/ipv4/ip_forward"
	if version == 6 {
		path = "/proc/sys/net/ipv6/conf/all/forwarding"
	}
	b, err := os.ReadFile(path)
	return err == nil && len(b) > 0 && b[0] == '1'
}

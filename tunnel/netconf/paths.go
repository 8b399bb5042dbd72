package netconf

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Paths asks the kernel for the ways to many peers: by one netlink socket, and for each
// interface once until Forget. The zero value is ready. It belongs to one goroutine.
type Paths struct {
	handle *netlink.Handle // nil: not opened yet
	links  map[int]link    // by index
}

// link is what is asked of an interface.
type link struct {
	name string
	mtu  int
}

// To asks for the way to peer from an address that the kernel chooses.
func (p *Paths) To(peer netip.Addr) (Path, error) { return p.From(netip.Addr{}, peer) }

// From asks for the way to peer from an address of this machine, which rules of policy
// routing may look at; from none, the kernel chooses one.
func (p *Paths) From(source, peer netip.Addr) (Path, error) {
	h, err := p.open()
	if err != nil {
		return Path{}, err
	}
	options := netlink.RouteGetOptions{SrcAddr: net.IP(source.AsSlice())}
	routes, err := h.RouteGetWithOptions(net.IP(peer.AsSlice()), &options)
	if err != nil {
		return Path{}, fmt.Errorf("no route to %v: %w", peer, err)
	}
	if len(routes) == 0 {
		return Path{}, fmt.Errorf("no route to %v", peer)
	}
	r := routes[0]
	l, err := p.link(r.LinkIndex)
	if err != nil {
		return Path{}, fmt.Errorf("interface of the route to %v: %w", peer, err)
	}
	path := Path{Source: source, MTU: l.mtu, Link: l.name}
	if r.MTU > 0 {
		// Of the route as it is configured: what the kernel has learnt beside it comes from
		// ICMP that anybody can forge.
		options.FIBMatch = true
		configured, err := h.RouteGetWithOptions(net.IP(peer.AsSlice()), &options)
		if err == nil && len(configured) > 0 && configured[0].MTU > 0 {
			path.MTU = min(path.MTU, configured[0].MTU)
		}
	}
	if src, ok := netip.AddrFromSlice(r.Src); ok {
		path.Source = src.Unmap()
	}
	return path, nil
}

// Forget has interfaces asked for again: they may have changed.
func (p *Paths) Forget() { clear(p.links) }

// Close closes the socket. A question after it opens another.
func (p *Paths) Close() {
	if p.handle != nil {
		p.handle.Close()
		p.handle = nil
	}
}

func (p *Paths) open() (*netlink.Handle, error) {
	if p.handle == nil {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return nil, fmt.Errorf("netlink socket: %w", err)
		}
		p.handle = h
	}
	return p.handle, nil
}

func (p *Paths) link(index int) (link, error) {
	if l, ok := p.links[index]; ok {
		return l, nil
	}
	found, err := p.handle.LinkByIndex(index)
	if err != nil {
		return link{}, err
	}
	l := link{found.Attrs().Name, found.Attrs().MTU}
	if p.links == nil {
		p.links = map[int]link{}
	}
	p.links[index] = l
	return l, nil
}

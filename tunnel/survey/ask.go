//go:build linux

package survey

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// asker asks the kernel what is asked for each peer and each subnet, of which a hub has
// thousands: by one netlink socket, and for each interface once.
type asker struct {
	handle *netlink.Handle
	names  map[int]string // of interfaces; "": it is not there
}

// newAsker returns an asker, whose handle is to be closed.
func newAsker() *asker {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		h = &netlink.Handle{} // opens a socket for each question
	}
	return &asker{handle: h, names: map[int]string{}}
}

// route is the way to an address, nil if there is none.
func (a *asker) route(to netip.Addr) *netlink.Route {
	routes, err := a.handle.RouteGet(net.IP(to.AsSlice()))
	if err != nil || len(routes) == 0 {
		return nil
	}
	return &routes[0]
}

// link is the name of an interface, "" if it is not there.
func (a *asker) link(index int) string {
	name, asked := a.names[index]
	if !asked {
		if l, err := a.handle.LinkByIndex(index); err == nil {
			name = l.Attrs().Name
		}
		a.names[index] = name
	}
	return name
}

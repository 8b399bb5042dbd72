package netconf

import (
	"fmt"
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

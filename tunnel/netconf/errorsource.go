package netconf

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
)

// ErrorSources are the addresses of this machine that ICMP errors written to the TUN
// device may come from: one of the device, or else one in the local subnets. The zero
// Addr stands for none: IPv4 takes nothing from a device that comes from an address of
// the machine itself, unless the device says so (accept_local, which this switches on)
// and reverse-path filtering lets it.
func (n *Net) ErrorSources() (v4, v6 netip.Addr) {
	found := n.sources()
	own := map[bool]bool{}
	for _, a := range n.Addresses {
		if is4 := a.Addr().Is4(); !own[is4] {
			own[is4], found[is4] = true, a.Addr()
		}
	}
	link, err := netlink.LinkByIndex(n.Link)
	if err != nil || !acceptsLocal(link.Attrs().Name, own[true]) {
		found[true] = netip.Addr{}
	}
	return found[true], found[false]
}

// acceptsLocal makes a device take IPv4 packets from addresses of this machine, if it
// can. What a peer sends from such an address does not come so far: the tunnel's
// selectors leave it out.
func acceptsLocal(device string, addressed bool) bool {
	const conf = "/proc/sys/net/ipv4/conf"
	if os.WriteFile(filepath.Join(conf, device, "accept_local"), []byte("1"), 0) != nil {
		return false
	}
	strictest := ""
	for _, of := range []string{"all", device} { // the stricter of the two counts, but 2 is looser than 1
		b, err := os.ReadFile(filepath.Join(conf, of, "rp_filter"))
		if err != nil {
			return false
		}
		strictest = max(strictest, strings.TrimSpace(string(b)))
	}
	// Loose filtering finds no way back where the device has no address.
	return strictest == "0" || strictest == "2" && addressed
}

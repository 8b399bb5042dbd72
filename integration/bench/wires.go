package main

import (
	"cmp"
	"net/netip"

	"vpngw/integration/lab"
)

// wireKind is a wire between the gateways.
type wireKind struct {
	Name, Title string
	Options     lab.Options
	Outside6    bool // the tunnels run over IPv6
}

// usualWires lists the wires in the order of the output.
func usualWires() []wireKind {
	return []wireKind{
		{"default", "Default wire (veth: superpackets cross whole, checksums never computed)", lab.Options{}, false},
		{"nic", "NIC-like wire (sender cuts and computes checksums, receiver coalesces)", lab.Options{NICLike: true}, false},
	}
}

// allWires adds those that run only where -only names them.
func allWires() []wireKind {
	return append(usualWires(),
		wireKind{"mtu1280", "Wire with MTU 1280", lab.Options{MTU: 1280}, false},
		wireKind{"mtu9000", "Wires with MTU 9000, also of the hosts", lab.Options{MTU: 9000, LANMTU: 9000}, false},
		wireKind{"ipv6", "Wire with tunnels over IPv6", lab.Options{}, true},
		wireKind{"vlan", "Wire with 802.1Q tags in its frames", lab.Options{VLAN: 100}, false},
	)
}

// mtu of the wire, in bytes.
func (w wireKind) mtu() int { return cmp.Or(w.Options.MTU, 1500) }

// outside is the address of a site's gateway that tunnels use.
func (w wireKind) outside(s lab.Site) netip.Addr {
	if w.Outside6 {
		return s.Outside6
	}
	return s.Outside4
}

// widest is the largest payload of UDP over IPv4, up to limit, of which a datagram
// crosses the wire in one piece inside every contestant's tunnel: WireGuard's leaves
// least room.
func (w wireKind) widest(limit int) int { return min(limit, w.mtu()-80-28) }

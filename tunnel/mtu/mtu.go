// Package mtu is the vocabulary of sizes of a packet on its way, in one place.
//
//	|<------------------------- Outer: MTU of the wire ------------------------->|
//	| IP 20 or 40 | UDP 8 | ESP 8 | IV 8 | inner packet | pad 0-3, 2 | ICV 16     |
//	                      |<---------------- Datagram: UDP payload ------------->|
//	                                     |<-- Inner -->|  MTU of the TUN device
package mtu

import (
	"net/netip"

	"vpngw/crypto/esp"
)

// Sizes in bytes.
const (
	IPv4Header = 20 // without options, which vpngw does not send
	IPv6Header = 40
	UDPHeader  = 8
	TCPHeader  = 20 // without options

	// IPv6Minimum is what every link must carry of IPv6 (RFC 8200 §5). The kernel takes IPv6
	// off a device with a smaller MTU.
	IPv6Minimum = 1280

	// Ethernet is assumed where the wire's MTU cannot be found out.
	Ethernet = 1500
)

// OuterHeaders returns the bytes of IP and UDP header that go before each
// datagram to peer.
func OuterHeaders(peer netip.Addr) int {
	if peer.Unmap().Is4() {
		return IPv4Header + UDPHeader
	}
	return IPv6Header + UDPHeader
}

// Inner returns the longest inner packet, and so the MTU of the TUN device, that
// crosses a wire of the given MTU to peer in one datagram. Every ESP suite has
// the same overhead.
func Inner(outer int, peer netip.Addr) int {
	return esp.MaxPacket(outer - OuterHeaders(peer))
}

// Outer returns the length on the wire of an inner packet sent to peer.
func Outer(inner int, peer netip.Addr) int {
	return esp.SealedLen(inner) + OuterHeaders(peer)
}

package offload

import (
	"encoding/binary"
	"net/netip"
)

const (
	protoICMPv4 uint8 = 1
	protoICMPv6 uint8 = 58

	icmpHeaderLen     = 8
	icmpv4Unreachable = 3 // type; RFC 792
	icmpv4NeedsDF     = 4 // code: fragmentation needed and DF set; RFC 1191 §4
	icmpv6TooBig      = 2 // type; RFC 4443 §3.2

	// quoteIPv4 and MaxTooBig bound a whole message: RFC 1812 §4.3.2.3, RFC 4443 §2.4(c).
	quoteIPv4 = 576

	minIPv6MTU = 1280 // RFC 8200 §5

	networkControl = 0xc0 // TOS: precedence 6, as RFC 1812 §4.3.2.5 wants for errors
	errorHopLimit  = 64
)

// MaxTooBig is the longest message that [TooBig] makes, in bytes.
const MaxTooBig = minIPv6MTU

// DontFragment tells whether nobody but its sender may fragment pkt, an IP packet that
// [ParseHeaders] has read into h: IPv4 with DF set, and IPv6.
func DontFragment(pkt []byte, h *Headers) bool {
	return h.Version == 6 || pkt[ipv4FragmentAt]&0x40 != 0
}

// TooBig writes to dst, which has room for MaxTooBig bytes, the ICMP error that tells the
// sender of pkt that only mtu bytes go on: "fragmentation needed" (RFC 1191 §4) or "packet
// too big" (RFC 4443 §3.2, never for less than the 1280 bytes that IPv6 hosts may count
// on). [ParseHeaders] has read pkt into h; of a superpacket length is that of its first
// segment, and stands in the quotation. The message comes from the address from; the zero
// Addr is the destination of pkt. It returns its length in bytes, 0 if no error may be
// sent about pkt: it is an error itself, a later fragment of IPv4, or not from and to one
// host each (RFC 1122 §3.2.2, RFC 4443 §2.4(e)).
func TooBig(dst, pkt []byte, h *Headers, length int, from netip.Addr, mtu int) int {
	if !mayComplain(pkt, h) {
		return 0
	}
	if !from.IsValid() {
		from = h.Dst
	}
	if h.Version == 6 {
		return tooBig6(dst, pkt[:h.Len], h, length, from, mtu)
	}
	return tooBig4(dst, pkt[:h.Len], h, length, from, mtu)
}

func mayComplain(pkt []byte, h *Headers) bool {
	if h.Src.IsUnspecified() || h.Src.IsLoopback() || h.Src.IsMulticast() {
		return false
	}
	if h.Version == 4 {
		const classE = 240 // and limited broadcast
		later := binary.BigEndian.Uint16(pkt[ipv4FragmentAt:])&0x1fff != 0
		if later || pkt[ipv4AddressAt] >= classE || h.Dst.IsMulticast() || pkt[ipv4AddressAt+4] >= classE {
			return false
		}
	}
	switch h.Proto {
	case protoICMPv4, protoICMPv6:
		return h.L4 < h.Len && !icmpError(h.Proto, pkt[h.L4])
	}
	return true
}

// icmpError tells whether a message of that type must not be answered with an error.
func icmpError(proto, kind uint8) bool {
	if proto == protoICMPv6 {
		const redirect = 137
		return kind < 128 || kind == redirect
	}
	switch kind {
	case 3, 4, 5, 11, 12: // unreachable, source quench, redirect, time exceeded, parameter problem
		return true
	}
	return false
}

func tooBig4(dst, pkt []byte, h *Headers, length int, from netip.Addr, mtu int) int {
	const headers = ipv4HeaderLen + icmpHeaderLen
	n := headers + copy(dst[headers:quoteIPv4], pkt[:min(len(pkt), length)])
	quote := dst[headers:n]
	if length != len(pkt) {
		binary.BigEndian.PutUint16(quote[ipv4LengthAt:], uint16(length))
		putIPv4Checksum(quote[:h.L4])
	}

	icmp := dst[ipv4HeaderLen:n]
	clear(icmp[:icmpHeaderLen])
	icmp[0], icmp[1] = icmpv4Unreachable, icmpv4NeedsDF
	binary.BigEndian.PutUint16(icmp[6:], uint16(min(mtu, 0xffff)))
	binary.BigEndian.PutUint16(icmp[2:], ^Sum(icmp, 0))

	ip := dst[:ipv4HeaderLen]
	clear(ip)
	ip[0], ip[1] = 0x45, networkControl
	binary.BigEndian.PutUint16(ip[ipv4LengthAt:], uint16(n))
	ip[ipv4FragmentAt] = 0x40 // never a fragment, so it needs no ID (RFC 6864 §4.1)
	ip[8], ip[9] = errorHopLimit, protoICMPv4
	source := from.As4()
	copy(ip[ipv4AddressAt:], source[:])
	copy(ip[ipv4AddressAt+4:], pkt[ipv4AddressAt:ipv4AddressAt+4])
	putIPv4Checksum(ip)
	return n
}

func tooBig6(dst, pkt []byte, h *Headers, length int, from netip.Addr, mtu int) int {
	const headers = ipv6HeaderLen + icmpHeaderLen
	n := headers + copy(dst[headers:MaxTooBig], pkt[:min(len(pkt), length)])
	if length != len(pkt) {
		binary.BigEndian.PutUint16(dst[headers+ipv6LengthAt:], uint16(length-ipv6HeaderLen))
	}

	ip := dst[:ipv6HeaderLen]
	binary.BigEndian.PutUint32(ip, 6<<28|networkControl<<20)
	binary.BigEndian.PutUint16(ip[ipv6LengthAt:], uint16(n-ipv6HeaderLen))
	ip[6], ip[7] = protoICMPv6, errorHopLimit
	source := from.As16()
	copy(ip[ipv6AddressAt:], source[:])
	copy(ip[ipv6AddressAt+16:], pkt[ipv6AddressAt:ipv6AddressAt+16])

	icmp := dst[ipv6HeaderLen:n]
	icmp[0], icmp[1], icmp[2], icmp[3] = icmpv6TooBig, 0, 0, 0
	binary.BigEndian.PutUint32(icmp[4:], uint32(max(mtu, minIPv6MTU)))
	sum := Sum(icmp, PseudoSum(ip[ipv6AddressAt:], protoICMPv6, len(icmp)))
	binary.BigEndian.PutUint16(icmp[2:], ^sum)
	return n
}

// putIPv4Checksum makes the checksum of an IPv4 header right.
func putIPv4Checksum(header []byte) {
	clear(header[ipv4ChecksumAt:ipv4AddressAt])
	binary.BigEndian.PutUint16(header[ipv4ChecksumAt:], ^Sum(header, 0))
}

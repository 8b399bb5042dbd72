package lane

import "encoding/binary"

// The ECN field of the IPv4 TOS and the IPv6 traffic class (RFC 3168 §5).
const (
	ecnMask = 0b11
	ecnCE   = 0b11 // congestion experienced
	notECT  = 0b00 // the transport does not speak ECN
)

// markCongestion carries congestion that a router marked on the outer header over to
// the packet inside, if its transport speaks ECN (RFC 4301 §5.1.2, RFC 7296 §2.24).
// Our own outer headers are never marked, for they say that they are not ECN-capable,
// but those of other gateways may be.
func markCongestion(packet []byte) {
	if len(packet) < 20 {
		return
	}
	switch packet[0] >> 4 {
	case 4:
		if packet[1]&ecnMask == notECT {
			return
		}
		// The checksum goes along (RFC 1624 §3).
		was := uint32(binary.BigEndian.Uint16(packet))
		packet[1] |= ecnCE
		is := uint32(binary.BigEndian.Uint16(packet))
		sum := uint32(^binary.BigEndian.Uint16(packet[10:])) + (0xffff - was) + is
		sum = sum>>16 + sum&0xffff
		sum = sum>>16 + sum&0xffff
		binary.BigEndian.PutUint16(packet[10:], ^uint16(sum))
	case 6:
		if packet[1]>>4&ecnMask != notECT {
			packet[1] |= ecnCE << 4
		}
	}
}

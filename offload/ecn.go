package offload

import "encoding/binary"

// The ECN field: the low two bits of the IPv4 TOS and of the IPv6 traffic class
// (RFC 3168 §5).
const (
	NotECT uint8 = 0b00 // the transport does not speak ECN
	ECT1   uint8 = 0b01 // it does; RFC 9331 gives this one a meaning of its own
	ECT0   uint8 = 0b10 // it does
	CE     uint8 = 0b11 // congestion experienced

	ECNMask uint8 = 0b11
)

// SetECN writes ecn, one of the four codepoints, into the IP header of packet, which
// [ParseHeaders] has accepted. The IPv4 header checksum is changed by as much as the
// header (RFC 1624 §3): right or wrong, it stays so.
func SetECN(packet []byte, ecn uint8) {
	if packet[0]>>4 == 6 {
		packet[1] = packet[1]&^(ECNMask<<4) | ecn<<4
		return
	}
	was := binary.BigEndian.Uint16(packet)
	packet[1] = packet[1]&^ECNMask | ecn
	is := binary.BigEndian.Uint16(packet)
	field := packet[ipv4ChecksumAt:ipv4AddressAt]
	sum := uint32(^binary.BigEndian.Uint16(field)) + uint32(^was) + uint32(is)
	binary.BigEndian.PutUint16(field, ^fold(sum))
}

// tosOf returns the IPv4 TOS or the IPv6 traffic class of an IP header.
func tosOf(header []byte) uint8 {
	if header[0]>>4 == 6 {
		return header[0]<<4 | header[1]>>4
	}
	return header[1]
}

// TOS returns the IPv4 TOS or the IPv6 traffic class that the next segment will have,
// 0 if there is none.
func (s *Segmenter) TOS() uint8 {
	switch {
	case s.remaining == 0:
		return 0
	case s.headerLen == 0:
		return tosOf(s.pkt)
	case s.ce:
		return tosOf(s.header[:]) | CE
	}
	return tosOf(s.header[:])
}

// MarkCE sets congestion experienced on the next segment, and on no other. It returns
// false, with nothing changed, if that one is not ECN-capable (RFC 3168 §5) or if
// there is none.
func (s *Segmenter) MarkCE() bool {
	switch {
	case s.TOS()&ECNMask == NotECT:
		return false
	case s.headerLen == 0:
		SetECN(s.pkt, CE)
	default:
		s.ce = true
	}
	return true
}

// Skip leaves the next segment out, unmade, and returns its length in bytes, 0 if
// there is none. The segments behind it are what they would have been: the one left
// out has used its IPv4 ID and its sequence numbers, and its CWR, FIN and PSH are lost
// with it, as on any path that loses a packet.
func (s *Segmenter) Skip() int {
	length := s.SegmentLen()
	if length == 0 {
		return 0
	}
	n := min(s.size, s.left)
	s.remaining--
	s.at += n
	s.left -= n
	s.id++
	s.seq += uint32(n)
	s.flags &^= tcpCWR
	s.ce = false
	return length
}

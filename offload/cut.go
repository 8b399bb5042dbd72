package offload

import "encoding/binary"

// Next returns the next segment, complete with all checksums, or nil when there
// is none left. The segment lies in the packet given to Reset: its header is
// written over the end of the payload of the segment before, so that one must be
// done with before Next is called. Behind the segment (up to its capacity) lie
// the payloads to come: whoever overwrites bytes there restores them before the
// next call.
func (s *Segmenter) Next() []byte { return s.next(true) }

// NextUnsummed is Next, but that a segment of a superpacket has 0 in place of its TCP
// or UDP checksum: for a receiver that is told so and makes it, see
// [Coalescer.AddUnsummed]. A plain packet is no such segment, which Cuts tells.
func (s *Segmenter) NextUnsummed() []byte { return s.next(false) }

func (s *Segmenter) next(summed bool) []byte {
	if s.remaining == 0 {
		return nil
	}
	s.remaining--
	if s.headerLen == 0 {
		s.left = 0
		s.partial.finish(s.pkt)
		return s.pkt
	}
	n := min(s.size, s.left)
	segment := s.pkt[s.at : s.at+s.headerLen+n]
	s.at += n
	s.left -= n
	if s.left > 0 {
		// The packet was read some superpackets ago, and who asked for this segment takes as
		// long over it as the memory of the next is on its way.
		prefetch(&s.pkt[s.at+s.headerLen], min(s.size, s.left))
	}

	copy(segment, s.header[:s.headerLen])
	if segment[0]>>4 == 4 {
		s.patchIPv4(segment)
	} else {
		binary.BigEndian.PutUint16(segment[ipv6LengthAt:], uint16(len(segment)-ipv6HeaderLen))
	}
	l4, payload := segment[s.l4:], segment[s.headerLen:]
	if s.proto == protoTCP {
		s.patchTCP(l4, payload, summed)
	} else {
		s.patchUDP(l4, payload, summed)
	}
	if s.ce {
		SetECN(segment, CE)
		s.ce = false
	}
	return segment
}

func (s *Segmenter) patchIPv4(segment []byte) {
	binary.BigEndian.PutUint16(segment[ipv4LengthAt:], uint16(len(segment)))
	binary.BigEndian.PutUint16(segment[ipv4IDAt:], s.id)
	sum := fold(s.ipSum + uint32(len(segment)) + uint32(s.id))
	binary.BigEndian.PutUint16(segment[ipv4ChecksumAt:], ^sum)
	s.id++
}

func (s *Segmenter) patchTCP(l4, payload []byte, summed bool) {
	flags := s.flags
	if s.remaining == 0 {
		flags |= s.last
	}
	binary.BigEndian.PutUint32(l4[tcpSequenceAt:], s.seq)
	l4[tcpFlagsAt] = flags
	if summed {
		sum := fold(s.l4Sum + uint32(len(l4)) + s.seq>>16 + s.seq&0xffff + uint32(flags) + uint32(sumWords(payload)))
		binary.BigEndian.PutUint16(l4[tcpChecksumAt:], ^sum)
	}
	s.seq += uint32(len(payload))
	s.flags &^= tcpCWR
}

func (s *Segmenter) patchUDP(l4, payload []byte, summed bool) {
	binary.BigEndian.PutUint16(l4[udpLengthAt:], uint16(len(l4)))
	if !summed {
		return
	}
	// The length counts twice: in the header and in the pseudo-header.
	sum := fold(s.l4Sum + 2*uint32(len(l4)) + uint32(sumWords(payload)))
	binary.BigEndian.PutUint16(l4[udpChecksumAt:], udpChecksum(sum))
}

// udpChecksum is the checksum field of a datagram with that sum: never 0, which
// would mean that there is none (RFC 768).
func udpChecksum(sum uint16) uint16 {
	if sum == 0xffff {
		return 0xffff
	}
	return ^sum
}

// finish adds the checksummed bytes to the partial checksum in the field.
func (p *partialChecksum) finish(pkt []byte) {
	if !p.pending {
		return
	}
	sum := sumWords(pkt[p.start:])
	checksum := ^sum
	if p.field-p.start == udpChecksumAt {
		checksum = udpChecksum(sum)
	}
	binary.BigEndian.PutUint16(pkt[p.field:], checksum)
}

package offload

import (
	"encoding/binary"
	"errors"
)

// Errors of [Segmenter.Reset] besides those of [ParseHeaders]: the virtio header
// and the packet do not agree, or cutting would hide an error from the receiver.
var (
	ErrGSOType  = errors.New("offload: GSO type is unknown, legacy UFO, or not that of the packet")
	ErrGSOSize  = errors.New("offload: GSO packet with a segment size of 0")
	ErrSegments = errors.New("offload: GSO packet of too many segments")
	ErrFragment = errors.New("offload: GSO packet is an IP fragment")
	ErrChecksum = errors.New("offload: checksum cannot be completed: position out of place, not partial, or IPv4 header damaged")
)

// MaxSegments is the most segments that a [Segmenter] cuts from one superpacket.
// Linux never uses less than 8 bytes of payload a segment (TCP_MIN_GSO_SIZE).
const MaxSegments = MaxPacket / 8

// Segmenter cuts one superpacket into the packets that its sender would have
// sent without offload: IPv4 ID one up each, sequence numbers, lengths and all
// checksums right, FIN and PSH on the last only, CWR on the first only, all else
// repeated. It cuts lazily and in place, and allocates nothing. The zero value
// has no segments; Reset may be called again at any time. One goroutine at a
// time may use it.
type Segmenter struct {
	pkt       []byte // the superpacket up to its IP length
	at        int    // where in pkt the next segment's header goes
	left      int    // payload bytes not yet cut
	remaining int    // segments not yet cut
	size      int    // payload bytes of every segment but the last
	headerLen int    // IP and upper-layer header; 0 for a plain packet

	proto   uint8  // protoTCP, protoUDP; of no meaning for a plain packet
	l4      int    // offset of the upper-layer header
	id      uint16 // IPv4 ID of the next segment
	seq     uint32 // TCP sequence number of the next segment
	flags   uint8  // TCP flags of the next segment, but for those of the last
	last    uint8  // TCP flags to add on the last segment
	ce      bool   // congestion experienced is to be marked on the next segment
	ipSum   uint32 // sum of the IPv4 header without length, ID and checksum
	l4Sum   uint32 // sum of pseudo-header and header without what differs by segment
	header  [maxHeader]byte
	partial partialChecksum // of a plain packet
}

// partialChecksum is where a plain packet's checksum must be finished.
type partialChecksum struct {
	start, field int  // both from the first byte of the packet
	pending      bool // false: nothing to do
}

// Reset makes s cut pkt, an IP packet as read from a TUN device behind its
// virtio header vh. On success s owns the bytes of pkt until it is spent. Of vh
// the header length is not trusted. Bytes behind the IP length are not sent.
//
// A packet with GSONone is one segment; with NEEDS_CSUM its checksum is finished
// when it is taken. A GSO packet must have NEEDS_CSUM at the right place: its
// segments get checksums computed over what is there, so without the sender's
// word that the checksum is still to be made, damaged data would be blessed.
// For the same reason a wrong IPv4 header checksum is refused. So are IPv6
// extension headers before a GSO packet's TCP or UDP header (ErrExtension).
//
// The errors are those of ParseHeaders, ErrGSOType, ErrGSOSize, ErrSegments,
// ErrFragment and ErrChecksum. After an error s has no segments and pkt is
// unchanged.
func (s *Segmenter) Reset(vh VirtioHeader, pkt []byte) error {
	var h Headers
	if err := ParseHeaders(pkt, &h); err != nil {
		s.remaining, s.left = 0, 0
		return err
	}
	return s.ResetParsed(vh, pkt, &h)
}

// ResetParsed is Reset for a packet that [ParseHeaders] has already read into h.
func (s *Segmenter) ResetParsed(vh VirtioHeader, pkt []byte, h *Headers) error {
	s.remaining, s.left, s.at = 0, 0, 0
	s.headerLen, s.ce = 0, false
	s.pkt = pkt[:h.Len]
	if vh.GSOType == GSONone {
		return s.resetPlain(vh)
	}
	headerLen, err := checkSuperpacket(vh, s.pkt, h)
	if err != nil {
		return err
	}
	size, payload := int(vh.GSOSize), h.Len-headerLen
	segments := max(1, (payload+size-1)/size)
	if segments > MaxSegments {
		return ErrSegments
	}
	s.size, s.left, s.remaining = size, payload, segments
	s.headerLen = headerLen
	s.proto, s.l4 = h.Proto, h.L4
	copy(s.header[:], s.pkt[:headerLen])
	s.prepareIP(h)
	s.prepareL4(h)
	return nil
}

// Remaining returns the number of segments left.
func (s *Segmenter) Remaining() int { return s.remaining }

// Cuts tells whether s cuts a superpacket, and not passes on a plain packet.
func (s *Segmenter) Cuts() bool { return s.headerLen != 0 }

// RemainingBytes returns the length in bytes of all segments left, IP headers included.
func (s *Segmenter) RemainingBytes() int { return s.left + s.remaining*s.headerLen }

// SegmentLen returns the length in bytes of the next segment, 0 if there is none.
func (s *Segmenter) SegmentLen() int {
	if s.remaining == 0 {
		return 0
	}
	return s.headerLen + min(s.size, s.left)
}

// LastLen returns the length in bytes of the last segment, 0 if there is none left.
func (s *Segmenter) LastLen() int {
	if s.remaining == 0 {
		return 0
	}
	return s.headerLen + s.left - (s.remaining-1)*s.size
}

func (s *Segmenter) resetPlain(vh VirtioHeader) error {
	s.partial.pending = vh.Flags&FlagNeedsCsum != 0
	if s.partial.pending {
		start := int(vh.CsumStart)
		field := start + int(vh.CsumOffset)
		if start < ipv4HeaderLen || field+2 > len(s.pkt) {
			return ErrChecksum
		}
		s.partial.start, s.partial.field = start, field
	}
	s.remaining, s.size, s.left = 1, len(s.pkt), len(s.pkt)
	return nil
}

// checkSuperpacket tells whether pkt may be cut as vh asks, and where its payload begins.
func checkSuperpacket(vh VirtioHeader, pkt []byte, h *Headers) (headerLen int, err error) {
	var version, proto uint8
	switch vh.GSOType {
	case GSOTCPv4, GSOTCPv4 | GSOECN:
		version, proto = 4, protoTCP
	case GSOTCPv6, GSOTCPv6 | GSOECN:
		version, proto = 6, protoTCP
	case GSOUDPL4:
		version, proto = h.Version, protoUDP
	default:
		return 0, ErrGSOType
	}
	switch {
	case h.Version != version || h.Proto != proto:
		return 0, ErrGSOType
	case h.Fragment:
		return 0, ErrFragment
	case version == 6 && h.L4 != ipv6HeaderLen:
		return 0, ErrExtension
	case vh.GSOSize == 0:
		return 0, ErrGSOSize
	}
	field := tcpChecksumAt
	if proto == protoUDP {
		field = udpChecksumAt
	}
	if vh.Flags&FlagNeedsCsum == 0 || int(vh.CsumStart) != h.L4 || int(vh.CsumOffset) != field {
		return 0, ErrChecksum
	}
	if version == 4 && sumWords(pkt[:h.L4]) != 0xffff {
		return 0, ErrChecksum
	}
	headerLen = upperEnd(pkt, h)
	if headerLen == 0 {
		return 0, ErrShort
	}
	return headerLen, nil
}

// prepareIP sums up what all segments' IPv4 headers have in common.
func (s *Segmenter) prepareIP(h *Headers) {
	if h.Version == 6 {
		return
	}
	s.id = binary.BigEndian.Uint16(s.header[ipv4IDAt:])
	clear(s.header[ipv4LengthAt:ipv4FragmentAt]) // length and ID
	clear(s.header[ipv4ChecksumAt:ipv4AddressAt])
	s.ipSum = uint32(sumWords(s.header[:s.l4]))
}

// prepareL4 sums up what all segments' pseudo-headers and upper-layer headers
// have in common.
func (s *Segmenter) prepareL4(h *Headers) {
	l4 := s.header[s.l4:s.headerLen]
	if h.Proto == protoTCP {
		s.seq = binary.BigEndian.Uint32(l4[tcpSequenceAt:])
		s.last = l4[tcpFlagsAt] & (tcpFIN | tcpPSH)
		s.flags = l4[tcpFlagsAt] &^ (tcpFIN | tcpPSH)
		clear(l4[tcpSequenceAt : tcpSequenceAt+4])
		l4[tcpFlagsAt] = 0
		clear(l4[tcpChecksumAt : tcpChecksumAt+2])
	} else {
		clear(l4[udpLengthAt:udpHeaderLen]) // length and checksum
	}
	addresses := addressesOf(s.header[:], h.Version)
	s.l4Sum = uint32(PseudoSum(addresses, h.Proto, 0)) + uint32(sumWords(l4))
}

package offload

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Errors of [ParseHeaders]. The packet is not one that can be forwarded.
var (
	ErrShort     = errors.New("offload: packet ends inside its headers")
	ErrVersion   = errors.New("offload: packet is neither IPv4 nor IPv6")
	ErrLength    = errors.New("offload: length in the IP header does not fit the packet")
	ErrExtension = errors.New("offload: IPv6 extension headers too many or out of place")
)

// Headers is what one look at an IP packet tells: enough to route it, to check
// it against traffic selectors, to segment and to coalesce it.
type Headers struct {
	Version          uint8 // 4 or 6
	Proto            uint8 // upper-layer protocol, behind all IPv6 extension headers
	TOS              uint8 // IPv4 type of service or IPv6 traffic class, ECN bits included
	Fragment         bool  // not a whole datagram
	L4               int   // offset in bytes of the upper-layer header
	Len              int   // length in bytes from the IP header's length field, at most len(packet)
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16 // of TCP, UDP and SCTP; 0 for others, in later fragments and if cut off
}

// ParseHeaders fills h from the IP packet pkt (RFC 791, RFC 8200). Bytes behind
// the IP length are permitted and not looked at. It keeps no reference to pkt and
// does not allocate. On error (ErrShort, ErrVersion, ErrLength, ErrExtension) h
// holds nothing of use.
func ParseHeaders(pkt []byte, h *Headers) error {
	if len(pkt) == 0 {
		return ErrShort
	}
	var laterFragment bool
	var err error
	switch pkt[0] >> 4 {
	case 4:
		laterFragment, err = parseIPv4(pkt, h)
	case 6:
		laterFragment, err = parseIPv6(pkt, h)
	default:
		return ErrVersion
	}
	if err != nil {
		return err
	}
	h.SrcPort, h.DstPort = 0, 0
	if laterFragment || h.Len-h.L4 < 4 {
		return nil
	}
	switch h.Proto {
	case protoTCP, protoUDP, protoSCTP:
		h.SrcPort = binary.BigEndian.Uint16(pkt[h.L4:])
		h.DstPort = binary.BigEndian.Uint16(pkt[h.L4+2:])
	}
	return nil
}

func parseIPv4(pkt []byte, h *Headers) (laterFragment bool, err error) {
	if len(pkt) < ipv4HeaderLen {
		return false, ErrShort
	}
	h.Version = 4
	h.TOS = pkt[1]
	h.L4 = int(pkt[0]&0x0f) * 4
	h.Len = int(binary.BigEndian.Uint16(pkt[2:]))
	if h.L4 < ipv4HeaderLen || h.Len < h.L4 || h.Len > len(pkt) {
		return false, ErrLength
	}
	fragment := binary.BigEndian.Uint16(pkt[6:])
	h.Fragment = fragment&0x3fff != 0 // more fragments, or an offset
	h.Proto = pkt[9]
	h.Src = netip.AddrFrom4([4]byte(pkt[12:16]))
	h.Dst = netip.AddrFrom4([4]byte(pkt[16:20]))
	return fragment&0x1fff != 0, nil
}

func parseIPv6(pkt []byte, h *Headers) (laterFragment bool, err error) {
	if len(pkt) < ipv6HeaderLen {
		return false, ErrShort
	}
	h.Version = 6
	h.TOS = pkt[0]<<4 | pkt[1]>>4
	h.Len = ipv6HeaderLen + int(binary.BigEndian.Uint16(pkt[4:]))
	if h.Len > len(pkt) {
		return false, ErrLength
	}
	h.Src = netip.AddrFrom16([16]byte(pkt[8:24]))
	h.Dst = netip.AddrFrom16([16]byte(pkt[24:40]))
	return walkExtensions(pkt[:h.Len], h)
}

// upperEnd returns where the TCP or UDP header of pkt (cut to its IP length)
// ends, 0 if it is not whole.
func upperEnd(pkt []byte, h *Headers) int {
	l4 := pkt[h.L4:]
	n := udpHeaderLen
	if h.Proto == protoTCP {
		if len(l4) < tcpHeaderLen {
			return 0
		}
		if n = int(l4[tcpOffsetAt]>>4) * 4; n < tcpHeaderLen {
			return 0
		}
	}
	if len(l4) < n {
		return 0
	}
	return h.L4 + n
}

// Addresses returns source and destination of an IP packet that ParseHeaders has read
// into h, side by side: a part of pkt of 8 or 32 bytes.
func Addresses(pkt []byte, h *Headers) []byte { return addressesOf(pkt, h.Version) }

// addressesOf returns source and destination of an IP packet, side by side.
func addressesOf(pkt []byte, version uint8) []byte {
	if version == 4 {
		return pkt[ipv4AddressAt:ipv4HeaderLen]
	}
	return pkt[ipv6AddressAt:ipv6HeaderLen]
}

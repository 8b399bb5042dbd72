package offload

import (
	"bytes"
	"encoding/binary"
)

// candidate is what of a packet decides whether and with what it may be glued.
// The zero value is a packet that stays alone and belongs to no flow.
type candidate struct {
	version, proto   uint8 // 0 when the packet must stay alone
	srcPort, dstPort uint16
	l4, headerLen    int
	payload          int // bytes, > 0
	push             bool
	unsummed         bool // its checksum is still to be made
}

// canLead tells whether other packets may be glued behind p: whatever carries PSH
// ends its superpacket, and tiny segments the kernel would not cut as they were.
func (p *candidate) canLead() bool {
	return p.version != 0 && !p.push && (p.proto != protoTCP || p.payload >= minTCPSegment)
}

// group is a run of packets that will be one superpacket.
type group struct {
	candidate               // of the first packet
	first, lastPacket uint8 // indices in Coalescer.packets, chained by Coalescer.after
	packets           int
	length            int    // bytes of the IP packet that the group makes
	id                uint16 // IPv4 ID of the last packet
	seq               uint32 // TCP sequence number that must come next
	verified          bool   // the first packet's checksums are right
	lacking           bool   // one of the packets is unsummed
	closed            bool   // nothing may follow
}

// examine tells whether pkt may be part of a superpacket at all: an option
// permits its kind; no bytes behind the IP length; no IPv4 options, no fragment,
// no IPv6 extension header; some payload; TCP with no flags but ACK, PSH and ECE
// and no urgent pointer; UDP with its length right and a checksum. Checksums are
// not looked at yet: a packet that stays alone need not pay for that. One that is
// unsummed will have a checksum.
func (c *Coalescer) examine(pkt []byte, h *Headers, unsummed bool) candidate {
	if h.Fragment || h.Len != len(pkt) {
		return candidate{}
	}
	tcp := h.Proto == protoTCP
	switch {
	case h.Version == 4 && h.L4 == ipv4HeaderLen:
		if !(tcp && c.options.TCP4 || h.Proto == protoUDP && c.options.UDP4) {
			return candidate{}
		}
	case h.Version == 6 && h.L4 == ipv6HeaderLen:
		if !(tcp && c.options.TCP6 || h.Proto == protoUDP && c.options.UDP6) {
			return candidate{}
		}
	default:
		return candidate{}
	}
	end := upperEnd(pkt, h)
	if end == 0 || end == len(pkt) {
		return candidate{}
	}
	p := candidate{
		version: h.Version, proto: h.Proto, srcPort: h.SrcPort, dstPort: h.DstPort,
		l4: h.L4, headerLen: end, payload: len(pkt) - end, unsummed: unsummed,
	}
	l4 := pkt[h.L4:]
	if !tcp {
		if int(binary.BigEndian.Uint16(l4[udpLengthAt:])) != len(l4) ||
			binary.BigEndian.Uint16(l4[udpChecksumAt:]) == 0 && !unsummed {
			return candidate{}
		}
		return p
	}
	flags := l4[tcpFlagsAt]
	urgent := binary.BigEndian.Uint16(l4[tcpUrgentAt:])
	if flags&^(tcpPSH|tcpECE) != tcpACK || urgent != 0 {
		return candidate{}
	}
	p.push = flags&tcpPSH != 0
	return p
}

// join glues pkt to g if that is permitted.
func (c *Coalescer) join(g *group, pkt []byte, p candidate) bool {
	first := c.packets[g.first]
	if g.packets == 1 {
		g.expect(first)
	}
	if p.version == 0 || !g.canFollow(first, pkt, &p) || !checksumsRight(pkt, &p) {
		return false
	}
	if !g.verified {
		if !checksumsRight(first, &g.candidate) {
			return false
		}
		g.verified, g.lacking = true, g.unsummed
	}
	c.extend(g, pkt, p.payload, p.unsummed)
	g.closed = p.push || p.payload < g.payload
	return true
}

// extend puts pkt at the end of g.
func (c *Coalescer) extend(g *group, pkt []byte, payload int, unsummed bool) {
	at := uint8(c.count)
	c.packets[at] = pkt
	c.after[g.lastPacket] = at
	c.count++
	g.lastPacket = at
	g.packets++
	g.length += payload
	g.lacking = g.lacking || unsummed
	g.id++
	g.seq += uint32(payload)
}

// expect notes what must follow the group's only packet.
func (g *group) expect(first []byte) {
	g.id = binary.BigEndian.Uint16(first[ipv4IDAt:])
	g.seq = binary.BigEndian.Uint32(first[g.l4+tcpSequenceAt:]) + uint32(g.payload)
}

// canFollow tells whether pkt, of the group's flow, is what a Segmenter would
// make as the next segment of the group: headers equal but for length, checksum,
// PSH, an IPv4 ID one up and the next sequence number; and no longer than the
// segments before. first is the group's first packet.
func (g *group) canFollow(first, pkt []byte, p *candidate) bool {
	if p.headerLen != g.headerLen || p.payload > g.payload || g.length+p.payload > MaxPacket {
		return false
	}
	if g.version == 4 {
		// TOS; flags and fragment offset, TTL, protocol.
		if first[1] != pkt[1] || !bytes.Equal(first[ipv4FragmentAt:ipv4ChecksumAt], pkt[ipv4FragmentAt:ipv4ChecksumAt]) ||
			binary.BigEndian.Uint16(pkt[ipv4IDAt:]) != g.id+1 {
			return false
		}
	} else if !bytes.Equal(first[:ipv6LengthAt], pkt[:ipv6LengthAt]) || // traffic class, flow label
		!bytes.Equal(first[ipv6LengthAt+2:ipv6AddressAt], pkt[ipv6LengthAt+2:ipv6AddressAt]) { // next header, hop limit
		return false
	}
	if g.proto == protoUDP {
		return g.packets < maxUDPSegments
	}
	a, b := first[g.l4:g.headerLen], pkt[g.l4:g.headerLen]
	return binary.BigEndian.Uint32(b[tcpSequenceAt:]) == g.seq &&
		bytes.Equal(a[tcpAckAt:tcpFlagsAt], b[tcpAckAt:tcpFlagsAt]) && // acknowledgement, data offset
		(a[tcpFlagsAt]^b[tcpFlagsAt])&^tcpPSH == 0 &&
		bytes.Equal(a[tcpWindowAt:tcpChecksumAt], b[tcpWindowAt:tcpChecksumAt]) &&
		bytes.Equal(a[tcpHeaderLen:], b[tcpHeaderLen:]) // options
}

// checksumsRight tells whether the checksums of pkt are right and just what a
// Segmenter would write. 0 and 0xffff mean the same to a receiver, but only one
// of them is what would come back: 0 for IPv4 and TCP, 0xffff for UDP. One that is still
// to be made will be right.
func checksumsRight(pkt []byte, p *candidate) bool {
	if p.version == 4 && !checksumRight(sumWords(pkt[:p.l4]), pkt[ipv4ChecksumAt:]) {
		return false
	}
	if p.unsummed {
		return true
	}
	l4 := pkt[p.l4:]
	sum := Sum(l4, PseudoSum(addressesOf(pkt, p.version), p.proto, len(l4)))
	if p.proto == protoUDP {
		return sum == 0xffff // examine refused a field of 0
	}
	return checksumRight(sum, l4[tcpChecksumAt:])
}

func checksumRight(sum uint16, field []byte) bool {
	return sum == 0xffff && binary.BigEndian.Uint16(field) != 0xffff
}

package offload

import (
	"bytes"
	"encoding/binary"
)

// Follow is AddParsed, or AddUnsummed, for a packet of which nothing has been read yet, if
// it is the next segment of the superpacket that the packet added last went into: as long
// as that one, and no header field different but those that differ from segment to segment.
// Whatever was found out about that one holds for it too. It is borrowed as by Add. For all
// others Follow returns false and has done nothing: those are to be added.
func (c *Coalescer) Follow(pkt []byte, unsummed bool) bool {
	g := c.recent
	if g == nil || c.count == maxBatch || !g.continues(c.packets[g.lastPacket], pkt) {
		return false
	}
	p := g.candidate
	p.unsummed = unsummed
	if p.proto == protoUDP && !unsummed && binary.BigEndian.Uint16(pkt[p.l4+udpChecksumAt:]) == 0 || !checksumsRight(pkt, &p) {
		return false // a UDP checksum of 0 is none
	}
	c.extend(g, pkt, g.payload, unsummed)
	return true
}

// continues is canFollow, for what is no shorter than last, the group's last packet, and
// has no other flags.
func (g *group) continues(last, pkt []byte) bool {
	if len(pkt) != len(last) || g.length+g.payload > MaxPacket {
		return false
	}
	a, b := last[:g.headerLen], pkt[:g.headerLen]
	if g.version == 4 {
		// All but ID and checksum.
		if (load64(a, 0)^load64(b, 0))&0xffffffff0000ffff != 0 || (load64(a, 8)^load64(b, 8))&0xffff0000ffffffff != 0 ||
			load64(a, 12) != load64(b, 12) || binary.BigEndian.Uint16(b[ipv4IDAt:]) != g.id+1 {
			return false
		}
	} else if load64(a, 0) != load64(b, 0) || !bytes.Equal(a[ipv6AddressAt:ipv6HeaderLen], b[ipv6AddressAt:ipv6HeaderLen]) {
		return false
	}
	a, b = a[g.l4:], b[g.l4:]
	if g.proto == protoUDP {
		// Ports and length.
		return g.packets < maxUDPSegments && (load64(a, 0)^load64(b, 0))>>16 == 0
	}
	return binary.BigEndian.Uint32(a) == binary.BigEndian.Uint32(b) && // ports
		binary.BigEndian.Uint32(b[tcpSequenceAt:]) == g.seq &&
		load64(a, tcpAckAt) == load64(b, tcpAckAt) && // acknowledgement, data offset, flags, window
		bytes.Equal(a[tcpUrgentAt:], b[tcpUrgentAt:]) // and options
}

func load64(b []byte, at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }

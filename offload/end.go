package offload

import (
	"bytes"
	"encoding/binary"
)

// End is why a superpacket did not grow, of one that could have: it began with a packet
// that others may be glued behind.
type End uint8

// The reasons, in the order in which they are looked for.
const (
	EndBatch    End = iota // the batch ended: nothing waits for more
	EndPush                // it got a packet with PSH
	EndShort               // it got a shorter packet, which only the last may be
	EndFull                // 64 KiB, or 64 datagrams
	EndAlone               // then came a packet that stays alone: other TCP flags, IP options, no payload, bad lengths
	EndFragment            // then came a fragment
	EndLength              // then came a packet with more payload, or with longer headers
	EndTOS                 // … with another DSCP or ECN field, or IPv6 flow label
	EndTTL                 // … with another TTL, hop limit or DF
	EndID                  // … whose IPv4 ID is not the next
	EndSequence            // … whose TCP sequence number is not the next: lost, or out of order
	EndFlags               // … with another ECE
	EndACK                 // … with another acknowledgement or window
	EndOptions             // … with other TCP options, as another time stamp
	EndChecksum            // … or it itself has a wrong checksum
	EndCount
)

// String is the reason's name in status.
func (e End) String() string {
	return [EndCount]string{"batch", "push", "short", "full", "alone", "fragment", "length", "tos", "ttl", "id", "sequence",
		"flags", "ack", "options", "checksum"}[e]
}

// TakeEnds tells visit what was counted since the last call, once for each reason that there was.
func (c *Coalescer) TakeEnds(visit func(End, uint64)) {
	for e, n := range c.ends {
		if n != 0 {
			visit(End(e), n)
			c.ends[e] = 0
		}
	}
}

// ended is why g is closed by the packet that it just got.
func (g *group) ended(p *candidate) End {
	if p.push {
		return EndPush
	}
	return EndShort
}

// refusal is why pkt was not glued to g, whose first packet is first. It is asked only then.
func (g *group) refusal(first, pkt []byte, p *candidate) End {
	switch {
	case p.version == 0:
		return EndAlone
	case p.headerLen != g.headerLen || p.payload > g.payload:
		return EndLength
	case g.length+p.payload > MaxPacket || g.proto == protoUDP && g.packets >= maxUDPSegments:
		return EndFull
	}
	if g.version == 4 {
		switch {
		case first[1] != pkt[1]:
			return EndTOS
		case !bytes.Equal(first[ipv4FragmentAt:ipv4ChecksumAt], pkt[ipv4FragmentAt:ipv4ChecksumAt]):
			return EndTTL
		case binary.BigEndian.Uint16(pkt[ipv4IDAt:]) != g.id+1:
			return EndID
		}
	} else {
		switch {
		case !bytes.Equal(first[:ipv6LengthAt], pkt[:ipv6LengthAt]):
			return EndTOS
		case !bytes.Equal(first[ipv6LengthAt+2:ipv6AddressAt], pkt[ipv6LengthAt+2:ipv6AddressAt]):
			return EndTTL
		}
	}
	if g.proto == protoUDP {
		return EndChecksum
	}
	a, b := first[g.l4:g.headerLen], pkt[g.l4:g.headerLen]
	switch {
	case binary.BigEndian.Uint32(b[tcpSequenceAt:]) != g.seq:
		return EndSequence
	case (a[tcpFlagsAt]^b[tcpFlagsAt])&^tcpPSH != 0:
		return EndFlags
	case !bytes.Equal(a[tcpAckAt:tcpFlagsAt], b[tcpAckAt:tcpFlagsAt]) || !bytes.Equal(a[tcpWindowAt:tcpChecksumAt], b[tcpWindowAt:tcpChecksumAt]):
		return EndACK
	case !bytes.Equal(a[tcpHeaderLen:], b[tcpHeaderLen:]):
		return EndOptions
	}
	return EndChecksum
}

package offload

import "encoding/binary"

// upper is where the TCP or UDP header of a segment without checksum is. The zero value
// is of none.
type upper struct {
	version, proto uint8
	l4             int
}

// upperOf finds the header of pkt, whose headers h are. It is the zero upper unless pkt is
// what a Segmenter may have cut: no fragment, no IPv6 extension header, and nothing behind
// its IP length.
func upperOf(pkt []byte, h *Headers) upper {
	if h.Proto != protoTCP && h.Proto != protoUDP || h.Fragment || h.Len != len(pkt) ||
		h.Version == 6 && h.L4 != ipv6HeaderLen || upperEnd(pkt, h) == 0 {
		return upper{}
	}
	return upper{version: h.Version, proto: h.Proto, l4: h.L4}
}

// sum makes the checksum of pkt, whatever is in its place.
func (u upper) sum(pkt []byte) {
	if u.proto == 0 {
		return
	}
	at := tcpChecksumAt
	if u.proto == protoUDP {
		at = udpChecksumAt
	}
	unfinished := partialChecksum{start: u.l4, field: u.l4 + at, pending: true}
	binary.BigEndian.PutUint16(pkt[unfinished.field:], PseudoSum(addressesOf(pkt, u.version), u.proto, len(pkt)-u.l4))
	unfinished.finish(pkt)
}

func (p *candidate) upper() upper { return upper{version: p.version, proto: p.proto, l4: p.l4} }

package offload

import "encoding/binary"

// Flush returns all that was added since the last Flush, in the order of first
// packets, and empties c. The result is valid until the next Add.
func (c *Coalescer) Flush() []Superpacket {
	vecs, packets, headers := c.vecs[:0], c.sorted[:0], 0
	for i := range c.groups[:c.groupsLen] {
		g := &c.groups[i]
		v, p := len(vecs), len(packets)
		for at, n := g.first, g.packets; n > 0; at, n = c.after[at], n-1 {
			packets = append(packets, c.packets[at])
		}
		if g.packets == 1 {
			if g.unsummed {
				g.upper().sum(packets[p])
			}
			vecs = append(vecs, c.zero[:], packets[p])
		} else {
			header := c.headers[headers][:VirtioHeaderLen+g.headerLen]
			headers++
			g.writeHeader(header, packets[p], packets[len(packets)-1])
			vecs = append(vecs, header)
			for _, pkt := range packets[p:] {
				vecs = append(vecs, pkt[g.headerLen:])
			}
		}
		c.out[i] = Superpacket{
			Vecs:    vecs[v:len(vecs):len(vecs)],
			Packets: packets[p:len(packets):len(packets)],
			Bytes:   VirtioHeaderLen + g.length,
		}
		if g.lacking {
			c.out[i].unsummed = g.upper()
		}
	}
	out := c.out[:c.groupsLen]
	c.ends[EndBatch] += uint64(c.openLen)
	c.count, c.groupsLen, c.openLen, c.recent = 0, 0, 0, nil
	return out
}

// writeHeader fills b with the virtio, IP and upper-layer headers of the
// superpacket: those of the first packet, with the lengths of the whole, the
// last packet's PSH and the partial checksum.
func (g *group) writeHeader(b, first, last []byte) {
	vh := VirtioHeader{
		Flags:     FlagNeedsCsum,
		HdrLen:    uint16(g.headerLen),
		GSOSize:   uint16(g.payload),
		CsumStart: uint16(g.l4),
	}
	ip := b[VirtioHeaderLen:]
	copy(ip, first)
	if g.version == 4 {
		binary.BigEndian.PutUint16(ip[ipv4LengthAt:], uint16(g.length))
		clear(ip[ipv4ChecksumAt:ipv4AddressAt])
		binary.BigEndian.PutUint16(ip[ipv4ChecksumAt:], ^sumWords(ip[:g.l4]))
	} else {
		binary.BigEndian.PutUint16(ip[ipv6LengthAt:], uint16(g.length-ipv6HeaderLen))
	}
	l4 := ip[g.l4:]
	partial := PseudoSum(addressesOf(ip, g.version), g.proto, g.length-g.l4)
	if g.proto == protoUDP {
		vh.GSOType = GSOUDPL4
		vh.CsumOffset = udpChecksumAt
		binary.BigEndian.PutUint16(l4[udpLengthAt:], uint16(g.length-g.l4))
		binary.BigEndian.PutUint16(l4[udpChecksumAt:], partial)
	} else {
		vh.GSOType = GSOTCPv4
		if g.version == 6 {
			vh.GSOType = GSOTCPv6
		}
		vh.CsumOffset = tcpChecksumAt
		l4[tcpFlagsAt] |= last[g.l4+tcpFlagsAt] & tcpPSH
		binary.BigEndian.PutUint16(l4[tcpChecksumAt:], partial)
	}
	vh.Encode(b)
}

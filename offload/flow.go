package offload

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// flowHash mixes addresses, ports and protocol of pkt. Two flows with one hash
// only cost a comparison, so it needs no key.
func flowHash(pkt []byte, h *Headers) uint32 {
	const odd1, odd2 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93 // of no meaning but many mixed bits
	addresses := addressesOf(pkt, h.Version)
	x := binary.LittleEndian.Uint64(addresses)
	for rest := addresses[8:]; len(rest) >= 8; rest = rest[8:] {
		x = bits.RotateLeft64(x*odd1, 29) ^ binary.LittleEndian.Uint64(rest)
	}
	x ^= (uint64(h.SrcPort)<<16 | uint64(h.DstPort)) << 8 * odd2
	x ^= uint64(h.Proto)
	return uint32(x * odd1 >> 32)
}

// sameFlow tells whether pkt has the 5-tuple of the group's packets.
func (c *Coalescer) sameFlow(g *group, pkt []byte, h *Headers) bool {
	return g.version == h.Version && g.proto == h.Proto &&
		g.srcPort == h.SrcPort && g.dstPort == h.DstPort &&
		sameAddresses(c.packets[g.first], pkt, h.Version)
}

func sameAddresses(a, b []byte, version uint8) bool {
	return bytes.Equal(addressesOf(a, version), addressesOf(b, version))
}

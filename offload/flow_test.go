package offload

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
)

// Two flows whose hashes agree, by their ports or by their addresses, are not
// taken for one.
func TestFlowsOfOneHashStayApart(t *testing.T) {
	for name, test := range map[string]struct {
		vary func(p *packet, n uint32)
		bits int // of n that may differ inside a pair
	}{
		"destination port": {func(p *packet, n uint32) { p.dstPort, p.srcPort = uint16(n), uint16(n>>16) }, 16},
		"addresses": {func(p *packet, n uint32) {
			src := p.src.As16()
			binary.BigEndian.PutUint32(src[4:], n)
			p.src = netip.AddrFrom16(src)
		}, 19},
	} {
		t.Run(name, func(t *testing.T) {
			one, other, found := sameHash(test.vary, test.bits)
			if !found {
				t.Fatal("no two flows of one hash")
			}
			var batch [][]byte
			for range 3 {
				batch = append(batch, one.bytes(false), other.bytes(false))
			}
			out := glue(t, NewCoalescer(allKinds), batch)
			if got := groupSizes(out); !slices.Equal(got, []int{3, 3}) {
				t.Errorf("glued as %d, want [3 3]", got)
			}
		})
	}
}

// sameHash looks among the n below 2^20 for two flows of one hash whose n differ
// in the lowest bits alone.
func sameHash(vary func(p *packet, n uint32), bits int) (one, other packet, found bool) {
	seen := map[[2]uint32]uint32{}
	for n := range uint32(1 << 20) {
		p := packet{udp: true, payload: []byte{1}}
		p.src, p.dst = addresses(true, 1)
		vary(&p, n)
		pkt := p.bytes(false)
		var h Headers
		if ParseHeaders(pkt, &h) != nil {
			continue
		}
		key := [2]uint32{flowHash(pkt, &h), n >> bits}
		if before, ok := seen[key]; ok {
			one, other = p, p
			vary(&one, before)
			return one, other, true
		}
		seen[key] = n
	}
	return one, other, false
}

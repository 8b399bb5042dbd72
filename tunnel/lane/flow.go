package lane

import (
	"encoding/binary"
	"hash/maphash"

	"vpngw/offload"
)

// flowHasher tells flows apart by a keyed hash of the 5-tuple, so that nobody can choose
// flows that fall together with another's.
type flowHasher struct {
	seed  maphash.Seed
	tuple [2*16 + 2*2 + 1]byte
}

func newFlowHasher() flowHasher { return flowHasher{seed: maphash.MakeSeed()} }

func (f *flowHasher) hash(packet []byte, h *offload.Headers) uint64 {
	src, dst := h.SrcPort, h.DstPort
	if h.Fragment {
		src, dst = 0, 0 // only the first one of a datagram has them, and it is to stay the first
	}
	n := copy(f.tuple[:], offload.Addresses(packet, h))
	binary.BigEndian.PutUint16(f.tuple[n:], src)
	binary.BigEndian.PutUint16(f.tuple[n+2:], dst)
	f.tuple[n+4] = h.Proto
	return maphash.Bytes(f.seed, f.tuple[:n+5])
}

package lane

import (
	"encoding/binary"
	"testing"

	"vpngw/offload"
)

// TestFragmentsAreOneFlow: the fragments of a datagram stay in their order only if the first one, which has the ports, counts as
// of the same flow as the others, which have none.
func TestFragmentsAreOneFlow(t *testing.T) {
	f := tcp4(1, 1000)
	f.udp = true
	hashes := newFlowHasher()
	hash := func(fragment uint16) uint64 {
		p := f.packet(bytesOf(64, 1), false)
		binary.BigEndian.PutUint16(p[6:], fragment)
		var h offload.Headers
		if err := offload.ParseHeaders(p, &h); err != nil {
			t.Fatal(err)
		}
		return hashes.hash(p, &h)
	}
	whole, first, second, last := hash(0), hash(0x2000), hash(0x2008), hash(0x0010)
	if first != second || second != last {
		t.Errorf("fragments are of flows %x, %x and %x", first, second, last)
	}
	if whole == first {
		t.Error("whole datagrams are told by their ports, fragments cannot be")
	}
	f.srcPort++
	if hash(0) == whole || hash(0x2000) != first {
		t.Error("another port is another flow of whole datagrams, and none of fragments")
	}
}

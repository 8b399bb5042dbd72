package offload

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// addition is a packet for a Coalescer.
type addition struct {
	pkt      []byte
	unsummed bool
}

// put gives a to c, by Follow if quick is true and if that takes it: then followed is true.
func (a addition) put(c *Coalescer, quick bool) (followed bool) {
	if quick && c.Follow(a.pkt, a.unsummed) {
		return true
	}
	var h Headers
	switch err := ParseHeaders(a.pkt, &h); {
	case err != nil:
		c.Add(a.pkt)
	case !a.unsummed || !c.AddUnsummed(a.pkt, &h):
		c.AddParsed(a.pkt, &h)
	}
	return false
}

// checkFollow has two Coalescers glue the same, one of them by Follow wherever it can, and
// compares. It returns how many packets Follow took.
func checkFollow(t interface{ Fatalf(string, ...any) }, o CoalesceOptions, additions []addition) (followed int) {
	slow, quick := NewCoalescer(o), NewCoalescer(o)
	for _, a := range additions {
		addition{bytes.Clone(a.pkt), a.unsummed}.put(slow, false)
		if (addition{bytes.Clone(a.pkt), a.unsummed}).put(quick, true) {
			followed++
		}
	}
	want, got := slow.Flush(), quick.Flush()
	if len(got) != len(want) {
		t.Fatalf("%d packets glued as %d, want %d", len(additions), groupSizes(got), groupSizes(want))
	}
	for n := range want {
		if len(got[n].Packets) != len(want[n].Packets) || !bytes.Equal(bytes.Join(got[n].Vecs, nil), bytes.Join(want[n].Vecs, nil)) {
			t.Fatalf("superpacket %d is another one", n)
		}
		got[n].Part()
		want[n].Part()
		for i, pkt := range want[n].Packets {
			if !bytes.Equal(got[n].Packets[i], pkt) {
				t.Fatalf("superpacket %d, packet %d parted:\ngot  % x\nwant % x", n, i, got[n].Packets[i], pkt)
			}
		}
	}
	if slow.ends != quick.ends {
		t.Fatalf("superpackets ended for other reasons: %d, want %d", quick.ends, slow.ends)
	}
	return followed
}

// TestFollowIsAdd: with batches of several flows, damaged in every way, summed and not.
func TestFollowIsAdd(t *testing.T) {
	followed := 0
	rapid.Check(t, func(t *rapid.T) {
		var additions []addition
		unsummed := rapid.Bool().Draw(t, "most are unsummed")
		for _, pkt := range drawBatch(t) {
			other := rapid.IntRange(0, 9).Draw(t, "not as most") == 0
			additions = append(additions, addition{pkt, unsummed != other})
		}
		followed += checkFollow(t, allKinds, additions)
	})
	if followed == 0 {
		t.Error("no packet ever followed: the property saw nothing")
	}
}

// TestFollowDamagedBit: a packet that is not the next segment in a single bit of its headers
// or its payload follows only where adding would glue it as well; with a checksum of the IPv4
// header that does not, or does, fit the change.
func TestFollowDamagedBit(t *testing.T) {
	const at = 3
	for _, kind := range kinds {
		packets := stream(kind.v6, kind.udp, 6, 100)
		bits := 8 * (packets[at].headerLen() + 1)
		for mode := range 8 {
			firstUnsummed, unsummed, fits := mode&1 != 0, mode&2 != 0, mode&4 != 0
			for bit := range bits {
				var additions []addition
				for i := range packets {
					pkt := packets[i].bytes(false)
					if i == at {
						pkt[bit/8] ^= 0x80 >> (bit % 8)
						if fits && !kind.v6 {
							pkt[10], pkt[11] = 0, 0
							binary.BigEndian.PutUint16(pkt[10:], ^referenceSum(pkt[:20], 0))
						}
					}
					additions = append(additions, addition{pkt, unsummed && i > 0 || firstUnsummed && i == 0})
				}
				checkFollow(t, allKinds, additions)
			}
		}
	}
}

// TestFollowOtherZero: a checksum of 0 and one of 0xffff mean the same, but are not the same.
func TestFollowOtherZero(t *testing.T) {
	const at = 3
	for _, kind := range kinds {
		packets := stream(kind.v6, kind.udp, 6, 100)
		p := &packets[at]
		clear(p.payload[:2])
		copy(p.payload, p.bytes(false)[p.l4()+p.checksumAt():][:2])
		for _, field := range []byte{0, 0xff} {
			var additions []addition
			for i := range packets {
				pkt := packets[i].bytes(false)
				if i == at {
					pkt[p.l4()+p.checksumAt()], pkt[p.l4()+p.checksumAt()+1] = field, field
				}
				additions = append(additions, addition{pkt, false})
			}
			checkFollow(t, allKinds, additions)
		}
	}
}

// TestFollows: of a superpacket all but the first two packets and the last, which has PSH,
// follow; the first of a full Coalescer, of an empty one and of another flow do not.
func TestFollows(t *testing.T) {
	for _, kind := range kinds {
		for _, unsummed := range []bool{false, true} {
			var additions []addition
			packets := stream(kind.v6, kind.udp, 40, 1000)
			want := 38
			if !kind.udp {
				packets[39].flags |= tcpPSH
				want = 37
			}
			for i := range packets {
				additions = append(additions, addition{packets[i].bytes(false), unsummed})
			}
			if got := checkFollow(t, allKinds, additions); got != want {
				t.Errorf("%s, unsummed %v: %d packets followed, want %d", kind.name, unsummed, got, want)
			}
		}
	}
	c := NewCoalescer(allKinds)
	packets := stream(false, false, maxBatch+1, 10)
	if c.Follow(packets[0].bytes(false), false) {
		t.Error("a packet follows nothing")
	}
	for i := range maxBatch {
		addition{packets[i].bytes(false), false}.put(c, true)
	}
	if !c.Full() || c.Follow(packets[maxBatch].bytes(false), false) {
		t.Error("a packet follows in a full Coalescer")
	}
	c.Flush()
	if c.Follow(packets[maxBatch].bytes(false), false) {
		t.Error("a packet follows what was flushed")
	}
}

package offload

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// unsum adds pkt to c without its checksum. It returns what it should be in the end: with
// the one checksum that a Segmenter writes, if pkt is of those that may come without.
func unsum(t *rapid.T, c *Coalescer, pkt []byte) (want []byte) {
	var h Headers
	if ParseHeaders(pkt, &h) != nil {
		c.Add(pkt)
		return bytes.Clone(pkt)
	}
	u := upperOf(pkt, &h)
	if u.proto == 0 {
		if c.AddUnsummed(pkt, &h) {
			t.Fatalf("no segment of TCP or UDP, but taken for one: % x", pkt)
		}
		c.AddParsed(pkt, &h)
		return bytes.Clone(pkt)
	}
	want = bytes.Clone(pkt)
	l4 := want[u.l4:]
	at := 16
	if u.proto == 17 {
		at = 6
	}
	l4[at], l4[at+1] = 0, 0
	pseudo := append(append([]byte{}, addressesOf(want, h.Version)...), 0, 0, byte(len(l4)>>8), byte(len(l4)), 0, 0, 0, u.proto)
	sum := ^referenceSum(l4, uint32(referenceSum(pseudo, 0)))
	if u.proto == 17 && sum == 0 {
		sum = 0xffff
	}
	l4[at], l4[at+1] = byte(sum>>8), byte(sum)
	stale := rapid.SampledFrom([]byte{0, 0xff, 7}).Draw(t, "in its place")
	pkt[u.l4+at], pkt[u.l4+at+1] = stale, stale
	if !c.AddUnsummed(pkt, &h) {
		t.Fatalf("refused: % x", pkt)
	}
	return want
}

// TestUnsummed: whatever of a batch comes without checksums, the kernel gets the same.
func TestUnsummed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := NewCoalescer(CoalesceOptions{
			TCP4: rapid.Bool().Draw(t, "tcp4"), TCP6: rapid.Bool().Draw(t, "tcp6"),
			UDP4: rapid.Bool().Draw(t, "udp4"), UDP6: rapid.Bool().Draw(t, "udp6"),
		})
		batch := drawBatch(t)
		want := map[*byte][]byte{}
		for _, pkt := range batch {
			if rapid.Bool().Draw(t, "unsummed") {
				want[&pkt[0]] = unsum(t, c, pkt)
			} else {
				want[&pkt[0]] = bytes.Clone(pkt)
				c.Add(pkt)
			}
		}
		for n, s := range c.Flush() {
			vh, whole := flatten(s)
			whole = bytes.Clone(whole)
			if len(s.Packets) == 1 && !bytes.Equal(whole, want[&s.Packets[0][0]]) {
				t.Fatalf("superpacket %d, a packet alone:\ngot  % x\nwant % x", n, whole, want[&s.Packets[0][0]])
			}
			s.Part()
			for i, pkt := range s.Packets {
				if !bytes.Equal(pkt, want[&pkt[0]]) {
					t.Fatalf("superpacket %d, packet %d parted:\ngot  % x\nwant % x", n, i, pkt, want[&pkt[0]])
				}
			}
			if len(s.Packets) == 1 {
				continue
			}
			var segmenter Segmenter
			if err := segmenter.Reset(vh, whole); err != nil {
				t.Fatalf("superpacket %d: %v", n, err)
			}
			for i, pkt := range s.Packets {
				if got := segmenter.Next(); !bytes.Equal(got, pkt) {
					t.Fatalf("superpacket %d, segment %d:\ngot  % x\nwant % x", n, i, got, pkt)
				}
			}
		}
	})
}

// TestUnsummedGlues: segments are glued without their checksums as with them, all kinds.
func TestUnsummedGlues(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			c := NewCoalescer(CoalesceOptions{TCP4: true, TCP6: true, UDP4: true, UDP6: true})
			p := stream(kind.v6, kind.udp, 1, 40*1000)[0]
			super := p.bytes(true)
			var cut, again Segmenter
			for _, s := range []*Segmenter{&cut, &again} {
				if err := s.Reset(p.virtio(1000), bytes.Clone(super)); err != nil || !s.Cuts() {
					t.Fatalf("%v, cuts %v", err, s.Cuts())
				}
			}
			var want [][]byte
			for segment := cut.Next(); segment != nil; segment = cut.Next() {
				want = append(want, bytes.Clone(segment))
			}
			for segment := again.NextUnsummed(); segment != nil; segment = again.NextUnsummed() {
				at := p.l4() + p.checksumAt()
				if segment[at] != 0 || segment[at+1] != 0 {
					t.Fatalf("checksum %x", segment[at:at+2])
				}
				segment = bytes.Clone(segment)
				var h Headers
				if err := ParseHeaders(segment, &h); err != nil || !c.AddUnsummed(segment, &h) {
					t.Fatalf("refused: %v", err)
				}
			}
			out := c.Flush()
			if len(out) != 1 || len(out[0].Packets) != 40 {
				t.Fatalf("glued to %v", groupSizes(out))
			}
			vh, whole := flatten(out[0])
			if vh != p.virtio(1000) || !bytes.Equal(whole, super) {
				t.Fatal("what is glued is not what was cut")
			}
			out[0].Part()
			for i, pkt := range out[0].Packets {
				if !bytes.Equal(pkt, want[i]) {
					t.Fatalf("packet %d parted:\ngot  % x\nwant % x", i, pkt, want[i])
				}
			}
		})
	}
}

// TestUnsummedRefused: only segments come without a checksum.
func TestUnsummedRefused(t *testing.T) {
	good := stream(false, false, 1, 100)[0]
	for what, change := range map[string]func() []byte{
		"a fragment":       func() []byte { p := good; p.fragment = 0x2000; return p.bytes(false) },
		"neither protocol": func() []byte { b := good.bytes(false); b[9] = 1; return b },
		"bytes behind it":  func() []byte { return append(good.bytes(false), 0) },
		"a TCP header of 16 bytes": func() []byte {
			b := good.bytes(false)
			b[20+12] = 4 << 4
			return b
		},
	} {
		c := NewCoalescer(CoalesceOptions{TCP4: true})
		var h Headers
		pkt := change()
		if err := ParseHeaders(pkt, &h); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if c.AddUnsummed(pkt, &h) || len(c.Flush()) != 0 {
			t.Errorf("%s is taken", what)
		}
	}
}

// TestPlainCuts: a plain packet is not cut, and has its checksum made in any case.
func TestPlainCuts(t *testing.T) {
	p := stream(false, false, 1, 100)[0]
	vh := VirtioHeader{Flags: FlagNeedsCsum, CsumStart: 20, CsumOffset: 16}
	var s Segmenter
	if err := s.Reset(vh, p.bytes(true)); err != nil {
		t.Fatal(err)
	}
	if s.Cuts() {
		t.Error("cuts a plain packet")
	}
	if got := s.NextUnsummed(); !bytes.Equal(got, p.bytes(false)) {
		t.Errorf("got  % x\nwant % x", got, p.bytes(false))
	}
}

package offload

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var allKinds = CoalesceOptions{TCP4: true, TCP6: true, UDP4: true, UDP6: true}

// wireguard-go #145: a packet with a wrong checksum between two good ones left
// the virtio header of the superpacket that it did not join behind on itself.
func TestCoalescerBadChecksumIsNotBlessed(t *testing.T) {
	for _, kind := range kinds {
		for bad := range 3 {
			c := NewCoalescer(allKinds)
			for round := range 2 { // the second uses memory that the first has used
				var batch [][]byte
				for i, p := range stream(kind.v6, kind.udp, 3, 1000) {
					b := p.bytes(false)
					if i == bad && round == 1 {
						b[len(b)-1] ^= 0x55
					}
					batch = append(batch, b)
				}
				out := glue(t, c, batch)
				if round == 0 {
					continue
				}
				alone := false
				for _, s := range out {
					if &s.Packets[0][0] == &batch[bad][0] {
						vh, whole := flatten(s)
						alone = len(s.Packets) == 1 && vh == VirtioHeader{} && bytes.Equal(whole, batch[bad])
					}
				}
				if !alone {
					t.Errorf("%s: bad packet %d of 3 is not alone behind a zero header: %d", kind.name, bad, groupSizes(out))
				}
			}
		}
	}
}

// 0 and 0xffff are the same to a receiver, but only one would be cut back.
func TestCoalescerOtherZeroStaysAlone(t *testing.T) {
	for _, kind := range kinds {
		for at := range 2 {
			packets := stream(kind.v6, kind.udp, 2, 100)
			p := &packets[at]
			clear(p.payload[:2])
			copy(p.payload, p.bytes(false)[p.l4()+p.checksumAt():][:2])
			canonical := p.bytes(false)
			other := bytes.Clone(canonical)
			field := other[p.l4()+p.checksumAt():][:2]
			field[0], field[1] = ^field[0], ^field[1]
			for _, test := range []struct {
				pkt  []byte
				want []int
			}{{canonical, []int{2}}, {other, []int{1, 1}}} {
				batch := [][]byte{packets[0].bytes(false), packets[1].bytes(false)}
				batch[at] = test.pkt
				out := glue(t, NewCoalescer(allKinds), batch)
				if got := groupSizes(out); !slices.Equal(got, test.want) {
					t.Errorf("%s: packet %d with checksum % x: glued as %d, want %d", kind.name, at, test.pkt[p.l4()+p.checksumAt():][:2], got, test.want)
				}
			}
		}
	}
}

func TestCoalescerOptions(t *testing.T) {
	for i, o := range []CoalesceOptions{{TCP4: true}, {TCP6: true}, {UDP4: true}, {UDP6: true}, {}} {
		c := NewCoalescer(o)
		for j, kind := range kinds {
			var batch [][]byte
			for _, p := range stream(kind.v6, kind.udp, 3, 100) {
				batch = append(batch, p.bytes(false))
			}
			out := glue(t, c, batch)
			want := []int{1, 1, 1}
			if i == j {
				want = []int{3}
			}
			if got := groupSizes(out); !slices.Equal(got, want) {
				t.Errorf("%+v: %s glued as %d, want %d", o, kind.name, got, want)
			}
		}
	}
}

// runs splits total into runs of most, the last one shorter.
func runs(total, most int) []int {
	var out []int
	for ; total > 0; total -= most {
		out = append(out, min(total, most))
	}
	return out
}

func TestCoalescerLimits(t *testing.T) {
	for _, kind := range kinds {
		c := NewCoalescer(allKinds)
		fill := func(size int) []int {
			var batch [][]byte
			for _, p := range stream(kind.v6, kind.udp, maxBatch, size) {
				batch = append(batch, p.bytes(false))
			}
			return groupSizes(glue(t, c, batch))
		}
		header := stream(kind.v6, kind.udp, 1, 1)[0].headerLen()
		fits := (MaxPacket - header) / 1400
		if got, want := fill(1400), runs(maxBatch, fits); !slices.Equal(got, want) {
			t.Errorf("%s, 1400 bytes: glued as %d, want %d", kind.name, got, want)
		}
		want := []int{maxBatch}
		if kind.udp {
			want = runs(maxBatch, maxUDPSegments)
		}
		if got := fill(100); !slices.Equal(got, want) {
			t.Errorf("%s, 100 bytes: glued as %d, want %d", kind.name, got, want)
		}
		if out := c.Flush(); len(out) != 0 {
			t.Errorf("%s: an empty Coalescer flushed %d superpackets", kind.name, len(out))
		}
	}
}

// TCP segments that the kernel would not cut again stay alone, but for a last one.
func TestCoalescerTinySegments(t *testing.T) {
	for _, kind := range kinds {
		for _, size := range []int{1, minTCPSegment - 1, minTCPSegment, minTCPSegment + 1} {
			var batch [][]byte
			packets := stream(kind.v6, kind.udp, 5, size)
			packets[4].payload = packets[4].payload[:1]
			for i := range packets {
				batch = append(batch, packets[i].bytes(false))
			}
			want := []int{5}
			if !kind.udp && size < minTCPSegment {
				want = []int{1, 1, 1, 1, 1}
			}
			if got := groupSizes(glue(t, NewCoalescer(allKinds), batch)); !slices.Equal(got, want) {
				t.Errorf("%s, %d bytes: glued as %d, want %d", kind.name, size, got, want)
			}
		}
	}
}

// What a Segmenter cut is glued into the same superpacket again.
func TestCoalesceUndoesSegment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		p := drawPacket(t, kind.v6, kind.udp)
		p.flags |= rapid.SampledFrom([]uint8{0, tcpPSH, tcpECE, tcpPSH | tcpECE}).Draw(t, "flags")
		least, segments := minTCPSegment, maxBatch
		if kind.udp {
			least, segments = 1, maxUDPSegments
		}
		size := rapid.IntRange(least, 1500).Draw(t, "size")
		most := min(segments*size, MaxPacket-p.headerLen())
		p.payload = payload(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(size+1, most).Draw(t, "payload"))
		var s Segmenter
		if err := s.Reset(p.virtio(size), p.bytes(true)); err != nil {
			t.Fatal(err)
		}
		c := NewCoalescer(allKinds)
		for seg := s.Next(); seg != nil; seg = s.Next() {
			c.Add(bytes.Clone(seg))
		}
		out := c.Flush()
		if len(out) != 1 {
			t.Fatalf("glued as %d", groupSizes(out))
		}
		vh, whole := flatten(out[0])
		if want := p.virtio(size); vh != want {
			t.Fatalf("virtio header %+v, want %+v", vh, want)
		}
		if want := p.bytes(true); !bytes.Equal(whole, want) {
			t.Fatalf("got  % x\nwant % x", whole, want)
		}
	})
}

// Batches of several flows, cut from superpackets, shuffled together and
// damaged in every way, over many batches of one Coalescer.
func TestSegmentUndoesCoalesce(t *testing.T) {
	glued := 0
	rapid.Check(t, func(t *rapid.T) {
		c := NewCoalescer(allKinds)
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			batch := drawBatch(t)
			out := glue(t, c, batch)
			glued += len(batch) - len(out)
		}
	})
	if glued == 0 {
		t.Error("nothing was ever glued: the property saw nothing")
	}
}

func FuzzCoalescer(f *testing.F) {
	// A batch is written as packets, each behind its length in two bytes.
	for _, kind := range kinds {
		var batch []byte
		for i, p := range stream(kind.v6, kind.udp, 4, 20) {
			b := p.bytes(false)
			if i == 2 {
				b[len(b)-1]++
			}
			batch = binary.BigEndian.AppendUint16(batch, uint16(len(b)))
			batch = append(batch, b...)
		}
		f.Add(batch)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := NewCoalescer(allKinds)
		var batch [][]byte
		for len(b) > 2 && len(batch) < maxBatch {
			n := min(max(1, int(binary.BigEndian.Uint16(b))), len(b)-2)
			batch = append(batch, bytes.Clone(b[2:2+n]))
			b = b[2+n:]
		}
		glue(t, c, batch)
	})
}

func TestCoalescerFull(t *testing.T) {
	c := NewCoalescer(allKinds)
	for round := range 2 {
		for i := range maxBatch {
			if c.Full() {
				t.Fatalf("round %d: full after %d packets", round, i)
			}
			c.Add([]byte{0})
		}
		if !c.Full() {
			t.Fatalf("round %d: not full after %d packets", round, maxBatch)
		}
		if out := c.Flush(); len(out) != maxBatch {
			t.Fatalf("round %d: %d superpackets of %d packets", round, len(out), maxBatch)
		}
	}
}

// A packet without a single byte is passed on like any other that does not parse.
func TestCoalescerEmptyPacket(t *testing.T) {
	c := NewCoalescer(allKinds)
	c.Add(nil)
	out := c.Flush()
	if len(out) != 1 || len(out[0].Packets) != 1 || out[0].Bytes != VirtioHeaderLen {
		t.Errorf("flushed %+v", out)
	}
}

func TestCoalescerAllocatesNothing(t *testing.T) {
	batch := benchmarkBatch()
	c := NewCoalescer(allKinds)
	if n := testing.AllocsPerRun(20, func() {
		for _, pkt := range batch {
			c.Add(pkt)
		}
		c.Flush()
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// benchmarkBatch is 64 KiB of TCP as it comes out of a tunnel of MTU 1450.
func benchmarkBatch() [][]byte {
	var batch [][]byte
	for _, p := range stream(false, false, 45, 1398) {
		batch = append(batch, p.bytes(false))
	}
	return batch
}

func BenchmarkCoalesce45(b *testing.B) {
	for _, by := range []struct {
		name            string
		quick, unsummed bool
	}{{"Add", false, false}, {"Follow", true, false}, {"Follow unsummed", true, true}} {
		b.Run(by.name, func(b *testing.B) {
			batch := benchmarkBatch()
			c := NewCoalescer(allKinds)
			b.SetBytes(45 * 1450)
			b.ReportAllocs()
			for b.Loop() {
				for _, pkt := range batch {
					addition{pkt, by.unsummed}.put(c, by.quick)
				}
				if len(c.Flush()) != 1 {
					b.Fatal("not one superpacket")
				}
			}
		})
	}
}

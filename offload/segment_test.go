package offload

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// A superpacket of any kind is cut into exactly the packets that the model of a
// sender without offload sends, and the counts before each step tell the truth.
func TestSegmenterCutsAsTheSenderWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		p := drawPacket(t, kind.v6, kind.udp)
		p.flags = rapid.Uint8().Draw(t, "flags")
		p.reserved = rapid.Uint8Max(15).Draw(t, "reserved")
		p.urgent = rapid.Uint16().Draw(t, "urgent")
		p.options = payload(1, 4*rapid.IntRange(0, 10).Draw(t, "options"))
		if !kind.v6 {
			p.ipOptions = payload(2, 4*rapid.IntRange(0, 10).Draw(t, "IP options"))
		}
		n := rapid.IntRange(0, MaxPacket-p.headerLen()).Draw(t, "payload")
		size := rapid.IntRange(max(1, n/200), 2000).Draw(t, "size")
		p.payload = payload(rapid.Uint64().Draw(t, "seed"), n)
		vh := p.virtio(size)
		vh.HdrLen = rapid.Uint16().Draw(t, "hdr_len") // not to be trusted

		want := p.cut(size)
		left := 0
		for i := range want {
			left += len(want[i].bytes(false))
		}
		pkt := append(p.bytes(true), make([]byte, 64)...)
		var s Segmenter
		if err := s.Reset(vh, pkt); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			one := want[i].bytes(false)
			if s.Remaining() != len(want)-i || s.SegmentLen() != len(one) || s.RemainingBytes() != left {
				t.Fatalf("before segment %d: Remaining %d, SegmentLen %d, RemainingBytes %d; want %d, %d, %d",
					i, s.Remaining(), s.SegmentLen(), s.RemainingBytes(), len(want)-i, len(one), left)
			}
			left -= len(one)
			got := s.Next()
			if !bytes.Equal(got, one) {
				t.Fatalf("segment %d of %d, %d bytes of payload in all:\ngot  % x\nwant % x", i, len(want), n, got, one)
			}
			borrowBehind(t, got, 64)
		}
		if s.Next() != nil || s.Remaining() != 0 || s.SegmentLen() != 0 || s.RemainingBytes() != 0 {
			t.Fatal("something is left behind the last segment")
		}
	})
}

// borrowBehind does what sealing does: it uses the bytes behind a segment, puts
// them back, and leaves the segment itself in ruins.
func borrowBehind(t *rapid.T, segment []byte, n int) {
	if cap(segment)-len(segment) < n {
		t.Fatalf("%d bytes of capacity behind a segment, want %d", cap(segment)-len(segment), n)
	}
	behind := segment[len(segment) : len(segment)+n]
	saved := bytes.Clone(behind)
	clear(behind)
	copy(behind, saved)
	clear(segment)
}

// The case that users check by hand: an ID of 1 in the superpacket.
func TestSegmenterCountsIDsUp(t *testing.T) {
	src, dst := addresses(false, 1)
	for _, test := range []struct {
		id   uint16
		want []uint16
	}{{1, []uint16{1, 2, 3}}, {0xffff, []uint16{0xffff, 0, 1}}} {
		p := packet{src: src, dst: dst, id: test.id, flags: tcpACK, payload: payload(1, 250)}
		var s Segmenter
		if err := s.Reset(p.virtio(100), p.bytes(true)); err != nil {
			t.Fatal(err)
		}
		var got []uint16
		for seg := s.Next(); seg != nil; seg = s.Next() {
			got = append(got, binary.BigEndian.Uint16(seg[4:]))
		}
		if len(got) != 3 || [3]uint16(got) != [3]uint16(test.want) {
			t.Errorf("IDs %d, want %d", got, test.want)
		}
	}
}

func TestSegmenterRefuses(t *testing.T) {
	src4, dst4 := addresses(false, 1)
	src6, dst6 := addresses(true, 1)
	tcp4 := packet{src: src4, dst: dst4, flags: tcpACK, payload: payload(1, 3000)}
	tcp6 := packet{src: src6, dst: dst6, flags: tcpACK, payload: payload(1, 3000)}
	udp4 := packet{src: src4, dst: dst4, udp: true, payload: payload(1, 3000)}
	type header = func(*VirtioHeader)
	type body = func([]byte) []byte
	gsoType := func(v uint8) header { return func(h *VirtioHeader) { h.GSOType = v } }
	set := func(at int, v byte) body { return func(b []byte) []byte { b[at] = v; return b } }
	// resum makes the IPv4 header checksum right after f.
	resum := func(f body) body {
		return func(b []byte) []byte {
			b = f(b)
			b[10], b[11] = 0, 0
			binary.BigEndian.PutUint16(b[10:], ^referenceSum(b[:20], 0))
			return b
		}
	}
	cut := func(n int) body {
		return resum(func(b []byte) []byte { binary.BigEndian.PutUint16(b[2:], uint16(n)); return b[:n] })
	}
	for _, test := range []struct {
		name   string
		p      packet
		header header
		body   body
		want   error
	}{
		{"empty", tcp4, nil, func([]byte) []byte { return nil }, ErrShort},
		{"shorter than its IP length", tcp4, nil, func(b []byte) []byte { return b[:len(b)-1] }, ErrLength},
		{"legacy UFO", udp4, gsoType(GSOUDP), nil, ErrGSOType},
		{"unknown type", tcp4, gsoType(2), nil, ErrGSOType},
		{"ECN bit without a type", tcp4, gsoType(GSOECN), nil, ErrGSOType},
		{"UDP with ECN bit", udp4, gsoType(GSOUDPL4 | GSOECN), nil, ErrGSOType},
		{"IPv4 called TCPv6", tcp4, gsoType(GSOTCPv6), nil, ErrGSOType},
		{"IPv6 called TCPv4", tcp6, gsoType(GSOTCPv4), nil, ErrGSOType},
		{"UDP called TCPv4", udp4, gsoType(GSOTCPv4), nil, ErrGSOType},
		{"TCP called UDP", tcp4, gsoType(GSOUDPL4), nil, ErrGSOType},
		{"size 0", tcp4, func(h *VirtioHeader) { h.GSOSize = 0 }, nil, ErrGSOSize},
		{"no checksum wanted", tcp4, func(h *VirtioHeader) { h.Flags = 0 }, nil, ErrChecksum},
		{"checksum called valid", tcp4, func(h *VirtioHeader) { h.Flags = FlagDataValid }, nil, ErrChecksum},
		{"checksum start elsewhere", tcp4, func(h *VirtioHeader) { h.CsumStart-- }, nil, ErrChecksum},
		{"checksum field elsewhere", tcp4, func(h *VirtioHeader) { h.CsumOffset = 6 }, nil, ErrChecksum},
		{"IPv4 header damaged", tcp4, nil, set(8, 77), ErrChecksum},
		{"first fragment", tcp4, nil, resum(set(6, 0x20)), ErrFragment},
		{"later fragment", tcp4, nil, resum(set(7, 0x01)), ErrFragment},
		{"TCP header cut", tcp4, nil, cut(39), ErrShort},
		{"TCP options cut", tcp4, nil, func(b []byte) []byte { b = cut(40)(b); b[32] = 0x60; return b }, ErrShort},
		{"TCP data offset 4", tcp4, nil, set(32, 0x40), ErrShort},
		{"UDP header cut", udp4, nil, cut(27), ErrShort},
		{"IPv6 extension before TCP", tcp6, func(h *VirtioHeader) { h.CsumStart = 48 }, func([]byte) []byte { return ipv6With(60, extension(6), tcpStart) }, ErrExtension},
		{"IPv6 atomic fragment", tcp6, func(h *VirtioHeader) { h.CsumStart = 48 }, func([]byte) []byte { return ipv6With(44, fragmentHeader(6, 0), tcpStart) }, ErrExtension},
		{"too many segments", packet{src: src4, dst: dst4, payload: payload(1, MaxSegments+1)}, func(h *VirtioHeader) { h.GSOSize = 1 }, nil, ErrSegments},
		{"as many segments as allowed", packet{src: src4, dst: dst4, payload: payload(1, MaxSegments)}, func(h *VirtioHeader) { h.GSOSize = 1 }, nil, nil},
		{"nothing wrong", tcp4, nil, nil, nil},
		{"size over payload", tcp4, func(h *VirtioHeader) { h.GSOSize = 3001 }, nil, nil},

		{"plain", tcp4, gsoType(GSONone), nil, nil},
		{"plain, checksum start in IP header", tcp4, func(h *VirtioHeader) { h.GSOType, h.CsumStart = GSONone, 19 }, nil, ErrChecksum},
		{"plain, checksum field behind the end", tcp4, func(h *VirtioHeader) { h.GSOType, h.CsumOffset = GSONone, 3040-20-1 }, nil, ErrChecksum},
		{"plain, checksum field at the end", tcp4, func(h *VirtioHeader) { h.GSOType, h.CsumOffset = GSONone, 3040-20-2 }, nil, nil},
		{"plain, checksum field beyond 64 KiB", tcp4, func(h *VirtioHeader) { h.GSOType, h.CsumStart, h.CsumOffset = GSONone, 0xffff, 0xffff }, nil, ErrChecksum},
	} {
		t.Run(test.name, func(t *testing.T) {
			vh, pkt := test.p.virtio(1000), test.p.bytes(true)
			if test.header != nil {
				test.header(&vh)
			}
			if test.body != nil {
				pkt = test.body(pkt)
			}
			before := bytes.Clone(pkt)
			var s Segmenter
			// Segments of an earlier superpacket must not come out after an error.
			if err := s.Reset(tcp4.virtio(1000), tcp4.bytes(true)); err != nil {
				t.Fatal(err)
			}
			s.Next()
			err := s.Reset(vh, pkt)
			if !errors.Is(err, test.want) {
				t.Fatalf("error %v, want %v", err, test.want)
			}
			if !bytes.Equal(pkt, before) {
				t.Error("Reset changed the packet")
			}
			if err != nil && (s.Remaining() != 0 || s.RemainingBytes() != 0 || s.SegmentLen() != 0 || s.Next() != nil) {
				t.Error("segments left after an error")
			}
			if err == nil && s.Next() == nil {
				t.Error("no segment without an error")
			}
		})
	}
}

// A plain packet is one segment: as it was, or with its checksum finished.
func TestSegmenterPlainPacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		p := drawPacket(t, kind.v6, kind.udp)
		p.payload = payload(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 1500).Draw(t, "payload"))
		partial := rapid.Bool().Draw(t, "partial")
		var vh VirtioHeader
		if partial {
			vh = p.virtio(0)
			vh.GSOType = GSONone
		}
		want := p.bytes(false)
		pkt := append(p.bytes(partial), 1, 2, 3) // bytes behind the IP length go away
		var s Segmenter
		if err := s.Reset(vh, pkt); err != nil {
			t.Fatal(err)
		}
		if s.Remaining() != 1 || s.SegmentLen() != len(want) || s.RemainingBytes() != len(want) {
			t.Fatalf("Remaining %d, SegmentLen %d, RemainingBytes %d, want 1, %d, %[4]d", s.Remaining(), s.SegmentLen(), s.RemainingBytes(), len(want))
		}
		if got := s.Next(); !bytes.Equal(got, want) {
			t.Fatalf("got  % x\nwant % x", got, want)
		}
		if s.Next() != nil || s.RemainingBytes() != 0 || s.SegmentLen() != 0 {
			t.Fatal("something is left")
		}
	})
}

// A wrong checksum that is said to be complete stays wrong.
func TestSegmenterPlainPacketIsNotBlessed(t *testing.T) {
	src, dst := addresses(false, 1)
	p := packet{src: src, dst: dst, flags: tcpACK, payload: payload(1, 100)}
	for _, flags := range []uint8{0, FlagDataValid} {
		pkt := p.bytes(false)
		pkt[80] ^= 1
		want := bytes.Clone(pkt)
		var s Segmenter
		if err := s.Reset(VirtioHeader{Flags: flags}, pkt); err != nil {
			t.Fatal(err)
		}
		if got := s.Next(); !bytes.Equal(got, want) {
			t.Errorf("flags %d: the packet changed:\ngot  % x\nwant % x", flags, got, want)
		}
	}
}

// A datagram whose checksum comes out as 0 says 0xffff (RFC 768); TCP says 0.
func TestSegmenterChecksumOfZero(t *testing.T) {
	for _, kind := range kinds {
		for _, gso := range []bool{false, true} {
			p := packet{udp: kind.udp, flags: tcpACK, payload: make([]byte, 100)}
			p.src, p.dst = addresses(kind.v6, 1)
			b := p.bytes(false)
			// Add the checksum itself to the data, and the new one is 0.
			copy(p.payload, b[p.l4()+p.checksumAt():][:2])
			want := uint16(0)
			if kind.udp {
				want = 0xffff
			}
			vh := p.virtio(100)
			if !gso {
				vh.GSOType = GSONone
			}
			var s Segmenter
			if err := s.Reset(vh, p.bytes(true)); err != nil {
				t.Fatal(err)
			}
			if got := binary.BigEndian.Uint16(s.Next()[p.l4()+p.checksumAt():]); got != want {
				t.Errorf("%s, GSO %v: checksum %#x, want %#x", kind.name, gso, got, want)
			}
		}
	}
}

func FuzzSegmenter(f *testing.F) {
	for _, kind := range kinds {
		p := packet{udp: kind.udp, flags: 0x19 | tcpCWR, options: timestamps(1, 2), payload: payload(1, 300)}
		p.src, p.dst = addresses(kind.v6, 1)
		vh := p.virtio(100)
		b := make([]byte, VirtioHeaderLen)
		vh.Encode(b)
		f.Add(append(b, p.bytes(true)...))
		vh.GSOType = GSONone
		vh.Encode(b)
		f.Add(append(b, p.bytes(true)...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < VirtioHeaderLen {
			return
		}
		var vh VirtioHeader
		vh.Decode(b)
		var s Segmenter
		if s.Reset(vh, b[VirtioHeaderLen:]) != nil {
			return
		}
		if s.Remaining() < 1 || s.Remaining() > MaxSegments {
			t.Fatalf("%d segments", s.Remaining())
		}
		for s.Remaining() > 0 {
			want, left := s.SegmentLen(), s.RemainingBytes()
			seg := s.Next()
			if len(seg) != want || s.RemainingBytes() != left-want {
				t.Fatalf("segment of %d bytes, %d left; told %d of %d", len(seg), s.RemainingBytes(), want, left)
			}
			var h Headers
			if err := ParseHeaders(seg, &h); vh.GSOType != GSONone && (err != nil || h.Len != len(seg)) {
				t.Fatalf("a segment of %d bytes reads back as %+v, %v", len(seg), h, err)
			}
		}
	})
}

func TestSegmenterAllocatesNothing(t *testing.T) {
	pkt, vh := benchmarkSuperpacket()
	work := make([]byte, len(pkt))
	var s Segmenter
	if n := testing.AllocsPerRun(20, func() {
		copy(work, pkt)
		_ = s.Reset(vh, work)
		for s.Next() != nil {
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// benchmarkSuperpacket is 64 KiB of TCP in segments for a tunnel of MTU 1450.
func benchmarkSuperpacket() ([]byte, VirtioHeader) {
	p := packet{flags: tcpACK, options: timestamps(1, 2)}
	p.src, p.dst = addresses(false, 1)
	p.payload = payload(1, MaxPacket-p.headerLen())
	return p.bytes(true), p.virtio(1398)
}

func BenchmarkSegment64KiB(b *testing.B) {
	pkt, vh := benchmarkSuperpacket()
	work := bytes.Clone(pkt)
	b.SetBytes(int64(len(pkt)))
	b.ReportAllocs()
	var s Segmenter
	for b.Loop() {
		copy(work, pkt[:60]) // the payload is written over, of the same length again
		if s.Reset(vh, work) != nil {
			b.Fatal("refused")
		}
		for s.Next() != nil {
		}
	}
}

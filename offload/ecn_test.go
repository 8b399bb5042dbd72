package offload

import (
	"bytes"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"
)

// Segments marked and left out at random: those that come are what the sender without
// offload would have sent, each with CE if it was marked and ECN-capable, and the counts
// before each step tell the truth.
func TestSegmenterMarksAndSkips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		p := drawPacket(t, kind.v6, kind.udp)
		p.flags |= rapid.SampledFrom([]uint8{0, tcpFIN, tcpPSH, tcpCWR, tcpFIN | tcpPSH | tcpCWR | tcpECE}).Draw(t, "flags")
		if !kind.v6 {
			p.ipOptions = payload(2, 4*rapid.IntRange(0, 10).Draw(t, "IP options"))
		}
		size := rapid.IntRange(1, 1500).Draw(t, "size")
		p.payload = payload(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, min(50*size, MaxPacket-p.headerLen())).Draw(t, "payload"))
		want, vh := p.cut(size), p.virtio(size)
		if rapid.Bool().Draw(t, "plain") {
			want, vh.GSOType, vh.GSOSize = []packet{p}, GSONone, 0
		}
		left := 0
		for i := range want {
			left += len(want[i].bytes(false))
		}
		var s Segmenter
		if err := s.Reset(vh, append(p.bytes(true), make([]byte, 64)...)); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			w := &want[i]
			if s.TOS() != w.tos || s.Remaining() != len(want)-i || s.RemainingBytes() != left || s.SegmentLen() != len(w.bytes(false)) {
				t.Fatalf("before segment %d: TOS %#x, %d left, %d bytes, the next %d", i, s.TOS(), s.Remaining(), s.RemainingBytes(), s.SegmentLen())
			}
			for range rapid.IntRange(0, 2).Draw(t, "marks") {
				if s.MarkCE() != (p.tos&3 != 0) {
					t.Fatalf("TOS %#x: MarkCE says otherwise", p.tos)
				}
				if p.tos&3 != 0 {
					w.tos |= 3
				}
			}
			if s.TOS() != w.tos {
				t.Fatalf("segment %d: TOS %#x, want %#x", i, s.TOS(), w.tos)
			}
			one := w.bytes(false)
			left -= len(one)
			if rapid.IntRange(0, 3).Draw(t, "skip") == 0 {
				if n := s.Skip(); n != len(one) {
					t.Fatalf("Skip says %d, want %d", n, len(one))
				}
				continue
			}
			got := s.Next()
			if !bytes.Equal(got, one) {
				t.Fatalf("segment %d of %d:\ngot  % x\nwant % x", i, len(want), got, one)
			}
			borrowBehind(t, got, 64)
		}
		if s.Skip() != 0 || s.MarkCE() || s.TOS() != 0 || s.Next() != nil {
			t.Fatal("something is left behind the last segment")
		}
	})
}

// What a segment left out would have carried alone goes with it: CWR with the first, FIN
// and PSH with the last. The others have the IDs and numbers that they had anyway.
func TestSegmenterSkipsWithFlags(t *testing.T) {
	for _, kind := range kinds[:2] {
		for skip := range 4 {
			p := packet{id: 0xfffe, seq: 0xffffff00, flags: tcpACK | tcpCWR | tcpFIN | tcpPSH, payload: payload(1, 350)}
			p.src, p.dst = addresses(kind.v6, 1)
			var s Segmenter
			if err := s.Reset(p.virtio(100), p.bytes(true)); err != nil {
				t.Fatal(err)
			}
			for i, want := range p.cut(100) {
				if i == skip {
					s.Skip()
				} else if got := s.Next(); !bytes.Equal(got, want.bytes(false)) {
					t.Errorf("%s, %d left out: segment %d is % x, want % x", kind.name, skip, i, got, want.bytes(false))
				}
			}
		}
	}
}

// A mark that was not used is not found in the next superpacket.
func TestSegmenterForgetsMarks(t *testing.T) {
	src, dst := addresses(false, 1)
	p := packet{src: src, dst: dst, tos: ECT0, flags: tcpACK, payload: payload(1, 3000)}
	var s Segmenter
	for range 2 {
		if err := s.Reset(p.virtio(1000), p.bytes(true)); err != nil {
			t.Fatal(err)
		}
		if s.TOS() != ECT0 || !s.MarkCE() {
			t.Errorf("TOS %#x", s.TOS())
		}
	}
}

// What SetECN leaves behind, gopacket reads: the field, a checksum as right or as wrong as
// before, and nothing else changed.
func TestSetECN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		p := drawPacket(t, kind.v6, kind.udp)
		p.payload = payload(1, 50)
		ecn := rapid.Uint8Max(3).Draw(t, "ecn")
		b := p.bytes(false)
		SetECN(b, ecn)
		read := gopacket.NewPacket(b, firstLayer(b), gopacket.Default)
		want := p
		want.tos = p.tos&^3 | ecn
		switch ip := read.NetworkLayer().(type) {
		case *layers.IPv4:
			if ip.TOS != want.tos {
				t.Fatalf("TOS %#x, want %#x", ip.TOS, want.tos)
			}
			if err, wrong := ip.VerifyChecksum(); err != nil || !wrong.Valid {
				t.Fatalf("checksum: %v, %+v", err, wrong)
			}
		case *layers.IPv6:
			if ip.TrafficClass != want.tos || ip.FlowLabel != p.flowLabel {
				t.Fatalf("traffic class %#x, want %#x; label %#x", ip.TrafficClass, want.tos, ip.FlowLabel)
			}
		}
		if !bytes.Equal(b, want.bytes(false)) {
			t.Fatalf("got  % x\nwant % x", b, want.bytes(false))
		}
		if kind.v6 {
			return
		}
		b = p.bytes(false)
		b[10] ^= rapid.Uint8Range(1, 255).Draw(t, "damage")
		SetECN(b, ecn)
		if referenceSum(b[:20], 0) == 0xffff {
			t.Fatal("a wrong checksum was blessed")
		}
	})
}

func TestMarkingAllocatesNothing(t *testing.T) {
	pkt, vh := benchmarkSuperpacket()
	SetECN(pkt, ECT0)
	work := make([]byte, len(pkt))
	var s Segmenter
	if n := testing.AllocsPerRun(20, func() {
		copy(work, pkt)
		_ = s.Reset(vh, work)
		for s.MarkCE() && s.Next() != nil {
			s.Skip()
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

package offload

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"
)

// ipv6With returns an IPv6 packet of the extension headers ext and rest, next
// naming the first of them.
func ipv6With(next uint8, parts ...[]byte) []byte {
	src, dst := addresses(true, 9)
	b := make([]byte, 40)
	b[0], b[6], b[7] = 0x60, next, 64
	copy(b[8:], src.AsSlice())
	copy(b[24:], dst.AsSlice())
	b = append(b, bytes.Join(parts, nil)...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

// extension returns an extension header of 8 bytes.
func extension(next uint8) []byte { return []byte{next, 0, 1, 4, 0, 0, 0, 0} }

func fragmentHeader(next uint8, offsetAndMore uint16) []byte {
	return []byte{next, 0, byte(offsetAndMore >> 8), byte(offsetAndMore), 0, 0, 0, 1}
}

// chain returns n destination options in a row, then TCP.
func chain(n int) []byte {
	var parts [][]byte
	for i := range n {
		next := uint8(60)
		if i == n-1 {
			next = 6
		}
		parts = append(parts, extension(next))
	}
	return ipv6With(60, append(parts, tcpStart)...)
}

var tcpStart = []byte{0x01, 0xbb, 0x80, 0x00, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 0, 9, 0, 0, 0, 0}

func TestParseHeaders(t *testing.T) {
	src4, dst4 := addresses(false, 9)
	src6, dst6 := addresses(true, 9)
	tcp4 := packet{src: src4, dst: dst4, tos: 0xb9, ttl: 64, fragment: 0x4000, srcPort: 443, dstPort: 32768, payload: []byte("hello")}
	udp6 := packet{src: src6, dst: dst6, tos: 0xb9, flowLabel: 0xfffff, udp: true, srcPort: 53, dstPort: 1024, payload: []byte("hello")}
	optioned := tcp4
	optioned.ipOptions = []byte{1, 1, 1, 0}
	firstFragment, laterFragment := tcp4, tcp4
	firstFragment.fragment, laterFragment.fragment = 0x2000, 0x0001

	want4 := Headers{Version: 4, Proto: 6, TOS: 0xb9, L4: 20, Len: 45, Src: src4, Dst: dst4, SrcPort: 443, DstPort: 32768}
	want6 := Headers{Version: 6, Proto: 6, L4: 48, Len: 68, Src: src6, Dst: dst6, SrcPort: 443, DstPort: 32768}
	change := func(h Headers, f func(*Headers)) Headers { f(&h); return h }
	setByte := func(b []byte, at int, v byte) []byte { b = bytes.Clone(b); b[at] = v; return b }

	for _, test := range []struct {
		name string
		pkt  []byte
		want Headers
		err  error
	}{
		{"empty", nil, Headers{}, ErrShort},
		{"version 5", []byte{0x50, 0}, Headers{}, ErrVersion},
		{"IPv4", tcp4.bytes(false), want4, nil},
		{"IPv4 with bytes behind", append(tcp4.bytes(false), 1, 2, 3), want4, nil},
		{"IPv4 cut inside header", tcp4.bytes(false)[:19], Headers{}, ErrShort},
		{"IPv4 cut inside payload", tcp4.bytes(false)[:44], Headers{}, ErrLength},
		{"IPv4 header length 16", setByte(tcp4.bytes(false), 0, 0x44), Headers{}, ErrLength},
		{"IPv4 total length 0", setByte(setByte(tcp4.bytes(false), 2, 0), 3, 0), Headers{}, ErrLength},
		{"IPv4 ports cut off", setByte(tcp4.bytes(false), 3, 22), change(want4, func(h *Headers) { h.Len = 22; h.SrcPort, h.DstPort = 0, 0 }), nil},
		{"IPv4 options longer than packet", setByte(tcp4.bytes(false), 0, 0x4f), Headers{}, ErrLength},
		{"IPv4 options", optioned.bytes(false), change(want4, func(h *Headers) { h.L4 = 24; h.Len = 49 }), nil},
		{"IPv4 first fragment", firstFragment.bytes(false), change(want4, func(h *Headers) { h.Fragment = true }), nil},
		{"IPv4 later fragment", laterFragment.bytes(false), change(want4, func(h *Headers) { h.Fragment = true; h.SrcPort, h.DstPort = 0, 0 }), nil},
		{"IPv4 ICMP", setByte(tcp4.bytes(false), 9, 1), change(want4, func(h *Headers) { h.Proto = 1; h.SrcPort, h.DstPort = 0, 0 }), nil},
		{"IPv4 SCTP", setByte(tcp4.bytes(false), 9, 132), change(want4, func(h *Headers) { h.Proto = 132 }), nil},
		{"IPv6 UDP", udp6.bytes(false), Headers{Version: 6, Proto: 17, TOS: 0xb9, L4: 40, Len: 53, Src: src6, Dst: dst6, SrcPort: 53, DstPort: 1024}, nil},
		{"IPv6 cut inside header", udp6.bytes(false)[:39], Headers{}, ErrShort},
		{"IPv6 cut inside payload", udp6.bytes(false)[:52], Headers{}, ErrLength},
		{"IPv6 no next header", ipv6With(59), change(want6, func(h *Headers) { h.Proto = 59; h.L4, h.Len = 40, 40; h.SrcPort, h.DstPort = 0, 0 }), nil},
		{"IPv6 hop-by-hop", ipv6With(0, extension(6), tcpStart), want6, nil},
		{"IPv6 routing", ipv6With(43, extension(6), tcpStart), want6, nil},
		{"IPv6 destination", ipv6With(60, extension(6), tcpStart), want6, nil},
		{"IPv6 AH of 12 bytes", ipv6With(51, []byte{6, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, tcpStart), change(want6, func(h *Headers) { h.L4, h.Len = 52, 72 }), nil},
		{"IPv6 extension of 16 bytes", ipv6With(60, []byte{6, 1, 1, 12}, make([]byte, 12), tcpStart), change(want6, func(h *Headers) { h.L4, h.Len = 56, 76 }), nil},
		{"IPv6 extension longer than packet", ipv6With(60, []byte{6, 200, 1, 4, 0, 0, 0, 0}, tcpStart), Headers{}, ErrShort},
		{"IPv6 extension cut", ipv6With(60, []byte{6, 0, 1, 4}), Headers{}, ErrShort},
		{"IPv6 AH longer than packet", ipv6With(51, []byte{6, 7, 0, 0, 0, 0, 0, 0}, tcpStart), Headers{}, ErrShort},
		{"IPv6 hop-by-hop second", ipv6With(60, extension(0), extension(6), tcpStart), Headers{}, ErrExtension},
		{"IPv6 eight extensions", chain(8), change(want6, func(h *Headers) { h.L4, h.Len = 104, 124 }), nil},
		{"IPv6 nine extensions", chain(9), Headers{}, ErrExtension},
		{"IPv6 ESP ends the chain", ipv6With(60, extension(50), tcpStart), change(want6, func(h *Headers) { h.Proto = 50; h.SrcPort, h.DstPort = 0, 0 }), nil},
		{"IPv6 atomic fragment", ipv6With(44, fragmentHeader(6, 0), tcpStart), want6, nil},
		{"IPv6 first fragment", ipv6With(44, fragmentHeader(6, 1), tcpStart), change(want6, func(h *Headers) { h.Fragment = true }), nil},
		{"IPv6 later fragment is not walked", ipv6With(44, fragmentHeader(60, 8), tcpStart), change(want6, func(h *Headers) { h.Fragment = true; h.Proto = 60; h.SrcPort, h.DstPort = 0, 0 }), nil},
		{"IPv6 ports cut off", ipv6With(6, tcpStart[:3]), change(want6, func(h *Headers) { h.L4, h.Len = 40, 43; h.SrcPort, h.DstPort = 0, 0 }), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			// What was in h before must not shine through.
			got := Headers{Fragment: true, SrcPort: 7, DstPort: 7, L4: 99}
			err := ParseHeaders(test.pkt, &got)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err == nil && got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// gopacket reads the same out of random packets.
func TestParseHeadersAgainstGopacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		p := drawPacket(t, kind.v6, kind.udp)
		p.payload = payload(1, rapid.IntRange(0, 100).Draw(t, "payload"))
		b := p.bytes(false)
		var h Headers
		if err := ParseHeaders(b, &h); err != nil {
			t.Fatal(err)
		}
		second := gopacket.NewPacket(b, firstLayer(b), gopacket.NoCopy)
		src, dst := second.NetworkLayer().NetworkFlow().Endpoints()
		want := Headers{Version: b[0] >> 4, Proto: p.proto(), TOS: p.tos, L4: p.l4(), Len: len(b)}
		want.Src, _ = netip.AddrFromSlice(src.Raw())
		want.Dst, _ = netip.AddrFromSlice(dst.Raw())
		srcPort, dstPort := second.TransportLayer().TransportFlow().Endpoints()
		want.SrcPort = binary.BigEndian.Uint16(srcPort.Raw())
		want.DstPort = binary.BigEndian.Uint16(dstPort.Raw())
		if h != want {
			t.Fatalf("got  %+v\nwant %+v", h, want)
		}
	})
}

func firstLayer(b []byte) gopacket.LayerType {
	if b[0]>>4 == 4 {
		return layers.LayerTypeIPv4
	}
	return layers.LayerTypeIPv6
}

func TestParseHeadersAllocatesNothing(t *testing.T) {
	pkt := ipv6With(0, extension(6), tcpStart)
	var h Headers
	if n := testing.AllocsPerRun(100, func() { _ = ParseHeaders(pkt, &h) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzParseHeaders(f *testing.F) {
	src, dst := addresses(false, 9)
	f.Add((&packet{src: src, dst: dst}).bytes(false))
	f.Add(chain(8))
	f.Add(chain(9))
	f.Add(ipv6With(44, fragmentHeader(17, 1), tcpStart))
	f.Add(ipv6With(51, []byte{6, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, tcpStart))
	f.Fuzz(func(t *testing.T, pkt []byte) {
		var h Headers
		if ParseHeaders(pkt, &h) != nil {
			return
		}
		if h.Len > len(pkt) || h.L4 > h.Len || h.L4 < 20 || h.Version != pkt[0]>>4 {
			t.Fatalf("%+v for a packet of %d bytes", h, len(pkt))
		}
		var again Headers
		if err := ParseHeaders(pkt[:h.Len], &again); err != nil || again != h {
			t.Fatalf("without the bytes behind: %+v, %v, want %+v", again, err, h)
		}
	})
}

package offload

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// report is what TooBig says of p, nil if nothing.
func report(t testing.TB, b []byte, length int, from netip.Addr, mtu int) []byte {
	t.Helper()
	var h Headers
	if err := ParseHeaders(b, &h); err != nil {
		t.Fatal(err)
	}
	dst := bytes.Repeat([]byte{0xee}, MaxTooBig)
	before := bytes.Clone(b)
	n := TooBig(dst, b, &h, length, from, mtu)
	if !bytes.Equal(b, before) {
		t.Error("the packet itself was changed")
	}
	for _, c := range dst[n:] {
		if c != 0xee {
			t.Fatal("written behind the message")
		}
	}
	return dst[:n]
}

func TestTooBigIPv4(t *testing.T) {
	router := netip.MustParseAddr("10.1.0.254")
	for _, size := range []int{600, 1472, 20} {
		p := packet{udp: true, ttl: 3, tos: 5, fragment: 0x4000, srcPort: 5, dstPort: 6, payload: payload(1, size)}
		p.src, p.dst = addresses(false, 9)
		b := p.bytes(false)
		m := report(t, b, len(b), router, 1338)
		read := gopacket.NewPacket(m, layers.LayerTypeIPv4, gopacket.Default)
		ip, icmp := read.Layer(layers.LayerTypeIPv4).(*layers.IPv4), read.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
		if err, wrong := read.VerifyChecksums(); err != nil || len(wrong) > 0 {
			t.Fatalf("checksums %v %+v", err, wrong)
		}
		if ip.SrcIP.String() != router.String() || ip.DstIP.String() != p.src.String() || ip.TOS != 0xc0 || ip.TTL != 64 || int(ip.Length) != len(m) {
			t.Errorf("header %+v", ip)
		}
		if icmp.TypeCode != layers.CreateICMPv4TypeCode(3, 4) || icmp.Seq != 1338 || icmp.Id != 0 {
			t.Errorf("message %+v", icmp)
		}
		if want := b[:min(len(b), 576-28)]; !bytes.Equal(icmp.Payload, want) {
			t.Errorf("quotes %d bytes, want %d", len(icmp.Payload), len(want))
		}
	}
}

func TestTooBigIPv6(t *testing.T) {
	router := netip.MustParseAddr("fd01::fe")
	for mtu, want := range map[int]uint32{1338: 1338, 1280: 1280, 1200: 1280} {
		p := syn(true, 2, 4, 5, 180)
		p.payload = payload(2, 1440)
		b := p.bytes(false)
		m := report(t, b, len(b), router, mtu)
		read := gopacket.NewPacket(m, layers.LayerTypeIPv6, gopacket.Default)
		ip, icmp := read.Layer(layers.LayerTypeIPv6).(*layers.IPv6), read.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
		if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		if err, wrong := read.VerifyChecksums(); err != nil || len(wrong) > 0 {
			t.Fatalf("checksums %v %+v", err, wrong)
		}
		if ip.SrcIP.String() != router.String() || ip.DstIP.String() != p.src.String() || ip.HopLimit != 64 || len(m) != 1280 {
			t.Errorf("header %+v of %d bytes", ip, len(m))
		}
		if icmp.TypeCode != layers.CreateICMPv6TypeCode(2, 0) || binary.BigEndian.Uint32(icmp.Payload) != want {
			t.Errorf("message %+v", icmp)
		}
		if !bytes.Equal(icmp.Payload[4:], b[:1280-48]) {
			t.Error("does not quote the packet")
		}
	}
}

// TestTooBigWithoutAnAddress comes from where the packet was going.
func TestTooBigWithoutAnAddress(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		p := syn(v6)
		p.payload = payload(1, 1400)
		b := p.bytes(false)
		var h Headers
		if err := ParseHeaders(report(t, b, len(b), netip.Addr{}, 1300), &h); err != nil || h.Src != p.dst || h.Dst != p.src {
			t.Errorf("IPv6 %t: from %v to %v, %v", v6, h.Src, h.Dst, err)
		}
	}
}

// TestTooBigOfSuperpackets quotes the first segment as it would have stood on the wire.
func TestTooBigOfSuperpackets(t *testing.T) {
	for _, kind := range kinds {
		p := packet{udp: kind.udp, ttl: 9, id: 5, fragment: 0x4000, flags: 0x10, payload: payload(1, 5000)}
		p.src, p.dst = addresses(kind.v6, 2)
		segment := p.cut(1400)[0]
		want := segment.bytes(true)
		m := report(t, p.bytes(true), len(want), netip.Addr{}, 1300)
		quote, l4 := m[p.l4()+8:], p.l4()
		if !bytes.Equal(quote[:l4], want[:l4]) {
			t.Errorf("%s: quotes the header %x, want %x", kind.name, quote[:l4], want[:l4])
		}
		if !bytes.Equal(quote[l4:l4+4], want[l4:l4+4]) {
			t.Errorf("%s: ports %x", kind.name, quote[l4:l4+4])
		}
	}
}

// TestTooBigIsNotSaidOf what RFC 1122 §3.2.2 and RFC 4443 §2.4(e) name.
func TestTooBigIsNotSaidOf(t *testing.T) {
	four := func(change func(b []byte)) []byte {
		p := packet{udp: true, ttl: 3, fragment: 0x4000, payload: payload(1, 1400)}
		p.src, p.dst = addresses(false, 9)
		b := p.bytes(false)
		change(b)
		return b
	}
	six := func(change func(b []byte)) []byte {
		p := packet{udp: true, ttl: 3, payload: payload(1, 1400)}
		p.src, p.dst = addresses(true, 9)
		b := p.bytes(false)
		change(b)
		return b
	}
	icmp := func(proto, kind byte) func(b []byte) {
		return func(b []byte) {
			if b[0]>>4 == 4 {
				b[9], b[20] = proto, kind
			} else {
				b[6], b[40] = proto, kind
			}
		}
	}
	for name, c := range map[string]struct {
		b    []byte
		said bool
	}{
		"UDP":                  {four(func([]byte) {}), true},
		"UDP over IPv6":        {six(func([]byte) {}), true},
		"echo":                 {four(icmp(1, 8)), true},
		"echo reply":           {four(icmp(1, 0)), true},
		"echo over IPv6":       {six(icmp(58, 128)), true},
		"unreachable":          {four(icmp(1, 3)), false},
		"source quench":        {four(icmp(1, 4)), false},
		"redirect":             {four(icmp(1, 5)), false},
		"time exceeded":        {four(icmp(1, 11)), false},
		"parameter problem":    {four(icmp(1, 12)), false},
		"too big":              {six(icmp(58, 2)), false},
		"redirect over IPv6":   {six(icmp(58, 137)), false},
		"first fragment":       {four(func(b []byte) { b[6] |= 0x20 }), true},
		"later fragment":       {four(func(b []byte) { b[7] = 1 }), false},
		"from nobody":          {four(func(b []byte) { copy(b[12:], []byte{0, 0, 0, 0}) }), false},
		"from itself":          {four(func(b []byte) { copy(b[12:], []byte{127, 0, 0, 1}) }), false},
		"from a group":         {four(func(b []byte) { copy(b[12:], []byte{224, 0, 0, 1}) }), false},
		"from class E":         {four(func(b []byte) { copy(b[12:], []byte{240, 0, 0, 1}) }), false},
		"to a group":           {four(func(b []byte) { copy(b[16:], []byte{224, 0, 0, 1}) }), false},
		"to all":               {four(func(b []byte) { copy(b[16:], []byte{255, 255, 255, 255}) }), false},
		"from nobody, IPv6":    {six(func(b []byte) { clear(b[8:24]) }), false},
		"from a group, IPv6":   {six(func(b []byte) { b[8] = 0xff }), false},
		"to a group, IPv6":     {six(func(b []byte) { b[24] = 0xff }), true},
		"ICMP of no bytes":     {[]byte{0x45, 0, 0, 20, 0, 0, 0x40, 0, 9, 1, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1}, false},
		"protocol 1 over IPv6": {six(icmp(1, 3)), false},
	} {
		if m := report(t, c.b, len(c.b), netip.Addr{}, 1300); len(m) > 0 != c.said {
			t.Errorf("%s: a message of %d bytes", name, len(m))
		}
	}
}

func TestTooBigAllocatesNothing(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		p := syn(v6)
		p.payload = payload(1, 1440)
		b, dst := p.bytes(false), make([]byte, MaxTooBig)
		var h Headers
		_ = ParseHeaders(b, &h)
		if n := testing.AllocsPerRun(100, func() { TooBig(dst, b, &h, len(b), netip.Addr{}, 1300) }); n != 0 {
			t.Errorf("IPv6 %t: %v allocations", v6, n)
		}
	}
}

// FuzzTooBig: whatever is said is a whole packet, and asks for no answer to an error.
func FuzzTooBig(f *testing.F) {
	for _, v6 := range []bool{false, true} {
		p := syn(v6)
		p.payload = payload(1, 700)
		f.Add(p.bytes(false), 600, 1300)
	}
	f.Fuzz(func(t *testing.T, b []byte, length, mtu int) {
		var h, said Headers
		if ParseHeaders(b, &h) != nil || length < h.L4 || length > h.Len {
			return
		}
		dst := make([]byte, MaxTooBig)
		n := TooBig(dst, b, &h, length, netip.Addr{}, mtu)
		if n == 0 {
			return
		}
		if err := ParseHeaders(dst[:n], &said); err != nil || said.Len != n || said.Dst != h.Src {
			t.Fatalf("%+v, %v", said, err)
		}
		if TooBig(make([]byte, MaxTooBig), dst[:n], &said, n, netip.Addr{}, mtu) != 0 {
			t.Fatal("an error about an error")
		}
	})
}

package offload

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"
)

// syn is a SYN with those TCP options.
func syn(v6 bool, options ...byte) packet {
	p := packet{ttl: 64, srcPort: 7, dstPort: 80, seq: 9, flags: tcpSYN, window: 501, options: options}
	p.src, p.dst = addresses(v6, 3)
	return p
}

func TestClampMSS(t *testing.T) {
	const nop = 1
	for name, c := range map[string]struct {
		v6            bool
		mtu           int
		options, want []byte // want nil: unchanged
	}{
		"as Linux sends it":         {false, 1438, []byte{2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, nop, 3, 3, 7}, []byte{2, 4, 0x05, 0x76, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, nop, 3, 3, 7}},
		"IPv6":                      {true, 1438, []byte{2, 4, 5, 160}, []byte{2, 4, 0x05, 0x62}},
		"fits exactly":              {false, 1500, []byte{2, 4, 0x05, 0xb4}, nil},
		"one too large":             {false, 1499, []byte{2, 4, 0x05, 0xb4}, []byte{2, 4, 0x05, 0xb3}},
		"never raised":              {false, 1438, []byte{2, 4, 2, 24}, nil},
		"at an odd place":           {false, 1438, []byte{nop, 2, 4, 5, 180, nop, nop, nop}, []byte{nop, 2, 4, 0x05, 0x76, nop, nop, nop}},
		"twice":                     {false, 1438, []byte{2, 4, 5, 180, 2, 4, 9, 9}, []byte{2, 4, 0x05, 0x76, 2, 4, 0x05, 0x76}},
		"none":                      {false, 1438, []byte{8, 10, 1, 2, 3, 4, 0, 0, 0, 0, nop, nop}, nil},
		"behind the end":            {false, 1438, []byte{0, 0, 0, 0, 2, 4, 5, 180}, nil},
		"length 3":                  {false, 1438, []byte{2, 3, 5, nop}, nil},
		"length 6":                  {false, 1438, []byte{2, 6, 5, 180, 0, 0, nop, nop}, nil},
		"length 0":                  {false, 1438, []byte{8, 0, 0, 0, 2, 4, 5, 180}, nil},
		"longer than the header":    {false, 1438, []byte{8, 11, 0, 0, 2, 4, 5, 180}, nil},
		"cut off in the option":     {false, 1438, []byte{nop, nop, 2, 4}, nil},
		"a kind and no length":      {false, 1438, []byte{nop, nop, nop, 2}, nil},
		"no MTU that leaves a byte": {false, 40, []byte{2, 4, 5, 180}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, partial := range []bool{false, true} {
				p := syn(c.v6, c.options...)
				b := p.bytes(partial)
				want := p.bytes(partial)
				if c.want != nil {
					p.options = c.want
					want = p.bytes(partial)
				}
				var h Headers
				if err := ParseHeaders(b, &h); err != nil || !IsSYN(b, &h) {
					t.Fatalf("%v, SYN %t", err, IsSYN(b, &h))
				}
				if got := ClampMSS(b, &h, c.mtu, partial); got != (c.want != nil) {
					t.Errorf("changed: %t", got)
				}
				if !bytes.Equal(b, want) {
					t.Errorf("partial %t:\n got %x\nwant %x", partial, b, want)
				}
			}
		})
	}
}

// A header whose data offset reaches beyond the packet is nobody's to clamp.
func TestClampMSSOfATruncatedHeader(t *testing.T) {
	p := syn(false, 2, 4, 5, 180)
	b := p.bytes(false)
	b[20+tcpOffsetAt] = 0xf0
	before := bytes.Clone(b)
	var h Headers
	if err := ParseHeaders(b, &h); err != nil {
		t.Fatal(err)
	}
	if ClampMSS(b, &h, 600, false) || !bytes.Equal(b, before) {
		t.Errorf("changed to %x", b)
	}
}

func TestIsSYN(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*packet)
		want   bool
	}{
		"SYN":          {func(*packet) {}, true},
		"SYN-ACK":      {func(p *packet) { p.flags |= tcpACK }, true},
		"ACK":          {func(p *packet) { p.flags = tcpACK }, false},
		"UDP":          {func(p *packet) { p.udp, p.payload = true, bytes.Repeat([]byte{0xff}, 40) }, false},
		"first of two": {func(p *packet) { p.fragment = 0x2000 }, false},
	} {
		p := syn(false, 2, 4, 5, 180)
		c.change(&p)
		b := p.bytes(false)
		var h Headers
		if err := ParseHeaders(b, &h); err != nil {
			t.Fatal(err)
		}
		if got := IsSYN(b, &h); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestClampMSSAsGopacketReads: whatever options stand around it, the size is lowered, all
// else stays, and the checksum is right.
func TestClampMSSAsGopacketReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPacket(t, rapid.Bool().Draw(t, "v6"), false)
		p.flags, p.fragment = tcpSYN|p.flags&tcpACK, 0
		offered := rapid.Uint16().Draw(t, "mss")
		pad := rapid.IntRange(0, 3).Draw(t, "nops")
		p.options = append(bytes.Repeat([]byte{1}, pad), p.options...)
		p.options = binary.BigEndian.AppendUint16(append(p.options, 2, 4), offered)
		for len(p.options)%4 != 0 {
			p.options = append(p.options, 1)
		}
		mtu := rapid.IntRange(576, 9000).Draw(t, "mtu")
		b := p.bytes(false)
		var h Headers
		if err := ParseHeaders(b, &h); err != nil {
			t.Fatal(err)
		}
		changed := ClampMSS(b, &h, mtu, false)
		most := mtu - p.l4() - 20
		if changed != (int(offered) > most) {
			t.Fatalf("an MSS of %d for an MTU of %d: changed %t", offered, mtu, changed)
		}
		read := gopacket.NewPacket(b, firstLayer(b), gopacket.Default)
		tcp := read.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if err := tcp.SetNetworkLayerForChecksum(read.NetworkLayer()); err != nil {
			t.Fatal(err)
		}
		if err, wrong := read.VerifyChecksums(); err != nil || len(wrong) > 0 {
			t.Fatalf("checksums %v %+v", err, wrong)
		}
		found := false
		for _, o := range tcp.Options {
			if o.OptionType == layers.TCPOptionKindMSS {
				found = true
				if got := int(binary.BigEndian.Uint16(o.OptionData)); got != min(int(offered), most) {
					t.Fatalf("MSS %d, offered %d, MTU %d", got, offered, mtu)
				}
			}
		}
		if !found {
			t.Fatal("no MSS left")
		}
	})
}

func TestClampMSSAllocatesNothing(t *testing.T) {
	p := syn(false, 2, 4, 5, 180)
	b := p.bytes(false)
	var h Headers
	if n := testing.AllocsPerRun(100, func() {
		_ = ParseHeaders(b, &h)
		binary.BigEndian.PutUint16(b[42:], 1460)
		if !IsSYN(b, &h) || !ClampMSS(b, &h, 1400, false) {
			t.Fatal("not clamped")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzClampMSS: nothing but bytes of options and the checksum changes, and the sum over
// all stays what it was.
func FuzzClampMSS(f *testing.F) {
	for _, v6 := range []bool{false, true} {
		p := syn(v6, 2, 4, 5, 180)
		f.Add(p.bytes(false), 1400)
		p = syn(v6, 1, 2, 4, 5, 180, 8, 255)
		f.Add(p.bytes(false), 600)
	}
	f.Fuzz(func(t *testing.T, b []byte, mtu int) {
		var h Headers
		if ParseHeaders(b, &h) != nil || !IsSYN(b, &h) {
			return
		}
		before := bytes.Clone(b)
		if changed := ClampMSS(b, &h, mtu, false); changed == bytes.Equal(b, before) {
			t.Fatalf("changed %t", changed)
		}
		for i := range b {
			option := i >= h.L4+tcpHeaderLen && i < h.Len
			checksum := i == h.L4+tcpChecksumAt || i == h.L4+tcpChecksumAt+1
			if b[i] != before[i] && !option && !checksum {
				t.Fatalf("byte %d of the packet is %02x, was %02x", i, b[i], before[i])
			}
		}
		was, is := Sum(before[h.L4:h.Len], 0), Sum(b[h.L4:h.Len], 0)
		if was != is && was%0xffff != is%0xffff {
			t.Fatalf("the sum is %04x, was %04x", is, was)
		}
	})
}

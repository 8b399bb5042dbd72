package offload

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/ip4defrag"
	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"
)

// fragments cuts b.
func fragments(t interface{ Fatal(...any) }, b []byte, mtu int) (all [][]byte) {
	var h Headers
	if err := ParseHeaders(b, &h); err != nil {
		t.Fatal(err)
	}
	var f Fragmenter
	if err := f.Reset(b, &h, mtu); err != nil {
		t.Fatal(err)
	}
	for {
		dst := make([]byte, mtu)
		n := f.Next(dst)
		if n == 0 {
			return all
		}
		all = append(all, dst[:n])
	}
}

// reassemble is gopacket's, fed in any order.
func reassemble(t interface{ Fatal(...any) }, all [][]byte) *layers.IPv4 {
	d := ip4defrag.NewIPv4Defragmenter()
	for _, b := range all {
		read := gopacket.NewPacket(b, layers.LayerTypeIPv4, gopacket.Default)
		ip, ok := read.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		if !ok {
			t.Fatal("a fragment is no IPv4 packet")
		}
		if referenceSum(b[:ip.IHL*4], 0) != 0xffff {
			t.Fatal("checksum of a fragment's header is wrong")
		}
		if int(ip.Length) != len(b) {
			t.Fatal("length of a fragment is wrong")
		}
		whole, err := d.DefragIPv4(ip)
		if err != nil {
			t.Fatal(err)
		}
		if whole != nil {
			return whole
		}
	}
	return nil
}

func TestFragmentsAreReassembledByGopacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPacket(t, false, true)
		p.fragment = 0
		mtu := rapid.IntRange(68, 1500).Draw(t, "mtu")
		p.payload = payload(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(mtu, min(60*mtu, 60000)).Draw(t, "payload"))
		b := p.bytes(false)
		all := fragments(t, bytes.Clone(b), mtu)
		for i, f := range all {
			if len(f) > mtu || i < len(all)-1 && len(f) <= mtu-fragmentUnit {
				t.Fatalf("fragment %d of %d has %d bytes for an MTU of %d", i, len(all), len(f), mtu)
			}
		}
		order := rapid.Permutation(all).Draw(t, "order")
		whole := reassemble(t, order)
		if whole == nil {
			t.Fatal("not whole")
		}
		if !bytes.Equal(whole.Payload, b[20:]) || whole.Id != p.id || whole.TTL != p.ttl || whole.TOS != p.tos {
			t.Fatalf("%+v is not what was cut", whole)
		}
	})
}

// TestFragmentOptions: the first fragment has all options, the others those whose copied
// bit is set (RFC 791 §3.1).
func TestFragmentOptions(t *testing.T) {
	const nop, end = 1, 0
	for name, c := range map[string]struct{ options, want []byte }{
		"none":               {nil, nil},
		"router alert":       {[]byte{0x94, 4, 0, 0}, []byte{0x94, 4, 0, 0}},
		"record route":       {[]byte{7, 7, 4, 0, 0, 0, 0, end}, nil},
		"both, padded":       {[]byte{7, 3, 4, 0x83, 3, 4, nop, end}, []byte{0x83, 3, 4, 0}},
		"security":           {[]byte{nop, 0x82, 5, 1, 2, 3, nop, nop}, []byte{0x82, 5, 1, 2, 3, 0, 0, 0}},
		"broken length":      {[]byte{0x82, 9, 1, 2}, nil},
		"length 0":           {[]byte{0x82, 0, 1, 2}, nil},
		"behind the end":     {[]byte{end, 0x94, 4, 0}, nil},
		"cut off":            {[]byte{nop, nop, nop, 0x94}, nil},
		"as long as may be":  {slices.Concat([]byte{0x83, 39}, make([]byte, 37), []byte{nop}), slices.Concat([]byte{0x83, 39}, make([]byte, 38))},
		"two that go":        {[]byte{0x94, 4, 0, 0, 0x83, 4, 9, 9}, []byte{0x94, 4, 0, 0, 0x83, 4, 9, 9}},
		"one between others": {[]byte{7, 3, 4, 0x94, 4, 0, 0, end}, []byte{0x94, 4, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			p := packet{udp: true, ttl: 9, id: 77, ipOptions: c.options, payload: payload(1, 3000)}
			p.src, p.dst = addresses(false, 1)
			b := p.bytes(false)
			all := fragments(t, bytes.Clone(b), 576)
			for i, f := range all {
				want := c.want
				if i == 0 {
					want = c.options
				}
				if got := f[20 : f[0]&15*4]; !bytes.Equal(got, want) {
					t.Errorf("fragment %d has the options %x, want %x", i, got, want)
				}
			}
			var data []byte
			for i, f := range all {
				field := binary.BigEndian.Uint16(f[6:])
				if int(field&0x1fff)*8 != len(data) || field&0x2000 == 0 != (i == len(all)-1) || field&0xc000 != 0 {
					t.Errorf("fragment %d behind %d bytes: %04x", i, len(data), field)
				}
				data = append(data, f[f[0]&15*4:]...)
			}
			if !bytes.Equal(data, b[p.l4():]) {
				t.Error("the payloads together are not what was cut")
			}
		})
	}
}

// TestFragmentsOfAFragment: offsets go on where it lay, and only the very last one ends.
func TestFragmentsOfAFragment(t *testing.T) {
	for _, more := range []uint16{0, 0x2000} {
		p := packet{udp: true, ttl: 9, id: 77, fragment: 100 | more, payload: payload(1, 1400-8)}
		p.src, p.dst = addresses(false, 1)
		at := uint16(100)
		all := fragments(t, p.bytes(false), 576)
		for i, f := range all {
			want := at | 0x2000
			if i == len(all)-1 {
				want = at | more
			}
			if got := binary.BigEndian.Uint16(f[6:]); got != want {
				t.Errorf("fragment %d: %04x, want %04x", i, got, want)
			}
			at += uint16(len(f)-20) / 8
		}
		if len(all) != 3 {
			t.Errorf("%d fragments", len(all))
		}
	}
}

func TestCannotFragment(t *testing.T) {
	six := syn(true)
	df := syn(false)
	df.fragment = 0x4000
	far := syn(false)
	far.fragment, far.payload = 0x1fff, payload(1, 3000)
	whole := syn(false)
	for name, c := range map[string]struct {
		p   packet
		mtu int
	}{"IPv6": {six, 1280}, "DF": {df, 576}, "beyond the longest packet": {far, 576}, "no room": {whole, 27}} {
		b := c.p.bytes(false)
		var h Headers
		if err := ParseHeaders(b, &h); err != nil {
			t.Fatal(err)
		}
		var f Fragmenter
		if err := f.Reset(b, &h, c.mtu); err != ErrCannotFragment {
			t.Errorf("%s: %v", name, err)
		}
		if n := f.Next(make([]byte, 1500)); n != 0 {
			t.Errorf("%s: a fragment of %d bytes", name, n)
		}
	}
}

func TestFragmentingAllocatesNothing(t *testing.T) {
	p := packet{udp: true, ttl: 9, ipOptions: []byte{0x94, 4, 0, 0}, payload: payload(1, 5000)}
	p.src, p.dst = addresses(false, 1)
	b, dst := p.bytes(false), make([]byte, 576)
	var h Headers
	var f Fragmenter
	if n := testing.AllocsPerRun(100, func() {
		if ParseHeaders(b, &h) != nil || f.Reset(b, &h, 576) != nil {
			t.Fatal("not cut")
		}
		for f.Next(dst) > 0 {
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzFragmenter: whatever can be cut fits the MTU, and its payloads together are its own.
func FuzzFragmenter(f *testing.F) {
	p := packet{udp: true, ttl: 9, ipOptions: []byte{7, 3, 4, 0x94, 4, 0, 0, 0}, payload: payload(1, 2000)}
	p.src, p.dst = addresses(false, 1)
	f.Add(p.bytes(false), 576)
	f.Fuzz(func(t *testing.T, b []byte, mtu int) {
		var h Headers
		var cut Fragmenter
		if mtu > 70000 || ParseHeaders(b, &h) != nil || cut.Reset(b, &h, mtu) != nil {
			return
		}
		dst := make([]byte, max(mtu, 0))
		var data []byte
		for n := cut.Next(dst); n > 0; n = cut.Next(dst) {
			var part Headers
			if err := ParseHeaders(dst[:n], &part); err != nil || part.Len != n {
				t.Fatalf("a fragment of %d bytes: %+v, %v", n, part, err)
			}
			data = append(data, dst[ipv4Options(dst):n]...)
		}
		if want := b[ipv4Options(b):h.Len]; !bytes.Equal(data, want) {
			t.Fatalf("%d bytes of payload came of %d", len(data), len(want))
		}
	})
}

package lane

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"vpngw/crypto/esp"
	"vpngw/crypto/ike"
	"vpngw/offload"
	"vpngw/tunnel/drop"
)

// TestConformanceKeepalive: a NAT keepalive, which anybody can send, is no sign of
// life, moves nobody and is not a packet (RFC 3948 §2.3, §4).
func TestConformanceKeepalive(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	l := listener(g)
	s.receive(g, nil)
	g.events()
	g.passes(10 * time.Second)
	last := s.Counters.LastIn.Load()
	elsewhere := netip.MustParseAddrPort("198.51.100.9:999")
	for range 3 {
		s.arrives(g, []byte{keepalive}, nil)
		s.arrives(g, []byte{keepalive}, &elsewhere)
		l.arrive(1, []byte{keepalive})
	}
	g.settle()
	if e, o := g.events(), g.strangers(); len(e)+len(o) != 0 {
		t.Errorf("it caused %v and %v", e, o)
	}
	if got := s.Counters.LastIn.Load(); got != last {
		t.Error("it counts as traffic")
	}
	wantDrops(t, &s.Counters.Drops, nil)
	wantDrops(t, &g.lane.counters.Drops, nil)
	s.receive(g, nil)
	if n := len(of[Heard](g.events())); n != 1 {
		t.Errorf("an ESP packet after it is told %d times", n)
	}
}

// TestConformanceMarker: four zero bytes make an IKE message, anything else in their
// place is an SPI; one byte that is not 0xFF is neither (RFC 3948 §2.1–§2.3).
func TestConformanceMarker(t *testing.T) {
	body := bytesOf(60, 3)
	for first, want := range map[uint32]string{0: "IKE", 1: "runt", 255: "runt", 256: "unknown SPI", 1 << 31: "unknown SPI"} {
		g := newGate(t)
		s := g.site(1, false)
		d := append(binary.BigEndian.AppendUint32(nil, first), body...)
		s.socket.arrive(len(d), d)
		g.settle()
		got := "nothing"
		switch {
		case len(of[IKE](g.events())) == 1:
			got = "IKE"
		case s.Counters.Drops.Get(drop.Runt) == 1:
			got = "runt"
		case s.Counters.Drops.Get(drop.UnknownSPI) == 1:
			got = "unknown SPI"
		}
		if got != want {
			t.Errorf("first word %#x is %s, want %s", first, got, want)
		}
	}
	for b := range 255 {
		g := newGate(t)
		s := g.site(1, false)
		s.socket.arrive(1, []byte{byte(b)})
		g.settle()
		if s.Counters.KeepalivesIn.Load() != 0 || s.Counters.Drops.Get(drop.Runt) != 1 {
			t.Fatalf("one byte %#x passes for a keepalive", b)
		}
		g.lane.Close()
	}
}

// TestConformanceDummies: dummy packets, whatever is in them, are dropped after they
// authenticated, and what comes behind is taken (RFC 4303 §2.6).
func TestConformanceDummies(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	inner := tcp4(1, 5).back().packet(nil, false)
	for _, content := range [][]byte{nil, bytesOf(1, 7), bytesOf(1300, 7), inner} {
		s.arrives(g, s.sealAs(content, nextDummy), nil)
	}
	forged := s.sealAs(inner, nextDummy)
	forged[len(forged)-1] ^= 1
	s.arrives(g, forged, nil)
	if n := len(g.tun.written()); n != 0 {
		t.Errorf("%d dummies were written", n)
	}
	wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.Dummy: 4, drop.Unauthentic: 1})
	s.receive(g, nil)
	if n := len(g.tun.written()); n != 1 {
		t.Error("the packet behind the dummies is lost")
	}
}

// fragments cuts an IPv4 UDP datagram in two, as a router would.
func fragments(f *flow) (first, later []byte) {
	p := f.packet(bytesOf(400, 1), false)
	half := (len(p) - 20) / 2 &^ 7
	part := func(payload []byte, field uint16) []byte {
		b := append(bytes.Clone(p[:20]), payload...)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		binary.BigEndian.PutUint16(b[6:], field)
		binary.BigEndian.PutUint16(b[10:], 0)
		sum := uint32(0)
		for i := 0; i < 20; i += 2 {
			sum += uint32(binary.BigEndian.Uint16(b[i:]))
		}
		sum = sum>>16 + sum&0xffff
		sum = sum>>16 + sum&0xffff
		binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
		return b
	}
	return part(p[20:20+half], 0x2000), part(p[20+half:], uint16(half/8))
}

// TestConformanceFragments: a later fragment has no ports to be seen, so it passes only
// where all ports do, in either direction (RFC 4301 §4.4.1.1, §7).
func TestConformanceFragments(t *testing.T) {
	for _, tt := range []struct {
		start, end uint16
		later      bool
	}{{0, 65535, true}, {53, 53, false}, {0, 1023, false}, {0, 65534, false}, {1, 65535, false}} {
		t.Run(fmt.Sprintf("%d-%d", tt.start, tt.end), func(t *testing.T) {
			g := newGate(t)
			s := g.site(1, false)
			far := subnets(1, true)
			for i := range far {
				far[i].StartPort, far[i].EndPort = tt.start, tt.end
			}
			s.out.Policy, s.in.Policy = NewPolicy(subnets(1, false), far), NewPolicy(subnets(1, false), far)
			f := &flow{src: host4(1, false), dst: host4(1, true), udp: true, srcPort: 999, dstPort: 53}
			first, later := fragments(f)
			virtio := make([]byte, offload.VirtioHeaderLen)
			g.tun.push(append(bytes.Clone(virtio), first...), append(bytes.Clone(virtio), later...))
			g.settle()
			want := 1
			if tt.later {
				want = 2
			}
			if n := len(s.opened(t)); n != want {
				t.Errorf("%d of 2 fragments went out, want %d", n, want)
			}
			first, later = fragments(f.back())
			s.arrives(g, s.seal(first), nil)
			s.arrives(g, s.seal(later), nil)
			if n := s.Counters.PacketsIn.Load(); n != uint64(want) {
				t.Errorf("%d of 2 fragments came in, want %d", n, want)
			}
		})
	}
}

// TestConformanceICMPHasNoPorts: a selector of one ICMP type is not one of all ICMP.
func TestConformanceICMPHasNoPorts(t *testing.T) {
	echoReply := subnets(1, true)[0]
	echoReply.Proto, echoReply.EndPort = 1, 0
	p := NewPolicy(subnets(1, false), []ike.Selector{echoReply})
	h := &offload.Headers{Version: 4, Proto: 1, Src: host4(1, false), Dst: host4(1, true)}
	if p.outbound(h) {
		t.Error("any ICMP passes a selector of type 0, code 0")
	}
}

// withTOS has gopacket make the header again.
func withTOS(t *testing.T, packet []byte, tos uint8) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	var err error
	options := gopacket.SerializeOptions{ComputeChecksums: true}
	if packet[0]>>4 == 4 {
		p := gopacket.NewPacket(packet, layers.LayerTypeIPv4, gopacket.Default)
		ip := p.NetworkLayer().(*layers.IPv4)
		ip.TOS = tos
		err = gopacket.SerializeLayers(buf, options, ip, gopacket.Payload(ip.LayerPayload()))
	} else {
		p := gopacket.NewPacket(packet, layers.LayerTypeIPv6, gopacket.Default)
		ip := p.NetworkLayer().(*layers.IPv6)
		ip.TrafficClass = tos
		err = gopacket.SerializeLayers(buf, options, ip, gopacket.Payload(ip.LayerPayload()))
	}
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(buf.Bytes())
}

// TestConformanceDirections: each half of a child has an SPI and a key of its own; a
// packet of ours that is sent back does not open (RFC 4303 §2.1).
func TestConformanceDirections(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	g.tun.push(tcp4(1, 5).plain(nil))
	g.settle()
	if len(s.socket.sent) != 1 {
		t.Fatal("nothing is sent")
	}
	d := s.socket.sent[0]
	s.arrives(g, d, nil)
	binary.BigEndian.PutUint32(d, s.in.ESP.SPI())
	s.arrives(g, d, nil)
	wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.UnknownSPI: 1, drop.Unauthentic: 1})
	if n := len(g.tun.written()); n != 0 {
		t.Errorf("%d packets written", n)
	}
	if esp.MinSPI != 256 {
		t.Errorf("SPIs from %d on", esp.MinSPI)
	}
}

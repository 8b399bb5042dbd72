package lane

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"vpngw/offload"
)

// told reads an ICMP error with somebody else's code: what it says, and the sequence number
// and the length of the packet that it is about.
func told(t *testing.T, b []byte) (mtu int, seq uint32, length int) {
	t.Helper()
	b = b[offload.VirtioHeaderLen:]
	var quoted []byte
	if b[0]>>4 == 4 {
		p := gopacket.NewPacket(b, layers.LayerTypeIPv4, gopacket.Default)
		icmp, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
		if !ok || icmp.TypeCode != layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodeFragmentationNeeded) || offload.Sum(b[20:], 0) != 0xffff {
			t.Fatalf("not a right ICMP error: %v", p)
		}
		mtu, quoted = int(icmp.Seq), icmp.Payload
		length = int(binary.BigEndian.Uint16(quoted[2:]))
		if offload.Sum(quoted[:20], 0) != 0xffff {
			t.Error("the quoted header has a wrong checksum")
		}
		return mtu, binary.BigEndian.Uint32(quoted[24:]), length
	}
	p := gopacket.NewPacket(b, layers.LayerTypeIPv6, gopacket.Default)
	icmp, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
	if ok {
		_ = icmp.SetNetworkLayerForChecksum(p.NetworkLayer())
	}
	if err, wrong := p.VerifyChecksums(); !ok || icmp.TypeCode.Type() != layers.ICMPv6TypePacketTooBig || err != nil || len(wrong) > 0 {
		t.Fatalf("not a right ICMPv6 error: %v", p)
	}
	quoted = icmp.Payload[4:]
	return int(binary.BigEndian.Uint32(icmp.Payload)), binary.BigEndian.Uint32(quoted[44:]), 40 + int(binary.BigEndian.Uint16(quoted[4:]))
}

// TestTellLate: when the path is found to be narrower, the senders of what was lately too
// long for it are told at once, of each flow about the last packet, and once.
func TestTellLate(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.socket.discard = true
	g.lane.SetMTU(s.Tunnel, 1438)
	bulk := tcp4(1, 5)
	six := &flow{src: host6(1, false), dst: host6(1, true), srcPort: 6, dstPort: 80, seq: 77}
	first := bulk.super(bytesOf(20*1386, 1), 1386)
	last := bulk.seq
	place := func(b []byte) uint64 {
		if err := offload.ParseHeaders(b[offload.VirtioHeaderLen:], &g.lane.headers); err != nil {
			t.Fatal(err)
		}
		return g.lane.flows.hash(b[offload.VirtioHeaderLen:], &g.lane.headers) % lateFlows
	}
	for place(six.plain(bytesOf(1300, 1))) == place(first) { // the key is another one each time
		six.srcPort++
	}
	six.seq = 77
	g.tun.push(first, bulk.super(bytesOf(20*1386, 1), 1386),
		bulk.plain(bytesOf(100, 1)), six.plain(bytesOf(1300, 1)), tcp4(1, 6).plain(bytesOf(400, 1)), fromTUN(udpMayFragment(tcp4(1, 7), bytesOf(1300, 1))))
	g.settle()
	if n := len(g.tun.written()); n != 0 {
		t.Fatalf("%d messages while all fits", n)
	}
	g.lane.SetMTU(s.Tunnel, 1438)
	g.lane.SetMTU(s.Tunnel, 1500)
	if n := len(g.tun.written()); n != 0 {
		t.Fatalf("%d messages when nothing has become narrower", n)
	}
	g.lane.SetMTU(s.Tunnel, 1218)
	messages := g.tun.written()
	if len(messages) != 2 || s.Counters.TooBigReports.Load() != 2 {
		t.Fatalf("%d messages, %d counted, want 2", len(messages), s.Counters.TooBigReports.Load())
	}
	for _, m := range messages {
		mtu, seq, length := told(t, m)
		if m[offload.VirtioHeaderLen]>>4 == 4 {
			if mtu != 1218 || seq != last || length != 1386+40 {
				t.Errorf("IPv4: says %d of the packet %d with %d bytes", mtu, seq, length)
			}
		} else if mtu != 1280 || seq != 77 || length != 1300+60 { // no less than every IPv6 host may count on
			t.Errorf("IPv6: says %d of the packet %d with %d bytes", mtu, seq, length)
		}
	}
	g.lane.SetMTU(s.Tunnel, 1000)
	if n := len(g.tun.written()); n != 0 {
		t.Errorf("%d messages about what they were told of", n)
	}
}

// TestTellLateNotLater: what was sent long ago, or fits, is not talked about.
func TestTellLateNotLater(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.socket.discard = true
	g.lane.SetMTU(s.Tunnel, 1438)
	g.tun.push(tcp4(1, 5).plain(bytesOf(1300, 1)), tcp4(1, 6).plain(bytesOf(1000, 1)))
	g.settle()
	for i := range s.late {
		if p := &s.late[i]; p.segment == 1340 {
			p.at -= lateFor + second
		}
	}
	g.lane.SetMTU(s.Tunnel, 1218)
	if n := len(g.tun.written()); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// TestTellLateAnyHead: whatever the heads of packets hold, remembering them is harmless.
func TestTellLateAnyHead(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	g.lane.SetMTU(s.Tunnel, 1438)
	for kind, packet := range map[string][]byte{
		"IPv4 with options":        append([]byte{0x4f, 0, 0x05, 0x78, 0, 0, 0x40, 0, 64, 6}, make([]byte, 1390)...),
		"IPv6 with headers to 96":  append(append([]byte{0x60, 0, 0, 0, 5, 0x50, 0, 64}, make([]byte, 32)...), append([]byte{60, 20}, make([]byte, 1358)...)...),
		"IPv6 of an odd next kind": append([]byte{0x60, 0, 0, 0, 5, 0x50, 59, 64}, make([]byte, 1392)...),
	} {
		for n := range len(packet) {
			if n >= 20 && packet[0]>>4 == 4 || n >= 40 {
				s.late.note(g.lane.now, uint64(n), packet[:n], 1400)
			}
		}
		g.lane.SetMTU(s.Tunnel, 1300)
		g.lane.SetMTU(s.Tunnel, 1438)
		t.Logf("%s: %d messages", kind, len(g.tun.written()))
	}
}

// TestNoAllocationWithMTU: what is remembered of large packets takes no memory each.
func TestNoAllocationWithMTU(t *testing.T) {
	g, s, turn := outgoing(t)
	g.lane.SetMTU(s.Tunnel, 1438)
	g.lane.SetErrorSource(netip.MustParseAddr("10.1.0.254"), netip.Addr{})
	if got := testing.AllocsPerRun(200, turn); got != 0 {
		t.Errorf("%v allocations per superpacket", got)
	}
	if got := testing.AllocsPerRun(50, func() {
		g.lane.SetMTU(s.Tunnel, 1218)
		g.lane.SetMTU(s.Tunnel, 1438)
	}); got > 2 { // the fake TUN keeps what is written
		t.Errorf("%v allocations to tell a sender", got)
	}
}

func BenchmarkNoteLate(b *testing.B) {
	var l late
	packet := tcp4(1, 5).packet(bytesOf(1300, 1), false)
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		l.note(int64(i), i, packet, len(packet))
	}
}

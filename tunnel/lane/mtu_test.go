package lane

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/ip4defrag"
	"github.com/gopacket/gopacket/layers"

	"vpngw/crypto/esp"
	"vpngw/offload"
	"vpngw/tunnel/drop"
)

// synOf is a SYN of the flow that offers that MSS.
func synOf(f *flow, mss uint16, ack bool) []byte {
	tcp := &layers.TCP{SrcPort: layers.TCPPort(f.srcPort), DstPort: layers.TCPPort(f.dstPort), Seq: f.seq, SYN: true, ACK: ack, Window: 501,
		Options: []layers.TCPOption{
			{OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: binary.BigEndian.AppendUint16(nil, mss)},
		}}
	return serialize(f, layers.IPProtocolTCP, tcp, nil)
}

// serialize puts a transport header behind the flow's IP header.
func serialize(f *flow, proto layers.IPProtocol, l4 interface {
	gopacket.SerializableLayer
	SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
}, payload []byte) []byte {
	var ip interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	}
	if f.src.Is4() {
		ip = &layers.IPv4{Version: 4, TTL: 64, Id: f.id, Protocol: proto, SrcIP: f.src.AsSlice(), DstIP: f.dst.AsSlice()}
	} else {
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: f.src.AsSlice(), DstIP: f.dst.AsSlice()}
	}
	_ = l4.SetNetworkLayerForChecksum(ip)
	buf := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, options, ip, l4, gopacket.Payload(payload)); err != nil {
		panic(err)
	}
	return bytes.Clone(buf.Bytes())
}

// udpMayFragment is a UDP packet with DF clear.
func udpMayFragment(f *flow, payload []byte) []byte {
	return serialize(f, layers.IPProtocolUDP, &layers.UDP{SrcPort: 5, DstPort: 6}, payload)
}

func fromTUN(packet []byte) []byte {
	return append(make([]byte, offload.VirtioHeaderLen), packet...)
}

// readSYN reads the MSS of a SYN and checks its checksums.
func readSYN(t *testing.T, b []byte) (mss uint16) {
	t.Helper()
	first := layers.LayerTypeIPv4
	if b[0]>>4 == 6 {
		first = layers.LayerTypeIPv6
	}
	p := gopacket.NewPacket(b, first, gopacket.Default)
	tcp := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	_ = tcp.SetNetworkLayerForChecksum(p.NetworkLayer())
	if err, wrong := p.VerifyChecksums(); err != nil || len(wrong) > 0 {
		t.Errorf("checksums: %v %+v", err, wrong)
	}
	for _, o := range tcp.Options {
		if o.OptionType == layers.TCPOptionKindMSS {
			return binary.BigEndian.Uint16(o.OptionData)
		}
	}
	t.Fatal("no MSS")
	return 0
}

// TestMSSClamp: SYNs of both directions and families offer what the path carries, unless
// that is switched off, or the path is not known.
func TestMSSClamp(t *testing.T) {
	for name, c := range map[string]struct {
		mtu          int
		off, partial bool
		want4, want6 uint16
		clamped      uint64
	}{
		"path of 1338":           {1338, false, false, 1298, 1278, 8},
		"checksum not finished":  {1338, false, true, 1298, 1278, 8},
		"path not known":         {0, false, false, 1460, 1460, 0},
		"switched off":           {1338, true, false, 1460, 1460, 0},
		"path wider than needed": {9000, false, false, 1460, 1460, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			s := g.site(1, false)
			s.NoMSSClamp = c.off
			g.lane.SetMTU(s.Tunnel, c.mtu)
			six := &flow{src: host6(1, false), dst: host6(1, true), srcPort: 5, dstPort: 80}
			for _, f := range []*flow{tcp4(1, 5), six} {
				want := c.want4
				if f == six {
					want = c.want6
				}
				for _, ack := range []bool{false, true} {
					b := fromTUN(synOf(f, 1460, ack))
					if c.partial {
						leaveChecksum(b)
					}
					g.tun.push(b)
					g.settle()
					for _, p := range s.opened(t) {
						if got := readSYN(t, p); got != want {
							t.Errorf("out: MSS %d, want %d", got, want)
						}
					}
					d := s.seal(synOf(f.back(), 1460, ack))
					s.socket.arrive(len(d), d)
					g.settle()
					for _, p := range g.tun.written() {
						if got := readSYN(t, p[offload.VirtioHeaderLen:]); got != want {
							t.Errorf("in: MSS %d, want %d", got, want)
						}
					}
				}
			}
			if got := s.Counters.MSSClamped.Load(); got != c.clamped {
				t.Errorf("%d SYNs clamped, want %d", got, c.clamped)
			}
			if got := s.Counters.PacketsOut.Load() + s.Counters.PacketsIn.Load(); got != 8 {
				t.Errorf("%d packets went through", got)
			}
		})
	}
}

// leaveChecksum makes a TCP packet as read from a TUN one whose checksum is to be finished.
func leaveChecksum(b []byte) {
	p := b[offload.VirtioHeaderLen:]
	l4, addresses := 20, p[12:20]
	if p[0]>>4 == 6 {
		l4, addresses = 40, p[8:40]
	}
	(&offload.VirtioHeader{Flags: offload.FlagNeedsCsum, CsumStart: uint16(l4), CsumOffset: 16}).Encode(b)
	binary.BigEndian.PutUint16(p[l4+16:], offload.PseudoSum(addresses, 6, len(p)-l4))
}

// TestMSSClampOfASuperpacket: a SYN with more data than one segment holds (RFC 7413) is
// clamped in each of its segments.
func TestMSSClampOfASuperpacket(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	g.lane.SetMTU(s.Tunnel, 1338)
	f := tcp4(1, 5)
	b := fromTUN(serialize(f, layers.IPProtocolTCP, &layers.TCP{SrcPort: 5, DstPort: 80, Seq: 9, SYN: true, Window: 501,
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 180}}}}, bytesOf(2500, 1)))
	leaveChecksum(b)
	(&offload.VirtioHeader{Flags: offload.FlagNeedsCsum, GSOType: offload.GSOTCPv4, GSOSize: 1000, CsumStart: 20, CsumOffset: 16}).Encode(b)
	g.tun.push(b)
	g.settle()
	packets := s.opened(t)
	if len(packets) != 3 {
		t.Fatalf("%d packets left", len(packets))
	}
	for i, p := range packets {
		if got := readSYN(t, p); got != 1298 {
			t.Errorf("packet %d: MSS %d", i, got)
		}
	}
}

// TestTooLongIsReported: what must not be fragmented is dropped, and its sender told.
func TestTooLongIsReported(t *testing.T) {
	gateway4, gateway6 := netip.MustParseAddr("10.1.0.254"), netip.MustParseAddr("fd00:1::fe")
	six := &flow{src: host6(1, false), dst: host6(1, true), udp: true, srcPort: 5, dstPort: 80}
	for name, c := range map[string]struct {
		packet  []byte
		dropped int
		mtu     int
		from    netip.Addr
		fits    bool
	}{
		"IPv4 with DF":         {tcp4(1, 5).plain(bytesOf(1299, 1)), 1, 1338, gateway4, false},
		"IPv4 that just fits":  {tcp4(1, 5).plain(bytesOf(1298, 1)), 0, 0, netip.Addr{}, true},
		"IPv6":                 {six.plain(bytesOf(1291, 1)), 1, 1338, gateway6, false},
		"IPv6 that just fits":  {six.plain(bytesOf(1290, 1)), 0, 0, netip.Addr{}, true},
		"superpacket":          {tcp4(1, 5).super(bytesOf(10*1398, 1), 1398), 10, 1338, gateway4, false},
		"superpacket, fitting": {tcp4(1, 5).super(bytesOf(10*1298, 1), 1298), 0, 0, netip.Addr{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			s := g.site(1, false)
			g.lane.SetMTU(s.Tunnel, 1338)
			g.lane.SetErrorSource(gateway4, gateway6)
			var sent offload.Headers
			if err := offload.ParseHeaders(c.packet[offload.VirtioHeaderLen:], &sent); err != nil {
				t.Fatal(err)
			}
			g.tun.push(c.packet)
			g.settle()
			written := g.tun.written()
			if out := len(s.opened(t)); c.fits != (out > 0) || c.fits != (len(written) == 0) {
				t.Fatalf("%d packets left, %d messages came", out, len(written))
			}
			want := map[drop.Reason]int{}
			if !c.fits {
				want[drop.PathMTU] = c.dropped
				var h offload.Headers
				m := written[0][offload.VirtioHeaderLen:]
				if err := offload.ParseHeaders(m, &h); err != nil || h.Src != c.from || h.Dst != sent.Src {
					t.Errorf("message from %v to %v, %v", h.Src, h.Dst, err)
				}
				if got := int(binary.BigEndian.Uint16(m[h.L4+6:])); got != c.mtu {
					t.Errorf("says %d, want %d", got, c.mtu)
				}
				if s.Counters.TooBigReports.Load() != 1 {
					t.Error("not counted")
				}
			}
			wantDrops(t, &s.Counters.Drops, want)
		})
	}
}

// TestReportsAreLimited: a sender that does not listen is told so often and no more, and
// again after a while; another tunnel's senders are not concerned.
func TestReportsAreLimited(t *testing.T) {
	g := newGate(t)
	s, other := g.site(1, false), g.site(2, false)
	g.lane.SetMTU(s.Tunnel, 1000)
	g.lane.SetMTU(other.Tunnel, 1000)
	for range 3 * reportBurst {
		l, n := g.lane, 0
		b := tcp4(1, 5).plain(bytesOf(1200, 1))
		slot := l.big.get()
		n = copy(slot.buf, b)
		l.outbound(slot, n) // at one moment of the lane's time
	}
	if got := len(g.tun.written()); got != reportBurst {
		t.Errorf("%d messages at once, want %d", got, reportBurst)
	}
	wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.PathMTU: 3 * reportBurst})
	if s.mayReport(g.lane.now) || !other.mayReport(g.lane.now) {
		t.Error("the allowance is not the tunnel's own")
	}
	later := g.lane.now + second/10
	allowed := 0
	for s.mayReport(later) {
		allowed++
	}
	if allowed != reportsPerSecond/10 {
		t.Errorf("%d messages after a tenth of a second, want %d", allowed, reportsPerSecond/10)
	}
}

// TestFragmentsOut: what its sender lets be fragmented arrives in fragments that fit, in
// order, and is made whole again by somebody else's code.
func TestFragmentsOut(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	g.lane.SetMTU(s.Tunnel, 1338)
	f := tcp4(1, 5)
	payloads := [][]byte{bytesOf(1400, 1), bytesOf(60000, 2), bytesOf(1311, 3), bytesOf(1310, 4)}
	for i, p := range payloads {
		f.id = uint16(i)
		g.tun.push(fromTUN(udpMayFragment(f, p)))
	}
	g.settle()
	var whole [][]byte
	d := ip4defrag.NewIPv4Defragmenter()
	packets := s.opened(t)
	for _, p := range packets {
		if len(p) > 1338 {
			t.Errorf("a packet of %d bytes", len(p))
		}
		ip := gopacket.NewPacket(p, layers.LayerTypeIPv4, gopacket.Default).Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		if w, err := d.DefragIPv4(ip); err != nil {
			t.Fatal(err)
		} else if w != nil {
			whole = append(whole, w.Payload[8:])
		}
	}
	if len(whole) != len(payloads) {
		t.Fatalf("%d packets became whole of %d", len(whole), len(payloads))
	}
	for i := range whole {
		if !bytes.Equal(whole[i], payloads[i]) {
			t.Errorf("packet %d is not what was sent", i)
		}
	}
	if got := s.Counters.Fragmented.Load(); got != 3 {
		t.Errorf("%d packets count as fragmented, want 3", got)
	}
	wantDrops(t, &s.Counters.Drops, nil)
}

// TestFragmentsOfASuperpacket: each segment is a packet, and is fragmented as one.
func TestFragmentsOfASuperpacket(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	g.lane.SetMTU(s.Tunnel, 700)
	b := tcp4(1, 5).super(bytesOf(3*1398+100, 1), 1398)
	p := b[offload.VirtioHeaderLen:]
	p[6] = 0 // DF off; the header's checksum changes by as much
	binary.BigEndian.PutUint16(p[10:], binary.BigEndian.Uint16(p[10:])+0x4000)
	segments := cut(t, b)
	g.tun.push(b)
	g.settle()
	d := ip4defrag.NewIPv4Defragmenter()
	var whole [][]byte
	for _, f := range s.opened(t) {
		ip := gopacket.NewPacket(f, layers.LayerTypeIPv4, gopacket.Default).Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		if w, err := d.DefragIPv4(ip); err != nil || len(f) > 700 {
			t.Fatalf("a fragment of %d bytes: %v", len(f), err)
		} else if w != nil {
			whole = append(whole, w.Payload)
		}
	}
	if len(whole) != len(segments) {
		t.Fatalf("%d packets, want %d", len(whole), len(segments))
	}
	for i := range whole {
		if !bytes.Equal(whole[i], segments[i][20:]) {
			t.Errorf("segment %d differs", i)
		}
	}
}

// TestNoAllocationTooLong covers reports and fragments.
func TestNoAllocationTooLong(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.socket.discard, g.tun.discard = true, true
	g.lane.SetMTU(s.Tunnel, 1000)
	packets := [][]byte{
		tcp4(1, 5).super(bytesOf(45*1398, 1), 1398), fromTUN(udpMayFragment(tcp4(1, 6), bytesOf(5000, 1))),
		fromTUN(synOf(tcp4(1, 7), 1460, false)),
	}
	turn := func() {
		g.tun.push(packets...)
		g.step()
	}
	for range 5 {
		turn()
	}
	if got := testing.AllocsPerRun(200, turn); got != 0 {
		t.Errorf("%v allocations for %d packets", got, len(packets))
	}
	if s.Counters.TooBigReports.Load() == 0 || s.Counters.Fragmented.Load() == 0 || s.Counters.MSSClamped.Load() == 0 {
		t.Error("the test does not do what it should")
	}
}

// FuzzNarrowTUN lets a lane read anything for a path of 600 bytes. What it sends fits and
// parses, and what it says to senders is a whole packet.
func FuzzNarrowTUN(f *testing.F) {
	f.Add(tcp4(1, 5).super(bytesOf(3000, 1), 1000))
	f.Add(fromTUN(udpMayFragment(tcp4(1, 5), bytesOf(3000, 1))))
	f.Add(fromTUN(synOf(tcp4(1, 5), 1460, false)))
	f.Add((&flow{src: host6(1, false), dst: host6(1, true), udp: true}).super(bytesOf(3000, 1), 1000))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > bigSlot-esp.MaxTrailer {
			return
		}
		g := newGate(t)
		s := g.site(1, false)
		g.lane.SetMTU(s.Tunnel, 600)
		g.tun.push(b)
		g.settle()
		var h offload.Headers
		for _, p := range s.opened(t) {
			if err := offload.ParseHeaders(p, &h); err != nil || len(p) > 600 {
				t.Fatalf("a packet of %d bytes left: %v", len(p), err)
			}
		}
		for _, p := range g.tun.written() {
			if err := offload.ParseHeaders(p[offload.VirtioHeaderLen:], &h); err != nil {
				t.Fatalf("a message that does not parse: %v", err)
			}
		}
	})
}

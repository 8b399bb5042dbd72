package lane

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"net/netip"
	"reflect"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"vpngw/crypto/esp"
	"vpngw/crypto/ike"
	"vpngw/offload"
	"vpngw/offload/udp"
	"vpngw/tunnel/drop"
)

// tally is what a case should have counted.
type tally struct {
	lane, tunnel map[drop.Reason]int
}

func ofTunnel(r drop.Reason, n int) tally { return tally{tunnel: map[drop.Reason]int{r: n}} }
func ofLane(r drop.Reason, n int) tally   { return tally{lane: map[drop.Reason]int{r: n}} }

// failing makes all sends of a socket fail.
func failing(s *site, err error) {
	s.socket.send = func(b []byte, size int) (udp.SendResult, error) {
		return udp.SendResult{Done: len(b), Lost: (len(b) + size - 1) / size}, err
	}
}

// exhausted is an SA whose sequence numbers are used up. To get there by sealing takes
// minutes, so the number is written where esp keeps it.
func exhausted(t testing.TB) *esp.Outbound {
	t.Helper()
	o := must(esp.NewOutbound(esp.AES128GCM, 0x2001, keymat(esp.AES128GCM, 9), false))
	field := reflect.ValueOf(o).Elem().FieldByName("sequence")
	(*atomic.Uint64)(unsafe.Pointer(field.UnsafeAddr())).Store(1 << 40)
	return o
}

func newGCM(key []byte) cipher.AEAD { return must(cipher.NewGCM(must(aes.NewCipher(key)))) }

// dropCases has every reason but queue_full, for which see blocked_test.go.
var dropCases = []struct {
	name string
	do   func(g *gate, s *site)
	want tally
}{
	// Out. A superpacket counts as the packets it would have been.
	{"no route", func(g *gate, s *site) {
		f := tcp4(1, 5)
		f.dst = netip.MustParseAddr("203.0.113.1")
		g.tun.push(f.plain(nil), f.super(bytesOf(3000, 0), 1000))
	}, ofLane(drop.NoRoute, 4)},
	{"multicast", func(g *gate, s *site) {
		f := &flow{udp: true, src: host4(1, false), dst: netip.MustParseAddr("224.0.0.251"), srcPort: 5353, dstPort: 5353}
		g.tun.push(f.plain(nil))
		f.src, f.dst = host6(1, false), netip.MustParseAddr("ff02::2")
		g.tun.push(f.plain(nil))
		f.dst = netip.MustParseAddr("fe80::2")
		g.tun.push(f.plain(nil))
	}, ofLane(drop.Multicast, 3)},
	{"malformed", func(g *gate, s *site) {
		cut := tcp4(1, 5).plain(bytesOf(100, 0))
		strange := tcp4(1, 5).super(bytesOf(3000, 0), 1000)
		strange[1] = offload.GSOUDP
		g.tun.push([]byte{1, 2, 3}, make([]byte, offload.VirtioHeaderLen), make([]byte, 200), cut[:60], strange)
	}, ofLane(drop.Malformed, 5)},
	{"source policy", func(g *gate, s *site) {
		f := tcp4(1, 5)
		f.src = netip.MustParseAddr("192.168.7.7")
		g.tun.push(f.super(bytesOf(2000, 0), 1000))
	}, ofTunnel(drop.SourcePolicy, 2)},
	{"tunnel down", func(g *gate, s *site) {
		g.lane.RemoveOutbound(s.Tunnel, s.out.Child)
		g.tun.push(tcp4(1, 5).super(bytesOf(2000, 0), 1000))
	}, ofTunnel(drop.TunnelDown, 2)},
	{"no socket", func(g *gate, s *site) {
		_ = g.lane.SetSocket(s.Tunnel, nil, netip.AddrPort{}, netip.AddrPort{})
		g.tun.push(tcp4(1, 5).super(bytesOf(2000, 0), 1000))
	}, ofTunnel(drop.NoSocket, 2)},
	{"socket gone with a sealed train", func(g *gate, s *site) {
		s.socket.send = func([]byte, int) (udp.SendResult, error) { return udp.SendResult{}, udp.ErrWouldBlock }
		g.tun.push(tcp4(1, 5).super(bytesOf(2000, 0), 1000))
		g.settle()
		_ = g.lane.SetSocket(s.Tunnel, nil, netip.AddrPort{}, netip.AddrPort{})
	}, ofTunnel(drop.NoSocket, 2)},
	{"exhausted", func(g *gate, s *site) {
		s.out.ESP = exhausted(g.t)
		g.tun.push(tcp4(1, 5).super(bytesOf(2000, 0), 1000), tcp4(1, 5).plain(nil))
	}, ofTunnel(drop.Exhausted, 3)},
	{"hard limit of bytes", func(g *gate, s *site) {
		s.out.Limits.HardBytes = 2000 // reached by the second packet of 1040
		g.tun.push(tcp4(1, 5).super(bytesOf(5000, 0), 1000), tcp4(1, 5).plain(nil))
	}, ofTunnel(drop.HardLimit, 4)},
	{"hard limit of packets", func(g *gate, s *site) {
		s.out.Limits.HardPackets = 3
		g.tun.push(tcp4(1, 5).super(bytesOf(5000, 0), 1000), tcp4(1, 5).plain(nil))
	}, ofTunnel(drop.HardLimit, 3)},
	{"too long for the path", func(g *gate, s *site) {
		g.lane.SetMTU(s.Tunnel, 1000)
		g.tun.push(tcp4(1, 5).super(bytesOf(3000, 0), 1000), tcp4(1, 5).plain(bytesOf(980, 0)))
	}, ofTunnel(drop.PathMTU, 4)},
	{"too big for the wire", func(g *gate, s *site) {
		// One that is too long, in a train that goes one by one.
		s.socket.send = func(b []byte, size int) (udp.SendResult, error) {
			return udp.SendResult{Sent: len(b) - size, Done: len(b), Lost: 1}, unix.EMSGSIZE
		}
		g.tun.push(tcp4(1, 5).super(bytesOf(3000, 0), 1000))
	}, ofTunnel(drop.TooBig, 1)},
	{"too big for a train", func(g *gate, s *site) {
		g.tun.push(tcp4(1, 5).plain(bytesOf(65535-40, 0)))
	}, ofTunnel(drop.TooBig, 1)},
	{"firewall", func(g *gate, s *site) {
		failing(s, unix.EPERM)
		g.tun.push(tcp4(1, 5).super(bytesOf(3000, 0), 1000))
	}, ofTunnel(drop.Firewall, 3)},
	{"unreachable", func(g *gate, s *site) {
		failing(s, unix.ENETUNREACH)
		g.tun.push(tcp4(1, 5).super(bytesOf(3000, 0), 1000))
	}, ofTunnel(drop.Unreachable, 3)},
	{"send error", func(g *gate, s *site) {
		failing(s, unix.ENOBUFS)
		g.tun.push(tcp4(1, 5).super(bytesOf(3000, 0), 1000))
	}, ofTunnel(drop.SendError, 3)},
	{"reports about earlier datagrams only", func(g *gate, s *site) {
		failing(s, udp.AsyncError(unix.ECONNREFUSED))
		g.tun.push(tcp4(1, 5).plain(nil))
	}, ofTunnel(drop.SendError, 1)},

	// In.
	{"hard limit of bytes received", func(g *gate, s *site) {
		s.in.Limits.HardBytes = 2000
		for range 5 {
			d := s.seal(tcp4(1, 5).back().packet(bytesOf(1000, 0), false))
			s.socket.arrive(len(d), d)
		}
	}, ofTunnel(drop.HardLimitIn, 3)},
	{"hard limit of packets received", func(g *gate, s *site) {
		s.in.Limits.HardPackets = 3
		for range 5 {
			d := s.seal(tcp4(1, 5).back().packet(bytesOf(1000, 0), false))
			s.socket.arrive(len(d), d)
		}
	}, ofTunnel(drop.HardLimitIn, 2)},
	{"not IKE on the port of IKE", func(g *gate, s *site) {
		p := ikeListener(g)
		esp := s.seal(tcp4(1, 5).plain(nil)[offload.VirtioHeaderLen:])
		p.arrive(len(esp), esp)
		p.arrive(1, []byte{0xff})
		marked := append(make([]byte, 4), ikeMessage(100)...)
		p.arrive(len(marked), marked)
	}, ofLane(drop.NotIKE, 3)},
	{"IKE too long on the port of IKE", func(g *gate, s *site) {
		p := ikeListener(g)
		p.arrive(longestIKE, ikeMessage(longestIKE))
	}, ofLane(drop.IKETooLong, 1)},
	{"runt on the tunnel's socket", func(g *gate, s *site) {
		s.socket.arrive(20, append([]byte{0, 0, 1, 1}, make([]byte, 16)...))
		s.socket.arrive(4, make([]byte, 4)) // a marker and no message
		s.socket.arrive(2, []byte{0xff, 0xff})
		s.socket.arrive(0, nil)
		s.socket.arrive(60, append([]byte{0, 0, 0, 255}, make([]byte, 56)...)) // a reserved SPI
	}, ofTunnel(drop.Runt, 5)},
	{"runt on the listener", func(g *gate, s *site) {
		listener(g).arrive(3, []byte{1, 2, 3})
	}, ofLane(drop.Runt, 1)},
	{"unknown SPI on the tunnel's socket", func(g *gate, s *site) {
		b := make([]byte, 60)
		b[0] = 9
		s.socket.arrive(60, append(b, b...))
	}, ofTunnel(drop.UnknownSPI, 2)},
	{"unknown SPI on the listener", func(g *gate, s *site) {
		b := make([]byte, 60)
		b[0] = 9
		listener(g).arrive(60, b)
	}, ofLane(drop.UnknownSPI, 1)},
	{"SPI that was removed", func(g *gate, s *site) {
		d := s.seal(tcp4(1, 5).back().packet(nil, false))
		e := s.seal(tcp4(1, 5).back().packet(nil, false))
		s.socket.arrive(len(d), d)
		g.settle()
		g.lane.RemoveInbound(s.in.ESP.SPI())
		s.socket.arrive(len(e), e)
	}, ofTunnel(drop.UnknownSPI, 1)},
	{"replayed", func(g *gate, s *site) {
		d := s.seal(tcp4(1, 5).back().packet(nil, false))
		s.socket.arrive(len(d), append([]byte(nil), d...))
		s.socket.arrive(len(d), append([]byte(nil), d...))
		listener(g).arrive(len(d), d)
	}, ofTunnel(drop.Replayed, 2)},
	{"too old", func(g *gate, s *site) {
		// With extended numbers one so old is taken for one far ahead, and is unauthentic.
		key := keymat(esp.AES128GCM, 1)
		s.in.ESP = must(esp.NewInbound(esp.AES128GCM, 0x5555, key, false))
		s.peerOut = must(esp.NewOutbound(esp.AES128GCM, 0x5555, key, false))
		g.lane.SetInbound(s.in)
		p := tcp4(1, 5).back().packet(nil, false)
		old := s.seal(p)
		for range esp.WindowSize {
			s.seal(p)
		}
		d := s.seal(p)
		s.socket.arrive(len(d), d)
		s.socket.arrive(len(old), old)
	}, ofTunnel(drop.TooOld, 1)},
	{"unauthentic", func(g *gate, s *site) {
		d := s.seal(tcp4(1, 5).back().packet(nil, false))
		d[20] ^= 1
		s.socket.arrive(len(d), d)
	}, ofTunnel(drop.Unauthentic, 1)},
	{"bad trailer", func(g *gate, s *site) {
		d := s.sealWithPad(200)
		s.socket.arrive(len(d), d)
	}, ofTunnel(drop.BadTrailer, 1)},
	{"dummy", func(g *gate, s *site) {
		d := s.sealAs(bytesOf(50, 0), nextDummy)
		s.socket.arrive(len(d), d)
	}, ofTunnel(drop.Dummy, 1)},
	{"next header", func(g *gate, s *site) {
		for next, p := range map[uint8][]byte{
			17:       tcp4(1, 5).back().packet(nil, false),
			nextIPv6: tcp4(1, 6).back().packet(nil, false),
			nextIPv4: (&flow{src: host6(1, true), dst: host6(1, false)}).packet(nil, false),

			nextUnsummed: tcp4(1, 5).back().packet(bytesOf(100, 0), false), // not agreed
		} {
			d := s.sealAs(p, next)
			s.socket.arrive(len(d), d)
		}
	}, ofTunnel(drop.NextHeader, 4)},
	{"inner malformed", func(g *gate, s *site) {
		p := tcp4(1, 5).back().packet(bytesOf(100, 0), false)
		for _, p := range [][]byte{nil, p[:19], p[:100], {0x45}} {
			d := s.sealAs(p, nextIPv4)
			s.socket.arrive(len(d), d)
		}
	}, ofTunnel(drop.InnerMalformed, 4)},
	{"inner source", func(g *gate, s *site) {
		f := tcp4(1, 5).back()
		f.src = host4(2, true) // another tunnel's
		d := s.seal(f.packet(nil, false))
		s.socket.arrive(len(d), d)
	}, ofTunnel(drop.InnerSource, 1)},
	{"inner destination", func(g *gate, s *site) {
		f := tcp4(1, 5).back()
		f.dst = host4(2, false)
		d := s.seal(f.packet(nil, false))
		s.socket.arrive(len(d), d)
	}, ofTunnel(drop.InnerDest, 1)},
	{"inner source and destination", func(g *gate, s *site) {
		d := s.seal(tcp4(1, 5).packet(nil, false)) // our own, sent back
		s.socket.arrive(len(d), d)
	}, ofTunnel(drop.InnerSource, 1)},
	{"congestion marked on what does not speak ECN", func(g *gate, s *site) {
		d := s.seal(tcp4(1, 5).back().packet(nil, false))
		s.socket.arriveFrom(arrival{b: d, size: len(d), from: s.socket.remote, to: s.socket.local.Addr(), tos: 3})
	}, ofTunnel(drop.CongestionNotECT, 1)},
	{"truncated", func(g *gate, s *site) {
		s.socket.arriveFrom(arrival{err: udp.ErrTruncated})
	}, ofTunnel(drop.Truncated, 1)},
	{"receive buffer full", func(g *gate, s *site) {
		s.socket.overflow = 5
		g.settle()
		// Looked at once a second, and before the socket goes.
		if err := g.lane.SetSocket(s.Tunnel, nil, netip.AddrPort{}, netip.AddrPort{}); err != nil {
			g.t.Fatal(err)
		}
	}, ofTunnel(drop.ReceiveFull, 5)},
	{"control busy, listener", func(g *gate, s *site) {
		message := append(make([]byte, nonESPMarkLen), bytesOf(40, 1)...)
		l := listener(g)
		for range inboxLen + 3 {
			l.arrive(len(message), message)
		}
	}, ofLane(drop.ControlBusy, 3)},
	{"control busy, tunnel", func(g *gate, s *site) {
		message := append(make([]byte, nonESPMarkLen), bytesOf(40, 1)...)
		for range inboxLen/2 + 3 {
			s.socket.arrive(len(message), message)
		}
	}, ofTunnel(drop.ControlBusy, 3)},
	{"too many requests", func(g *gate, s *site) {
		message := append(make([]byte, nonESPMarkLen), initMessage(false)...)
		response := append(make([]byte, nonESPMarkLen), initMessage(false)...)
		response[nonESPMarkLen+ikeFlags] = flagResponse
		l := listener(g)
		for range initPerCell + 3 {
			l.arrive(len(message), message)
			l.arrive(len(response), response)
		}
	}, ofLane(drop.IKELimited, 3)},
	{"messages of no SA", func(g *gate, s *site) {
		g.lane.mark = NewMark()
		for range strayPerCell + 3 {
			s.socket.arrive(80, append(make([]byte, nonESPMarkLen), bytesOf(76, 1)...))
			s.socket.arrive(84, append(make([]byte, nonESPMarkLen), namingSPI(g.lane.mark.SPI(5<<32), true)...))
		}
	}, ofTunnel(drop.IKEUnknownSPI, 3)},
	{"IKE too long", func(g *gate, s *site) {
		s.socket.arrive(longestIKE, make([]byte, longestIKE))
		s.socket.arrive(longestIKE+1, make([]byte, longestIKE+1))
	}, ofTunnel(drop.IKETooLong, 1)},

	// At the TUN the tunnel of a packet is no longer known.
	{"TUN down", func(g *gate, s *site) { refuse(g, s, unix.EIO) }, ofLane(drop.TUNDown, 4)},
	{"TUN gone", func(g *gate, s *site) { refuse(g, s, unix.EBADFD) }, ofLane(drop.TUNDown, 4)},
	{"no TUN", func(g *gate, s *site) { _ = g.lane.SetTUN(nil); refuse(g, s, nil) }, ofLane(drop.TUNDown, 4)},
	{"TUN full", func(g *gate, s *site) { refuse(g, s, unix.EAGAIN) }, ofLane(drop.TUNFull, 4)},
	{"TUN refuses", func(g *gate, s *site) { refuse(g, s, unix.EINVAL) }, ofLane(drop.TUNRefused, 4)},
	{"TUN refuses for another reason", func(g *gate, s *site) { refuse(g, s, errors.New("odd")) }, ofLane(drop.TUNRefused, 4)},
}

// refuse has the TUN refuse a superpacket of three and a packet alone.
func refuse(g *gate, s *site, err error) {
	g.tun.writeErr = func([][]byte) error { return err }
	f := tcp4(1, 5).back()
	for range 3 {
		d := s.seal(f.packet(bytesOf(1000, 0), false))
		s.socket.arrive(len(d), d)
	}
	d := s.seal(tcp4(1, 6).back().packet(nil, false))
	s.socket.arrive(len(d), d)
}

// listener adds an unconnected socket to the gate.
func listener(g *gate) *fakeSocket {
	s := newFakeSocket(g.t, "192.0.1.1:4500", "198.51.100.66:1234")
	if err := g.lane.AddListener(s, netip.MustParseAddrPort("0.0.0.0:4500")); err != nil {
		g.t.Fatal(err)
	}
	return s
}

// ikeListener adds a socket of the port of IKE alone to the gate.
func ikeListener(g *gate) *fakeSocket {
	s := newFakeSocket(g.t, "192.0.1.1:500", "198.51.100.66:500")
	if err := g.lane.AddIKEListener(s, netip.MustParseAddrPort("0.0.0.0:500")); err != nil {
		g.t.Fatal(err)
	}
	return s
}

// ikeMessage is n bytes whose header gives that length.
func ikeMessage(n int) []byte {
	b := make([]byte, n)
	b[0] = 1
	binary.BigEndian.PutUint32(b[24:], uint32(n))
	return b
}

func TestEveryDropIsCountedOnce(t *testing.T) {
	// See TestQueueIsBounded, TestCongestion, TestHandOverFull.
	seen := map[drop.Reason]bool{drop.QueueFull: true, drop.Congestion: true, drop.LaneFull: true}
	for _, c := range dropCases {
		t.Run(c.name, func(t *testing.T) {
			g := newGate(t)
			s := g.site(1, false)
			in := uint64(0)
			for r := range drop.Count {
				if r >= drop.Runt && r < drop.TUNDown {
					in += uint64(c.want.tunnel[r])
				}
			}
			c.do(g, s)
			g.settle()
			wantDrops(t, &g.lane.counters.Drops, c.want.lane)
			wantDrops(t, &s.Counters.Drops, c.want.tunnel)
			if wrote := g.lane.counters.TUNWrite.Packets.Load(); in > 0 && s.Counters.PacketsIn.Load() != wrote {
				t.Errorf("%d packets count as received, %d were written", s.Counters.PacketsIn.Load(), wrote)
			}
			if sent := s.Counters.PacketsOut.Load(); sent != uint64(len(s.socket.sent)) {
				t.Errorf("%d packets count as sent, %d were", sent, len(s.socket.sent))
			}
			if n := len(g.lane.trains); n != g.lane.trainsMade {
				t.Errorf("%d of %d trains came back", n, g.lane.trainsMade)
			}
			if got := g.uplink.queue.Memory(); got != 0 {
				t.Errorf("%d bytes wait in the queue", got)
			}
		})
		for _, m := range []map[drop.Reason]int{c.want.lane, c.want.tunnel} {
			for r := range m {
				seen[r] = true
			}
		}
	}
	for r := range drop.Count {
		if !seen[r] {
			t.Errorf("no case counts %v", r)
		}
	}
}

// TestDropsByPort: what a selector with protocol and ports leaves out is dropped
// even where the addresses were allowed a moment ago.
func TestDropsByPort(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	web := subnets(1, true)[0]
	web.Proto, web.StartPort, web.EndPort = 6, 80, 80
	s.out.Policy = NewPolicy(subnets(1, false), []ike.Selector{web})
	f, other := tcp4(1, 5), tcp4(1, 5)
	other.dstPort = 22
	g.tun.push(f.plain(nil), other.plain(nil), f.plain(nil))
	g.settle()
	wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.SourcePolicy: 1})
	if n := len(s.opened(t)); n != 2 {
		t.Errorf("%d packets left, want 2", n)
	}
}

// sealWithPad makes an authentic datagram whose pad length is wrong. Seal cannot, so
// the AEAD is used as RFC 4106 says.
func (s *site) sealWithPad(pad byte) []byte {
	seq := s.peerOut.Sequence() + 1
	plain := append(make([]byte, 26), pad, nextIPv4)
	d := make([]byte, 16, 100)
	binary.BigEndian.PutUint32(d, s.in.ESP.SPI())
	binary.BigEndian.PutUint32(d[4:], uint32(seq))
	binary.BigEndian.PutUint64(d[8:], seq)
	aad := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, s.in.ESP.SPI()), seq)
	key := keymat(esp.AES128GCM, 1+byte(s.ID)*2)
	nonce := append(append([]byte(nil), key[16:]...), d[8:16]...)
	return newGCM(key[:16]).Seal(d, nonce, plain, aad)
}

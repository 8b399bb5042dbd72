package lane

import (
	"testing"

	"vpngw/crypto/esp"
	"vpngw/offload"
)

// FuzzDatagrams lets a lane receive anything: on a listener, on a tunnel's socket, and
// as the inside of an authentic ESP packet.
func FuzzDatagrams(f *testing.F) {
	f.Add([]byte{0xff}, 1)
	f.Add([]byte{0, 0, 0, 0, 1}, 5)
	f.Add([]byte{0, 0, 0x10, 1, 5: 0, 60: 1}, 30)
	f.Add(tcp4(1, 5).back().packet([]byte("hello"), true), 100)
	f.Add((&flow{src: host6(1, true), dst: host6(1, false), udp: true}).packet([]byte("hello"), true), 13)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if len(b) > 60000 {
			return
		}
		size = max(1, min(size, len(b)))
		g := newGate(t)
		s := g.site(1, false)
		l := listener(g)
		l.arrive(size, append([]byte(nil), b...))
		s.socket.arrive(size, append([]byte(nil), b...))
		for _, next := range []uint8{nextIPv4, nextIPv6, nextDummy} {
			d := s.sealAs(b, next)
			s.socket.arrive(len(d), d)
		}
		if len(b) > 30 { // damaged
			d := s.seal(b)
			d[size%len(d)] ^= 0x10
			s.socket.arrive(len(d), d)
		}
		g.settle()
		for _, super := range g.tun.written() {
			cut(t, super)
		}
	})
}

// FuzzTUN lets a lane read anything from its TUN. What it sends can be opened and parses.
func FuzzTUN(f *testing.F) {
	f.Add(tcp4(1, 5).plain([]byte("hello")))
	f.Add(tcp4(1, 5).super(bytesOf(300, 1), 100))
	f.Add((&flow{src: host6(1, false), dst: host6(1, true), udp: true}).super(bytesOf(300, 1), 100))
	f.Add([]byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x45})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > bigSlot-esp.MaxTrailer {
			return
		}
		g := newGate(t)
		s := g.site(1, false)
		g.tun.push(b, b)
		s.block(0)
		g.settle()
		s.free()
		g.settle()
		dropped := uint64(0)
		for _, n := range s.Counters.Drops.Map() {
			dropped += n
		}
		for _, n := range g.lane.counters.Drops.Map() {
			dropped += n
		}
		packets := s.opened(t)
		for _, p := range packets {
			var h offload.Headers
			if err := offload.ParseHeaders(p, &h); err != nil {
				t.Fatalf("a packet left that does not parse: %v", err)
			}
		}
		if read := g.lane.counters.TUNRead.Packets.Load(); read != dropped+uint64(len(packets)) {
			t.Fatalf("%d packets were read, %d left, %d were dropped", read, len(packets), dropped)
		}
	})
}

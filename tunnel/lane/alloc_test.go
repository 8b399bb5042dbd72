package lane

import (
	"testing"

	"vpngw/crypto/esp"
	"vpngw/offload"
)

// outgoing gives one superpacket to read, again and again.
func outgoing(t testing.TB) (g *gate, s *site, turn func()) {
	g = newGate(t)
	s = g.site(1, false)
	s.socket.discard = true
	super := tcp4(1, 5000).super(bytesOf(45*1398, 1), 1398)
	return g, s, func() {
		g.tun.push(super) // Read copies it, so that cutting it does not spoil it
		g.step()
	}
}

// incoming seals one train and has it received, again and again.
func incoming(t testing.TB, count int) (g *gate, s *site, turn func()) {
	g = newGate(t)
	s = g.site(1, false)
	g.tun.discard = true
	f := tcp4(1, 5000).back()
	var packets [][]byte
	for range count {
		p := f.packet(bytesOf(1398, 1), false)
		packets = append(packets, append(p, make([]byte, esp.MaxTrailer)...)[:len(p)])
	}
	size := esp.SealedLen(len(packets[0]))
	train := make([]byte, size*count)
	return g, s, func() {
		for i, p := range packets {
			must(s.peerOut.Seal(train[i*size:(i+1)*size], p, nextIPv4))
		}
		s.socket.arrive(size, train)
		g.step()
	}
}

// TestNoAllocationOut covers reading, cutting, sealing and sending.
func TestNoAllocationOut(t *testing.T) {
	_, s, turn := outgoing(t)
	if got := testing.AllocsPerRun(200, turn); got != 0 {
		t.Errorf("%v allocations per superpacket", got)
	}
	if got := s.Counters.PacketsOut.Load(); got != 201*45 {
		t.Errorf("%d packets were sent, want %d", got, 201*45)
	}
}

// TestNoAllocationIn covers receiving, opening, coalescing and writing.
func TestNoAllocationIn(t *testing.T) {
	g, s, turn := incoming(t, 44)
	if got := testing.AllocsPerRun(200, turn); got != 0 {
		t.Errorf("%v allocations per train", got)
	}
	if got := g.lane.counters.TUNWrite.Packets.Load(); got != 201*44 {
		t.Errorf("%d packets were written, want %d", got, 201*44)
	}
	if got := s.Counters.PacketsIn.Load(); got != 201*44 {
		t.Errorf("%d packets were counted, want %d", got, 201*44)
	}
}

// TestNoAllocationSmall covers packets that stay alone, of several tunnels.
func TestNoAllocationSmall(t *testing.T) {
	g := newGate(t)
	var packets [][]byte
	for n := range 4 {
		g.site(n, false).socket.discard = true
		f := &flow{src: host6(n, false), dst: host6(n, true), udp: true, srcPort: 9, dstPort: 9}
		packets = append(packets, f.plain(bytesOf(100, 0)), tcp4(n, 77).plain(nil))
	}
	if got := testing.AllocsPerRun(200, func() {
		g.tun.push(packets...)
		g.step()
	}); got != 0 {
		t.Errorf("%v allocations for %d packets", got, len(packets))
	}
}

// TestNoAllocationForJunk: what a stranger sends costs no memory once the inbox is as
// full as strangers may make it.
func TestNoAllocationForJunk(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	junk := make([]byte, 64*1000)
	for at := 0; at < len(junk); at += 1000 {
		junk[at] = 0x77 // an SPI that nobody has
	}
	forged := s.seal(tcp4(1, 5).back().packet(nil, false))
	forged[len(forged)-1] ^= 1
	requests := make([]byte, 0, 64*100)
	for range 64 {
		m := append(make([]byte, nonESPMarkLen), initMessage(false)...)
		requests = append(requests, append(m, make([]byte, 100-len(m))...)...)
	}
	turn := func() {
		s.socket.arrive(1000, junk)
		s.socket.arrive(100, requests)
		s.socket.arrive(len(forged), forged)
		g.step()
	}
	for g.lane.tell(TUNFailed{}) {
	}
	for range 10 {
		turn()
	}
	if got := testing.AllocsPerRun(100, turn); got != 0 {
		t.Errorf("%v allocations for 129 datagrams of junk", got)
	}
}

func BenchmarkOut(b *testing.B) {
	_, _, turn := outgoing(b)
	b.SetBytes(45*1398 + 40)
	b.ReportAllocs()
	for b.Loop() {
		turn()
	}
}

// BenchmarkIn includes sealing what is received, which BenchmarkSeal measures alone.
func BenchmarkIn(b *testing.B) {
	_, _, turn := incoming(b, 44)
	b.SetBytes(44 * 1438)
	b.ReportAllocs()
	for b.Loop() {
		turn()
	}
}

func BenchmarkSeal(b *testing.B) {
	o := must(esp.NewOutbound(esp.AES128GCM, 0x1000, keymat(esp.AES128GCM, 1), true))
	p := make([]byte, 1438+esp.MaxTrailer)[:1438]
	dst := make([]byte, esp.SealedLen(len(p)))
	b.SetBytes(44 * 1438)
	for b.Loop() {
		for range 44 {
			must(o.Seal(dst, p, nextIPv4))
		}
	}
}

// BenchmarkSmallOut is a turn of 16 packets of 100 bytes.
func BenchmarkSmallOut(b *testing.B) {
	g := newGate(b)
	smallOut(b, g, g.site(1, false))
}

func smallOut(b *testing.B, g *gate, s *site) {
	s.socket.discard = true
	var packets [][]byte
	for range tunReads {
		packets = append(packets, tcp4(1, 77).plain(bytesOf(60, 0)))
	}
	b.SetBytes(int64(len(packets) * (len(packets[0]) - offload.VirtioHeaderLen)))
	b.ReportAllocs()
	for b.Loop() {
		g.tun.push(packets...)
		g.step()
	}
}

// BenchmarkJunk is 64 datagrams with an SPI that nobody has.
func BenchmarkJunk(b *testing.B) {
	g := newGate(b)
	s := g.site(1, false)
	junk := make([]byte, 64*1000)
	for at := 0; at < len(junk); at += 1000 {
		junk[at] = 0x77
	}
	b.ReportAllocs()
	for b.Loop() {
		s.socket.arrive(1000, junk)
		g.step()
	}
}

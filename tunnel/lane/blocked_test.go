package lane

import (
	"bytes"
	"slices"
	"testing"

	"vpngw/fairness"
	"vpngw/offload/udp"
	"vpngw/tunnel/drop"
)

// block makes the socket's send buffer full. After take datagrams of a train that goes
// one by one; 0 is a segmented send's all or nothing.
func (s *site) block(take int) {
	s.socket.ready.setWritable(false)
	s.socket.send = func(b []byte, size int) (udp.SendResult, error) {
		n := min(take*size, len(b))
		take = 0
		return udp.SendResult{Sent: n, Done: n}, udp.ErrWouldBlock
	}
}

func (s *site) free() {
	s.socket.send = nil
	s.socket.ready.setWritable(true)
}

// wantPackets compares what a site has sent with what should have been.
func (s *site) wantPackets(t *testing.T, want [][]byte) {
	t.Helper()
	got := s.opened(t)
	if len(got) != len(want) {
		t.Fatalf("tunnel %d sent %d packets, want %d", s.ID, len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("tunnel %d: packet %d is %x, want %x", s.ID, i, got[i], want[i])
		}
	}
}

func TestBlockedTunnelHoldsNoOther(t *testing.T) {
	for _, partly := range []int{0, 3} {
		g := newGate(t)
		stuck, free := g.site(1, false), g.site(2, false)
		stuck.block(partly)
		f1, f2 := tcp4(1, 5), tcp4(2, 5)
		var want1, want2 [][]byte
		for i := range 20 {
			p1, p2 := f1.super(bytesOf(20000, byte(i)), 1300), f2.super(bytesOf(20000, byte(i)), 1300)
			if i%4 == 3 {
				p1 = f1.plain(bytesOf(i, 0)) // small ones change their slot while they wait
			}
			want1, want2 = append(want1, cut(t, p1)...), append(want2, cut(t, p2)...)
			g.tun.push(p1, p2)
			g.step()
		}
		g.settle()
		free.wantPackets(t, want2)
		if stuck.Counters.SendBlocked.Load() != 1 {
			t.Errorf("the blocked socket was tried %d times, want once", stuck.Counters.SendBlocked.Load())
		}
		if out := stuck.Counters.PacketsOut.Load(); out != uint64(partly) {
			t.Errorf("%d packets count as sent, want %d", out, partly)
		}
		if got := g.lane.counters.QueueBytes.Load(); got == 0 {
			t.Error("the queue does not show what waits")
		}
		stuck.free()
		g.settle()
		stuck.wantPackets(t, want1)
		var inner uint64
		for _, p := range want1 {
			inner += uint64(len(p))
		}
		if got := stuck.Counters.PacketsOut.Load(); got != uint64(len(want1)) {
			t.Errorf("%d packets count as sent, want %d", got, len(want1))
		}
		if got := stuck.Counters.BytesOut.Load(); got != inner {
			t.Errorf("%d bytes count as sent, want %d", got, inner)
		}
		wantDrops(t, &stuck.Counters.Drops, nil)
		wantDrops(t, &g.lane.counters.Drops, nil)
		if stuck.Tunnel.socket.writable {
			t.Error("epoll is still asked for EPOLLOUT")
		}
		if got := g.lane.counters.QueueBytes.Load(); got != 0 {
			t.Errorf("%d bytes wait after all was sent", got)
		}
	}
}

// TestBlockedAgain: room for a moment that is gone when it is used.
func TestBlockedAgain(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.block(0)
	p := tcp4(1, 5).super(bytesOf(3000, 1), 1000)
	g.tun.push(p)
	g.settle()
	for range 3 {
		s.socket.ready.setWritable(true)
		g.step()
		s.socket.ready.setWritable(false)
		g.settle()
	}
	if got := s.Counters.SendBlocked.Load(); got != 4 {
		t.Errorf("the socket was tried %d times, want 4", got)
	}
	s.free()
	g.settle()
	s.wantPackets(t, cut(t, p))
	if len(g.lane.held) != 0 || len(g.lane.trains) != g.lane.trainsMade {
		t.Error("the lane still takes the tunnel for blocked")
	}
}

// TestSocketsComeAndGo: the place of a socket that is gone is used again, and what was
// noted of the old one is not taken for the new one's.
func TestSocketsComeAndGo(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	for i := range 100 {
		s.socket.arrive(0, nil)
		if i%2 == 0 {
			s.block(0)
			g.tun.push(tcp4(1, 5).plain(nil))
			g.step()
		}
		if err := g.lane.poll(false); err != nil { // notes that the old one has something
			t.Fatal(err)
		}
		s.socket = newFakeSocket(t, "192.0.1.77:4500", "192.0.2.77:4500")
		if err := g.lane.SetSocket(s.Tunnel, s.socket, s.socket.local, s.socket.remote); err != nil {
			t.Fatal(err)
		}
		g.lane.turn()
		if n := len(g.lane.endpoints); n != 1 {
			t.Fatalf("the lane has %d places for one socket", n)
		}
	}
	d := s.seal(tcp4(1, 5).back().packet(nil, false))
	s.socket.arrive(len(d), d)
	g.settle()
	if got := s.Counters.PacketsIn.Load(); got != 1 {
		t.Errorf("%d packets received on the last socket, want 1", got)
	}
}

// TestLostInABlockedTrain: of a train that goes one by one, one datagram is lost for
// good before the buffer is full. Nothing is sent twice.
func TestLostInABlockedTrain(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	tries := 0
	s.socket.ready.setWritable(false)
	s.socket.send = func(b []byte, size int) (udp.SendResult, error) {
		if tries++; tries > 1 {
			return udp.SendResult{Sent: len(b), Done: len(b)}, nil
		}
		return udp.SendResult{Sent: 2 * size, Done: 3 * size, Lost: 1}, udp.ErrWouldBlock
	}
	p := tcp4(1, 5).super(bytesOf(10*1000, 1), 1000)
	g.tun.push(p)
	g.settle()
	s.socket.ready.setWritable(true)
	g.settle()
	if got := s.Counters.PacketsOut.Load(); got != 9 {
		t.Errorf("%d packets count as sent, want 9", got)
	}
	if got := len(s.opened(t)); got != 9 { // the fake records the front of what it is given, twice none
		t.Errorf("%d datagrams were sent, want 9", got)
	}
	wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.SendError: 1})
}

// TestQueueIsBounded: a blocked tunnel's packets are bounded in bytes; the oldest go,
// each is counted, and the order of the rest stands.
func TestQueueIsBounded(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	g.uplink.queue.SetClass(1, s.class, fairness.ClassConfig{Limit: 10 * bigSlot})
	s.block(0)
	f := tcp4(1, 5)
	var all [][]byte
	for i := range 40 {
		p := f.super(bytesOf(30*1000, byte(i)), 1000)
		all = append(all, cut(t, p)...)
		g.tun.push(p)
	}
	g.settle()
	if got := s.class.Memory(); got > 10*bigSlot {
		t.Errorf("%d bytes wait, the bound is %d", got, 10*bigSlot)
	}
	lost := int(s.Counters.Drops.Get(drop.QueueFull))
	s.free()
	g.settle()
	got := s.opened(t)
	if len(got)+lost != len(all) || lost < 20*30 {
		t.Fatalf("%d sent and %d lost of %d", len(got), lost, len(all))
	}
	at := 0
	for i, p := range got { // a subsequence
		for at < len(all) && !bytes.Equal(all[at], p) {
			at++
		}
		if at == len(all) {
			t.Fatalf("packet %d is out of order", i)
		}
	}
	if !bytes.Equal(got[len(got)-1], all[len(all)-1]) {
		t.Error("the newest packet was lost")
	}
	wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.QueueFull: lost})
}

// TestSmallPacketsWaitInLittleMemory: a packet that has to wait does not hold room for
// a superpacket.
func TestSmallPacketsWaitInLittleMemory(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.block(0)
	want := map[byte][][]byte{} // by IP version: each is a flow
	for i := range 100 {
		f := tcp4(1, 5)
		if i%2 == 1 {
			f.src, f.dst = host6(1, false), host6(1, true)
		}
		p := f.plain(bytesOf(i, 1))
		if i%5 == 0 {
			p = f.super(bytesOf(i+1, 1), 1000) // its checksum is still to be made
		}
		packets := cut(t, p)
		version := packets[0][0] >> 4
		want[version] = append(want[version], packets...)
		g.tun.push(p)
		g.step()
	}
	g.settle()
	if got := g.uplink.queue.Memory(); got == 0 || got > 100*smallSlot {
		t.Errorf("100 small packets wait in %d bytes", got)
	}
	s.free()
	g.settle()
	got := map[byte][][]byte{}
	for _, p := range s.opened(t) {
		got[p[0]>>4] = append(got[p[0]>>4], p)
	}
	for version := range want {
		if !slices.EqualFunc(got[version], want[version], bytes.Equal) {
			t.Errorf("IPv%d: sent %x, want %x", version, got[version], want[version])
		}
	}
}

// TestWholeQueueIsBounded: when the common bound is hit, the tunnel that holds the
// most pays, not the one that arrives.
func TestWholeQueueIsBounded(t *testing.T) {
	g := newGateOf(t, 20*bigSlot)
	fat, thin := g.site(1, false), g.site(2, false)
	fat.block(0)
	thin.block(0)
	p := tcp4(2, 5).super(bytesOf(30*1000, 1), 1000)
	g.tun.push(p, p)
	g.settle()
	for range 40 {
		g.tun.push(tcp4(1, 5).super(bytesOf(30*1000, 1), 1000))
	}
	g.settle()
	if got := g.uplink.queue.Memory(); got > 20*bigSlot {
		t.Errorf("%d bytes wait, the bound is %d", got, 20*bigSlot)
	}
	if got := thin.Counters.Drops.Get(drop.QueueFull); got != 0 {
		t.Errorf("the tunnel under its share lost %d packets", got)
	}
	if got := fat.Counters.Drops.Get(drop.QueueFull); got == 0 {
		t.Error("the tunnel over its share lost nothing")
	}
	free := g.site(3, false)
	q := tcp4(3, 5).super(bytesOf(30*1000, 1), 1000)
	g.tun.push(q)
	g.settle()
	free.wantPackets(t, cut(t, q))
}

// TestMoreBlockedTunnelsThanTrains: the trains run out; those that can send lose
// nothing, and each blocked tunnel goes on when it may.
func TestMoreBlockedTunnelsThanTrains(t *testing.T) {
	g := newGateOf(t, 64<<20)
	const blocked = 100
	var stuck []*site
	for n := range blocked {
		s := g.site(n, false)
		s.block(0)
		stuck = append(stuck, s)
		g.tun.push(tcp4(n, 5).super(bytesOf(50*1000, byte(n)), 1000))
	}
	free := g.site(blocked, false)
	var want [][]byte
	f := tcp4(blocked, 5)
	for i := range 50 {
		p := f.super(bytesOf(50*1000, byte(i)), 1000)
		want = append(want, cut(t, p)...)
		g.tun.push(p)
	}
	g.settle()
	free.wantPackets(t, want)
	wantDrops(t, &free.Counters.Drops, nil)
	for _, s := range stuck {
		s.free()
	}
	for range 20 { // more sockets than one poll tells of
		g.settle()
	}
	lost, sent := 0, 0
	for n, s := range stuck {
		lost += int(s.Counters.Drops.Get(drop.QueueFull))
		sent += len(s.opened(t))
		if n == blocked-1 && s.Counters.Drops.Get(drop.QueueFull) != 0 {
			t.Error("the tunnel blocked last lost its train")
		}
	}
	if lost+sent != blocked*50 || lost == 0 {
		t.Errorf("%d packets sent and %d lost of %d", sent, lost, blocked*50)
	}
	if len(g.lane.trains) != g.lane.trainsMade || g.lane.trainsMade > maxTrains {
		t.Errorf("%d of %d trains came back", len(g.lane.trains), g.lane.trainsMade)
	}
}

// TestOpenTrainsAreSentBeforeOneIsTaken: all trains are in use, one by a tunnel that is
// blocked, the others by tunnels that only have not been flushed yet. Nobody loses
// anything.
func TestOpenTrainsAreSentBeforeOneIsTaken(t *testing.T) {
	g := newGate(t)
	var sites []*site
	for n := range maxTrains {
		s := g.site(n, false)
		s.block(0)
		sites = append(sites, s)
		for range 2 { // the first is sealed and blocks, the second waits
			g.tun.push(tcp4(n, 5).plain(nil))
			g.settle()
		}
	}
	for _, s := range sites[1:] {
		s.free()
	}
	last := g.site(maxTrains, false)
	g.tun.push(tcp4(maxTrains, 5).plain(nil))
	g.settle()
	if got := len(last.opened(t)); got != 1 {
		t.Errorf("the last tunnel sent %d packets, want 1", got)
	}
	sites[0].free()
	g.settle()
	for _, s := range sites {
		if got := len(s.opened(t)); got != 2 {
			t.Errorf("tunnel %d sent %d packets, want 2", s.ID, got)
		}
		wantDrops(t, &s.Counters.Drops, nil)
	}
}

// TestExhaustedTunnelsKeepNoTrain: tunnels that cannot seal do not take the trains away
// from the others.
func TestExhaustedTunnelsKeepNoTrain(t *testing.T) {
	g := newGate(t)
	for n := range maxTrains + 1 {
		g.site(n, false).out.ESP = exhausted(t)
		g.tun.push(tcp4(n, 5).plain(nil))
	}
	g.settle()
	s := g.site(100, false)
	g.tun.push(tcp4(100, 5).plain(nil))
	g.settle()
	if got := len(s.opened(t)); got != 1 {
		t.Errorf("%d packets were sent, want 1", got)
	}
}

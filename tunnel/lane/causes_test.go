package lane

import (
	"maps"
	"testing"

	"golang.org/x/sys/unix"

	"vpngw/offload"
)

// ends takes what was counted of trains so far.
func (g *gate) ends() map[TrainEnd]uint64 {
	m := map[TrainEnd]uint64{}
	for e := range g.lane.counters.TrainEnds {
		if n := g.lane.counters.TrainEnds[e].Swap(0); n > 0 {
			m[TrainEnd(e)] = n
		}
	}
	return m
}

func (g *gate) wantEnds(what string, want map[TrainEnd]uint64) {
	g.t.Helper()
	if got := g.ends(); !maps.Equal(got, want) {
		g.t.Errorf("%s: trains ended by %v, want %v", what, got, want)
	}
}

func TestTrainEnds(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	f := tcp4(1, 5)

	g.tun.push(f.plain(bytesOf(100, 1)))
	g.settle()
	g.wantEnds("one packet", map[TrainEnd]uint64{TrainTurn: 1})

	g.tun.push(f.plain(bytesOf(100, 1)), f.plain(bytesOf(200, 2)), f.plain(bytesOf(100, 3)), f.plain(bytesOf(100, 4)))
	g.settle() // the third ends the second train by being shorter; nothing may follow it
	g.wantEnds("sizes", map[TrainEnd]uint64{TrainSize: 2, TrainTurn: 1})

	p := f.plain(bytesOf(100, 1))
	g.tun.push(append(p[:offload.VirtioHeaderLen:offload.VirtioHeaderLen], withTOS(t, p[offload.VirtioHeaderLen:], offload.ECT0)...), f.plain(bytesOf(100, 2)))
	g.settle()
	g.wantEnds("TOS", map[TrainEnd]uint64{TrainTOS: 1, TrainTurn: 1})

	g.tun.push(f.super(bytesOf(42*1400, 1), 1400), f.super(bytesOf(42*1400, 2), 1400))
	g.settle()
	g.wantEnds("more than a send takes", map[TrainEnd]uint64{TrainFull: 1, TrainTurn: 1})

	for range 10 {
		g.tun.push(f.super(bytesOf(42*1400, 1), 1400))
	}
	g.settle() // one of the two leaves as the in-flight limit has it, which begins low
	g.wantEnds("two bursts", map[TrainEnd]uint64{TrainFull: 8, TrainBurst: 1, TrainTurn: 1})

	g.tun.push(f.super(bytesOf(60000, 1), 1400), f.super(bytesOf(60000, 2), 1400))
	s.opened(t)
	s.socket.trains = nil
	g.settle()
	// 60,000 = 42 × 1,400 + 1,200: the end of each ends a train.
	g.wantEnds("superpackets with an end", map[TrainEnd]uint64{TrainSize: 1, TrainTurn: 1})
	if len(s.socket.trains) != 2 {
		t.Errorf("trains of %d datagrams, want two", s.socket.trains)
	}
}

// TestTrainShortage: more tunnels than there are trains have something to send.
func TestTrainShortage(t *testing.T) {
	g := newGate(t)
	for n := range maxTrains + 1 {
		g.site(n+1, false)
		g.tun.push(tcp4(n+1, 5).plain(bytesOf(100, 1)))
		if n == maxTrains/2 {
			g.lane.drainTUN() // a turn reads fewer
		}
	}
	g.lane.tunReady = true
	g.lane.drainTUN()
	g.lane.drainTUN()
	g.lane.serve()
	if got := g.ends(); got[TrainShort] == 0 {
		t.Errorf("trains ended by %v, want a shortage", got)
	}
	g.settle()
}

// TestWouldBlock: what a lane asks for in vain is counted at its edge, and nowhere else.
func TestWouldBlock(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	c := &g.lane.counters
	blocked := func() [4]uint64 {
		return [4]uint64{c.TUNRead.WouldBlock.Swap(0), c.UDPSend.WouldBlock.Swap(0), c.UDPReceive.WouldBlock.Swap(0), c.TUNWrite.WouldBlock.Swap(0)}
	}
	g.tun.push(tcp4(1, 5).plain(nil))
	g.settle()
	if got, want := blocked(), [4]uint64{1, 0, 0, 0}; got != want {
		t.Errorf("after a packet of the TUN %d, want %d", got, want)
	}
	g.tun.writeErr = func([][]byte) error { return unix.EAGAIN }
	d := s.seal(tcp4(1, 5).back().packet(nil, false))
	s.socket.arrive(len(d), d)
	g.settle()
	if got, want := blocked(), [4]uint64{0, 0, 1, 1}; got != want {
		t.Errorf("after a datagram for a TUN without room %d, want %d", got, want)
	}
	s.block(0)
	g.tun.push(tcp4(1, 5).plain(nil))
	g.settle()
	if got, want := blocked(), [4]uint64{1, 1, 0, 0}; got != want {
		t.Errorf("after a packet for a full socket %d, want %d", got, want)
	}
	s.free()
	g.settle()
	blocked()
}

func TestWakes(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	wakes := func() [5]uint64 {
		w := &g.lane.counters.Wakes
		return [5]uint64{w.Socket.Swap(0), w.Writable.Swap(0), w.TUN.Swap(0), w.Timer.Swap(0), w.Command.Swap(0)}
	}
	sleep := func() {
		t.Helper()
		if err := g.lane.poll(true); err != nil {
			t.Fatal(err)
		}
		g.lane.turn()
		g.settle()
	}
	packet := func() []byte { return tcp4(1, 5).plain(nil) }

	d := s.seal(tcp4(1, 5).back().packet(nil, false))
	s.socket.arrive(len(d), d)
	sleep()
	if got, want := wakes(), [5]uint64{1, 0, 0, 0, 0}; got != want {
		t.Errorf("a datagram: %d, want %d", got, want)
	}
	g.tun.push(packet())
	g.lane.Do(func() {})
	sleep()
	if got, want := wakes(), [5]uint64{0, 0, 1, 0, 1}; got != want {
		t.Errorf("a packet and a command: %d, want %d", got, want)
	}
	s.block(0)
	g.tun.push(packet())
	g.settle()
	if got, want := wakes(), [5]uint64{}; got != want {
		t.Errorf("without sleep: %d, want none", got)
	}
	s.free()
	sleep()
	if got, want := wakes(), [5]uint64{0, 1, 0, 0, 0}; got != want {
		t.Errorf("room to send: %d, want %d", got, want)
	}
	g.lane.timer.set(g.lane.now+1, g.lane.now)
	var polled [4]unix.EpollEvent
	n, err := unix.EpollWait(g.lane.epoll, polled[:], int(patience.Milliseconds()))
	if err != nil {
		t.Fatal(err)
	}
	g.lane.counters.Wakes.count(polled[:n])
	if got, want := wakes(), [5]uint64{0, 0, 0, 1, 0}; got != want {
		t.Errorf("the timer: %d, want %d", got, want)
	}
}

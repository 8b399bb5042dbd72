package lane

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"vpngw/tunnel/drop"
)

// TestNewSocketWhileBlocked: what was sealed goes out first on the new socket, then
// what waited.
func TestNewSocketWhileBlocked(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.block(0)
	f := tcp4(1, 5)
	var want [][]byte
	for i := range 5 {
		p := f.super(bytesOf(30*1000, byte(i)), 1000)
		want = append(want, cut(t, p)...)
		g.tun.push(p)
	}
	g.settle()
	old := s.socket
	s.socket = newFakeSocket(t, "192.0.1.77:4500", "192.0.2.77:4500")
	if err := g.lane.SetSocket(s.Tunnel, s.socket, s.socket.local, s.socket.remote); err != nil {
		t.Fatal(err)
	}
	g.settle()
	s.wantPackets(t, want)
	if old.closes != 1 {
		t.Errorf("the old socket was closed %d times", old.closes)
	}
	wantDrops(t, &s.Counters.Drops, nil)
}

// unwatchable is a socket that epoll does not take.
type unwatchable struct{ *fakeSocket }

func (unwatchable) FD() int { return -1 }

// TestSocketThatCannotBeWatched: it is closed, and the tunnel is as without a socket,
// not blocked for ever.
func TestSocketThatCannotBeWatched(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.block(0)
	g.tun.push(tcp4(1, 5).super(bytesOf(3000, 1), 1000))
	g.settle()
	bad := unwatchable{newFakeSocket(t, "192.0.1.77:4500", "192.0.2.77:4500")}
	if err := g.lane.SetSocket(s.Tunnel, bad, bad.local, bad.remote); !errors.Is(err, unix.EBADF) {
		t.Fatalf("SetSocket: %v, want EBADF", err)
	}
	if err := g.lane.AddListener(bad, bad.local); !errors.Is(err, unix.EBADF) {
		t.Fatalf("AddListener: %v, want EBADF", err)
	}
	if bad.closes != 2 {
		t.Errorf("the sockets were closed %d times, want 2", bad.closes)
	}
	g.tun.push(tcp4(1, 5).plain(nil))
	g.settle()
	wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.NoSocket: 4})
	if g.uplink.queue.Memory() != 0 || len(g.lane.held) != 0 {
		t.Error("something still waits")
	}
}

// TestRemoveTunnelWhileBlocked: all it held is dropped and counted, and its SAs are gone.
func TestRemoveTunnelWhileBlocked(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.block(0)
	for i := range 3 {
		g.tun.push(tcp4(1, 5).super(bytesOf(60*1000, byte(i)), 1000))
	}
	g.settle()
	g.lane.SetRoutes(new(Routes))
	g.lane.RemoveTunnel(s.Tunnel)
	d := &s.Counters.Drops
	if got := d.Get(drop.NoSocket) + d.Get(drop.TunnelDown); got != 180 {
		t.Errorf("%d packets were dropped, want 180", got)
	}
	if len(g.lane.inbound) != 0 || g.uplink.queue.Memory() != 0 || len(g.lane.trains) != g.lane.trainsMade {
		t.Error("the lane still holds something of the tunnel")
	}
	if s.socket.closes != 1 {
		t.Errorf("its socket was closed %d times", s.socket.closes)
	}
	g.settle()
}

// TestCommandsInsideReceive: an unknown SPI makes the lane look at its commands at
// once, in the middle of a receive. They may take away all that the receive works on.
func TestCommandsInsideReceive(t *testing.T) {
	junk := make([]byte, 60)
	junk[0] = 9
	for name, command := range map[string]func(g *gate, s *site){
		"tunnel removed": func(g *gate, s *site) { g.lane.RemoveTunnel(s.Tunnel) },
		"socket removed": func(g *gate, s *site) {
			_ = g.lane.SetSocket(s.Tunnel, nil, netip.AddrPort{}, netip.AddrPort{})
		},
		"socket replaced": func(g *gate, s *site) {
			_ = g.lane.SetSocket(s.Tunnel, newFakeSocket(g.t, "192.0.1.7:1", "192.0.2.7:1"), netip.AddrPort{}, netip.AddrPort{})
		},
		"SA removed":  func(g *gate, s *site) { g.lane.RemoveInbound(s.in.ESP.SPI()) },
		"TUN removed": func(g *gate, s *site) { _ = g.lane.SetTUN(nil) },
		"stopped":     func(g *gate, s *site) { g.lane.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			s, other := g.site(1, false), g.site(2, false)
			first := s.seal(tcp4(1, 5).back().packet(nil, false))
			s.socket.arrive(len(first), first)
			s.socket.arrive(len(junk), append([]byte(nil), junk...))
			second := s.seal(tcp4(1, 5).back().packet(nil, false))
			s.socket.arrive(len(second), second)
			q := other.seal(tcp4(2, 5).back().packet(nil, false))
			other.socket.arrive(len(q), q)
			if err := g.lane.poll(false); err != nil {
				t.Fatal(err)
			}
			ran := false
			// As if given by another goroutine after the turn's commands have run.
			g.lane.Do(func() {})
			g.lane.runCommands()
			g.lane.Do(func() { ran = true; command(g, s) })
			g.lane.receive()
			if !ran {
				t.Fatal("the command has not run")
			}
			g.settle()
			if got := other.Counters.PacketsIn.Load(); got != 1 {
				t.Errorf("the other tunnel received %d packets, want 1", got)
			}
			if got := s.Counters.PacketsIn.Load(); got < 1 {
				t.Error("the packet before the command is lost")
			}
		})
	}
}

// TestSAInstalledJustInTime: the peer may send on an SA before the command that
// installs it has had its turn.
func TestSAInstalledJustInTime(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	g.lane.RemoveInbound(s.in.ESP.SPI())
	d := s.seal(tcp4(1, 5).back().packet(nil, false))
	s.socket.arrive(len(d), d)
	if err := g.lane.poll(false); err != nil {
		t.Fatal(err)
	}
	g.lane.Do(func() { g.lane.SetInbound(s.in) })
	g.lane.receive()
	if got := s.Counters.PacketsIn.Load(); got != 1 {
		t.Errorf("%d packets received, want 1", got)
	}
	wantDrops(t, &s.Counters.Drops, nil)
}

// TestSAReplacedUnderItsSPI: the one installed last counts, also for the row of
// packets at hand.
func TestSAReplacedUnderItsSPI(t *testing.T) {
	g := newGate(t)
	old, s := g.site(1, false), g.site(1, false) // the same keys, a new window
	d := old.seal(tcp4(1, 5).back().packet(nil, false))
	for _, in := range []*Inbound{old.in, s.in} {
		g.lane.SetInbound(in)
		s.socket.arrive(len(d), append([]byte(nil), d...))
		g.settle()
	}
	if got := s.Counters.PacketsIn.Load(); got != 1 {
		t.Errorf("the new SA received %d packets, want 1", got)
	}
}

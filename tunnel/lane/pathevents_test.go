package lane

import (
	"testing"

	"golang.org/x/sys/unix"

	"vpngw/offload/udp"
)

// pathEvents takes the events of that kind given so far.
func pathEvents[T Event](g *gate) (all []T) {
	for _, e := range g.events() {
		if e, ok := e.(T); ok {
			all = append(all, e)
		}
	}
	return all
}

// TestLargeSent: control hears of large datagrams, at once and then now and then, and of
// no others.
func TestLargeSent(t *testing.T) {
	for name, c := range map[string]struct {
		off, super bool
		size       int
		want       int
	}{
		"small":         {size: 460},
		"large":         {size: 480, want: 1}, // 40 bytes of headers and 34 or so of ESP more
		"superpacket":   {size: 1398, super: true, want: 1},
		"not asked for": {size: 1398, off: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			s := g.site(1, false)
			s.PathEvents = !c.off
			for range 10 {
				if c.super {
					g.tun.push(tcp4(1, 5).super(bytesOf(10*c.size, 1), c.size))
				} else {
					g.tun.push(tcp4(1, 5).plain(bytesOf(c.size, 1)))
				}
				g.settle()
			}
			if got := pathEvents[LargeSent](g); len(got) != c.want || c.want > 0 && got[0].Tunnel != s.Tunnel {
				t.Errorf("%d events, want %d", len(got), c.want)
			}
			if c.want > 0 {
				s.largeAt -= largePause
				g.tun.push(tcp4(1, 5).plain(bytesOf(1000, 1)))
				g.settle()
				if got := pathEvents[LargeSent](g); len(got) != 1 {
					t.Errorf("%d events after a while", len(got))
				}
			}
		})
	}
}

// TestPathHint: what ICMP says of a datagram's size reaches control from a receive, from a
// send that went through the second time, and from one that failed; not from other errors.
func TestPathHint(t *testing.T) {
	sent := func(result udp.SendResult, err error) func(g *gate, s *site) {
		return func(g *gate, s *site) {
			s.socket.send = func(b []byte, size int) (udp.SendResult, error) {
				r := result
				r.Done = len(b)
				if r.Lost == 0 {
					r.Sent = len(b)
				}
				return r, err
			}
			g.tun.push(tcp4(1, 5).plain(bytesOf(1000, 1)))
		}
	}
	for name, c := range map[string]struct {
		do   func(g *gate, s *site)
		want int
	}{
		"received":             {func(g *gate, s *site) { s.socket.arriveFrom(arrival{err: udp.AsyncError(unix.EMSGSIZE)}) }, 1},
		"received, of no size": {func(g *gate, s *site) { s.socket.arriveFrom(arrival{err: udp.AsyncError(unix.ECONNREFUSED)}) }, 0},
		"sent after all":       {sent(udp.SendResult{Async: udp.AsyncError(unix.EMSGSIZE)}, nil), 1},
		"not sent":             {sent(udp.SendResult{Lost: 1}, unix.EMSGSIZE), 1},
		"own firewall":         {sent(udp.SendResult{Lost: 1}, unix.EPERM), 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			s := g.site(1, false)
			s.PathEvents, s.socket.pathMTU = true, 1300
			c.do(g, s)
			c.do(g, s)
			g.settle()
			got := pathEvents[PathHint](g)
			if len(got) != c.want || c.want > 0 && (got[0].MTU != 1300 || got[0].Tunnel != s.Tunnel) {
				t.Errorf("events %+v, want %d", got, c.want)
			}
		})
	}
}

// TestNoAllocationForPathEvents covers sends that control hears of.
func TestNoAllocationForPathEvents(t *testing.T) {
	g, s, turn := outgoing(t)
	s.PathEvents = true
	if got := testing.AllocsPerRun(200, func() {
		s.largeAt = 0
		turn()
		<-g.lane.events
	}); got != 0 {
		t.Errorf("%v allocations per superpacket", got)
	}
}

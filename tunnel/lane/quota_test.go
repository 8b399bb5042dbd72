package lane

import (
	"testing"

	"vpngw/crypto/esp"
)

// flood gives a socket n receives of so many datagrams of no SA, of size bytes each.
func flood(s *fakeSocket, n, datagrams, size int) {
	b := make([]byte, datagrams*size)
	for at := 0; at < len(b); at += size {
		b[at] = 0x77 // an SPI that nobody has
	}
	for range n {
		s.arrive(size, b)
	}
}

// taken is how many receives of those given were made.
func taken(s *fakeSocket) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// TestReceiveQuota floods a tunnel and the listeners in every form: in the same turn each
// of the other tunnels has its part, and the flood no more than that.
func TestReceiveQuota(t *testing.T) {
	for _, c := range []struct {
		name                string
		datagrams, size     int // of each receive
		one, two, six, many int // receives of a flooded tunnel's while so many tunnels have something
		listener            int // of a flooded listener's
	}{
		{"long trains", 44, 1438, 6, 6, 2, 1, 1},
		{"short datagrams glued", 64, 60, 6, 6, 2, 1, 1},
		{"short datagrams one by one", 1, 60, 384, 384, 128, 64, 16},
		{"long datagrams one by one", 1, 1438, 223, 223, 78, 39, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, run := range []struct{ tunnels, want int }{{1, c.one}, {2, c.two}, {6, c.six}, {40, c.many}} {
				g := newGate(t)
				flooded := g.site(0, false)
				strangers := []*fakeSocket{listener(g), ikeListener(g)}
				var others []*site
				for n := 1; n < run.tunnels; n++ {
					s := g.site(n, false)
					d := s.seal(tcp4(n, 5).back().packet(bytesOf(100, 0), false))
					s.socket.arrive(len(d), d)
					others = append(others, s)
				}
				for _, s := range append(strangers, flooded.socket) {
					flood(s, 1000, c.datagrams, c.size)
				}
				g.step()
				for _, s := range others {
					if s.Counters.PacketsIn.Load() != 1 {
						t.Errorf("tunnel %d of %d did not have its part", s.ID, run.tunnels)
					}
				}
				if got := taken(flooded.socket); got != run.want {
					t.Errorf("beside %d other tunnels the flooded one has %d receives in a turn, want %d", run.tunnels-1, got, run.want)
				}
				for _, s := range strangers {
					if got := taken(s); got != c.listener {
						t.Errorf("a flooded listener has %d receives in a turn, want %d", got, c.listener)
					}
				}
			}
		})
	}
}

// TestReceiveQuotaHoldsNothingBack: what is beyond the quota comes in the next turns, in
// its order, without another word from epoll.
func TestReceiveQuotaHoldsNothingBack(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	f := tcp4(1, 5).back()
	var want [][]byte
	for i := range 20 {
		var train []byte
		for range 44 {
			p := f.packet(bytesOf(1390, byte(i)), false)
			want = append(want, p)
			train = append(train, s.seal(p)...)
		}
		s.socket.arrive(esp.SealedLen(1430), train)
	}
	g.settle()
	wantWritten(t, g.tun, want)
}

package ike

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// TestRetransmissionsSpread: of a thousand handshakes that begin at one moment and get no
// answer, the second messages do not leave at one moment again, and the third ones even
// less so. A responder that has room for a few in every moment lets all in soon.
func TestRetransmissionsSpread(t *testing.T) {
	const n, window = 1000, 10 * time.Millisecond
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := New(Config{Rand: rand.NewChaCha8([32]byte{1}), SPI: func() (uint32, error) { return 0x100, nil }})
	sent := map[int]int{} // by window
	count := func(now time.Time, actions []Action) {
		for _, a := range actions {
			if _, ok := a.(Send); ok {
				sent[int(now.Sub(start)/window)]++
			}
		}
	}
	for i := range n {
		p, _ := pairConfig()
		p.ID, p.RemoteID = PeerID(i), mustID(fmt.Sprintf("peer-%d.test", i))
		p.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 4500)
		m.Step(start, AddPeer{p})
		count(start, m.Step(start, Connect{ID: p.ID}))
	}
	for at := m.Deadline(); at.Before(start.Add(1600 * time.Millisecond)); at = m.Deadline() {
		count(at, m.Step(at, Tick{}))
	}
	most := func(from, to time.Duration) (all, most int) {
		for w := int(from / window); w < int(to/window); w++ {
			all, most = all+sent[w], max(most, sent[w])
		}
		return all, most
	}
	if sent[0] != n {
		t.Fatalf("%d of %d began", sent[0], n)
	}
	for _, c := range []struct {
		name     string
		from, to time.Duration
		most     int
	}{
		{"second", retryFirst * 3 / 4, retryFirst + window, n / 8},
		{"third", 3 * retryFirst * 3 / 4, 3*retryFirst + window, n / 20},
	} {
		if all, most := most(c.from, c.to); all != n || most > c.most {
			t.Errorf("of the %s messages %d left when they should, up to %d within %v, want %d and at most %d", c.name, all, most, window, n, c.most)
		}
	}
}

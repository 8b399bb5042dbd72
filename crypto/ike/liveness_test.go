package ike

import (
	"net/netip"
	"testing"
	"time"
)

// TestSilentProbes: ESP that nothing answers has the peer asked at once, ever more
// rarely where it lives and its traffic goes one way only, and at once again afterwards.
func TestSilentProbes(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) { a.DPD.Interval, b.DPD.Interval = 20*time.Second, time.Hour })
	a.connect()
	w.run(5 * time.Second)
	b.step(Heard{ID: 7, SPI: b.using[7]})
	probes := func(d time.Duration) (at []int) {
		end := w.now.Add(d)
		for begin := w.now; w.now.Before(end); {
			before := a.sentIKE
			a.step(Silent{ID: 1})
			if a.sentIKE > before {
				at = append(at, int(w.now.Sub(begin).Seconds()))
			}
			w.run(time.Second)
		}
		return at
	}
	// The handshake is 5 s old. DPD itself would ask after 20 s.
	if got := probes(60 * time.Second); len(got) < 4 || len(got) > 6 || got[0] != 0 || got[1] > 6 || got[len(got)-1]-got[len(got)-2] < 16 {
		t.Errorf("probes %v s after the beginning; want the first at once, and each pause about twice the one before, up to 20 s", got)
	}
	a.step(Heard{ID: 1, SPI: a.using[1]})
	if got := probes(2 * time.Second); len(got) != 0 {
		t.Errorf("just heard, and probed after %v s", got)
	}
	if got := probes(2 * time.Second); len(got) != 1 {
		t.Errorf("probed %d times, want once again 2 s after ESP was heard", len(got))
	}
	w.quiet()
}

// TestSilentShowsOurAddress: behind a NAT that maps us anew the probe, not DPD, tells
// the peer where we are.
func TestSilentShowsOurAddress(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) {
		a.DPD.Interval, b.DPD.Interval = time.Hour, time.Hour
	})
	a.connect()
	w.run(5 * time.Second)
	a.addr = netip.MustParseAddrPort("192.0.2.99:14500")
	a.step(Silent{ID: 1})
	w.run(time.Second)
	if got := b.endpoint[7]; got != a.addr {
		t.Errorf("b sends to %v, a is at %v", got, a.addr)
	}
}

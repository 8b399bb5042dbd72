package load

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"vpngw/integration/lab"
)

// TestBulk sends all kinds over one wire, which loses nothing that is acknowledged and cuts none of the trains.
func TestBulk(t *testing.T) {
	t.Parallel()
	a, b, address := twoHosts(t)
	for _, c := range []struct {
		name   string
		train  int
		window bool
	}{{"single", 1, false}, {"trains", 16, false}, {"window", 16, true}, {"window of single ones", 1, true}} {
		r, err := Bulk{From: a, To: b, Address: address, Datagram: 1252, Train: c.train, Window: c.window, Duration: 300 * time.Millisecond}.Run(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		t.Logf("%s: %d of %d arrived in %v, %.1f per receive", c.name, r.Received, r.Sent, r.Took, r.PerReceive)
		if r.Sent < 1000 || r.Received < 1000 || r.Received > r.Sent || r.Took <= 0 || r.Took > 5*time.Second {
			t.Errorf("%s: %+v", c.name, r)
		}
		if c.window && float64(r.Sent-r.Received) > 0.05*float64(r.Sent) {
			t.Errorf("%s: %d of %d lost beside an acknowledged window", c.name, r.Sent-r.Received, r.Sent)
		}
		if whole := r.PerReceive > 10; whole != (c.train > 1) {
			t.Errorf("%s: %.1f datagrams per receive", c.name, r.PerReceive)
		}
	}
}

func TestBulkRefuses(t *testing.T) {
	for _, b := range []Bulk{{Datagram: 1200}, {Datagram: 8, Train: 1}, {Datagram: 1400, Train: 64}} {
		b.From, b.To, b.Address = &lab.Namespace{}, &lab.Namespace{}, netip.MustParseAddr("192.0.2.2")
		if _, err := b.Run(t.Context()); err == nil {
			t.Errorf("%+v was taken", b)
		}
	}
}

// TestWindow simulates a wire that carries a number of datagrams each round trip and drops some of what is more than its queue
// holds: the window must keep it busy, and lose little.
func TestWindow(t *testing.T) {
	const perTrip, queue, trips = 100, 50, 2000
	w := newWindow()
	var sent, received, highest uint64
	random := rand.New(rand.NewPCG(1, 2))
	for range trips {
		room := w.room(sent)
		for range room {
			sent++
			if random.IntN(room) < perTrip+queue {
				received++
				highest = sent
			}
		}
		if random.IntN(100) > 0 { // else this trip's acknowledgement is lost
			w.acknowledged(highest, received, sent)
		}
	}
	t.Logf("%d of %d arrived, %.0f a trip", received, sent, float64(received)/trips)
	if received < trips*perTrip/2 || sent-received > sent/10 {
		t.Errorf("%d of %d arrived in %d trips of %d", received, sent, trips, perTrip)
	}
}

// TestWindowSteps follows single acknowledgements.
func TestWindowSteps(t *testing.T) {
	w := newWindow()
	if got := w.room(0); got != initialWindow {
		t.Fatalf("room for %d at first", got)
	}
	w.acknowledged(10, 10, 10) // slow start: twice as many
	if got := w.room(10); got != 2*initialWindow {
		t.Errorf("room for %d after all arrived", got)
	}
	w.acknowledged(5, 5, 10) // an old one says nothing
	if got := w.room(10); got != 2*initialWindow {
		t.Errorf("room for %d after an old acknowledgement", got)
	}
	w.acknowledged(30, 28, 30) // two lost: 0.7 of it
	if got := w.room(30); got != 14 {
		t.Errorf("room for %d after a loss, want 14", got)
	}
	w.acknowledged(44, 40, 44) // the first 30 are of the same congestion, what came after is not
	if got := w.room(44); got != 9 {
		t.Errorf("room for %d after another loss, want 9", got)
	}
	before := w.size
	w.acknowledged(53, 49, 53) // congestion avoidance: about one more a round trip
	if w.size < before+0.8 || w.size > before+1.2 {
		t.Errorf("the window went from %.2f to %.2f", before, w.size)
	}
	w.silent(60)
	if got := w.room(60); got != minimalWindow {
		t.Errorf("room for %d after silence, want %d", got, minimalWindow)
	}
}

package tunnel

import (
	"fmt"
	"testing"
)

// manyTunnels is a gateway with n tunnels whose peers have no address.
func manyTunnels(tb testing.TB, n int) *Gateway {
	tb.Helper()
	c := valid()
	one := c.Tunnels[0]
	one.PeerAddress = ""
	c.Tunnels = nil
	for i := range n {
		one.Name, one.PeerID = fmt.Sprintf("tunnel-%d", i), fmt.Sprintf("gw-%d.example", i)
		c.Tunnels = append(c.Tunnels, one)
	}
	g, err := New(c, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// TestLookTakesTurns: after a change every tunnel is looked at, a few in each turn of the
// control loop; after another change in the midst of it, every tunnel once more, those
// first that have waited longest.
func TestLookTakesTurns(t *testing.T) {
	const n = 3*lookBatch - 1
	g := manyTunnels(t, n)
	const unseen = 1 // measuring takes it away, as no peer has an address
	forget := func() {
		for _, t := range g.tunnels {
			t.inner = unseen
		}
	}
	seen := func() (list []bool) {
		for _, t := range g.tunnels {
			list = append(list, t.inner != unseen)
		}
		return list
	}
	count := func() (n int) {
		for _, s := range seen() {
			if s {
				n++
			}
		}
		return n
	}

	forget()
	g.networkChanged()
	if got := count(); got != lookBatch || g.untilDeadline() != 0 {
		t.Fatalf("%d tunnels looked at in the first turn, the next one in %v", got, g.untilDeadline())
	}
	forget()
	g.networkChanged() // the tunnels behind the first batch have not had their turn yet
	if list := seen(); list[0] || !list[lookBatch] {
		t.Errorf("the first batch came again before the second")
	}
	for turns := 1; g.look.left > 0; turns++ {
		if turns > 3 {
			t.Fatalf("%d tunnels are left after %d turns", g.look.left, turns)
		}
		g.onTime(t.Context(), g.looked)
	}
	if got := count(); got != n {
		t.Errorf("%d of %d tunnels were looked at after the last change", got, n)
	}
	if g.untilDeadline() == 0 {
		t.Error("the loop does not rest after a look")
	}
}

// TestTimersRunTogether: a timer that is due soon after others ran waits a little, for more
// to run with it; after a rest it runs in time.
func TestTimersRunTogether(t *testing.T) {
	g, err := New(valid(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tn := g.tunnels[0]
	g.setPeer(tn, tn.peer) // it is asked again and again
	due := g.machine.Deadline()
	if got := g.ikeDeadline(); got.IsZero() || !got.Equal(due) {
		t.Errorf("after a rest: at %v, due at %v", got, due)
	}
	g.onTime(t.Context(), due)
	if !g.ticked.Equal(due) {
		t.Fatalf("the timer has not run when it was due")
	}
	g.ticked = g.machine.Deadline().Add(-tickRest / 2)
	if got, want := g.ikeDeadline(), g.ticked.Add(tickRest); !got.Equal(want) {
		t.Errorf("soon after others: at %v, want %v", got, want)
	}
	g.onTime(t.Context(), g.machine.Deadline())
	if !g.ticked.Equal(g.machine.Deadline().Add(-tickRest / 2)) {
		t.Error("it has run before the rest was over")
	}
}

func TestShortOfDescriptors(t *testing.T) {
	for _, c := range []struct {
		tunnels int
		limit   uint64
		want    int
	}{
		{10, 1024, 0}, {1024 - descriptorsBeside, 1024, 0}, {1024 - descriptorsBeside + 1, 1024, 1},
		{1000, 10, 1000 + descriptorsBeside - 10}, {1000, ^uint64(0), 0},
	} {
		if got := shortOfDescriptors(c.tunnels, c.limit); got != c.want {
			t.Errorf("%d tunnels with a limit of %d: %d short, want %d", c.tunnels, c.limit, got, c.want)
		}
	}
}

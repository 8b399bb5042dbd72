package ike

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// TestRestart kills one end and brings it back: with traffic only from the survivor it
// must flow again within two seconds, whichever side has the other's address.
func TestRestart(t *testing.T) {
	seed := uint64(0)
	var worst time.Duration
	for _, dead := range []string{"a", "b"} {
		for _, knows := range []string{"a", "b", "both"} {
			for _, outage := range []time.Duration{100 * time.Millisecond, 3 * time.Second, 25 * time.Second, 3 * time.Minute} {
				for range 4 {
					seed++
					w := newWorld(t, seed)
					a, b := pair(w, func(a, b *Peer) {
						if knows == "a" {
							b.Remote = netip.AddrPort{}
						} else if knows == "b" {
							a.Remote = netip.AddrPort{}
						}
					})
					connect := func(n *node) {
						if knows == "both" || knows == n.name {
							n.connect()
						}
					}
					connect(a)
					connect(b)
					w.run(12 * time.Second)
					w.quiet()
					survivor, victim := a, b
					if dead == "a" {
						survivor, victim = b, a
					}
					survivor.traffic = true
					w.run(3 * time.Second)
					victim.kill()
					w.run(outage)
					victim.boot()
					connect(victim)
					before := w.delivered[victim.name]
					what := fmt.Sprintf("%s restarts after %v, %s knows", dead, outage, knows)
					worst = max(worst, w.until(2*time.Second, what, func() bool { return w.delivered[victim.name] > before }))
					w.run(20 * time.Second)
					w.quiet()
				}
			}
		}
	}
	t.Logf("worst outage after the restart: %v", worst)
}

// TestRestartWithoutConnect restarts an end that does not connect of itself: the
// survivor's ESP makes it do so, or makes the survivor do so.
func TestRestartWithoutConnect(t *testing.T) {
	for _, knows := range []bool{true, false} {
		w := newWorld(t, 3)
		a, b := pair(w, func(a, b *Peer) {
			if !knows {
				b.Remote = netip.AddrPort{}
			}
		})
		a.connect()
		w.run(5 * time.Second)
		a.traffic = true
		w.run(time.Second)
		b.kill()
		w.run(time.Second)
		b.boot()
		before := w.delivered["b"]
		w.until(2*time.Second, "traffic", func() bool { return w.delivered["b"] > before })
		w.run(20 * time.Second)
		w.quiet()
	}
}

// TestRestartOfYoungSA restarts an end that waits for the other one, so soon after the
// tunnel came up that its first hint may have crossed with the handshake.
func TestRestartOfYoungSA(t *testing.T) {
	for age := 100 * time.Millisecond; age < 2500*time.Millisecond; age += 100 * time.Millisecond {
		w := newWorld(t, 3)
		a, b := pair(w, func(a, b *Peer) { b.Remote = netip.AddrPort{} })
		a.connect()
		w.until(time.Second, "up", func() bool { return a.ready() && b.ready() })
		a.traffic = true
		w.run(age)
		b.kill()
		w.run(300 * time.Millisecond)
		b.boot()
		before := w.delivered["b"]
		w.until(2*time.Second, "traffic", func() bool { return w.delivered["b"] > before })
		w.run(20 * time.Second)
		w.quiet()
	}
}

// TestLossyHandshake succeeds always at 20 % loss, in 10 s at the 99th percentile.
func TestLossyHandshake(t *testing.T) {
	const runs = 300
	var took []time.Duration
	for seed := uint64(1); seed <= runs; seed++ {
		w := newWorld(t, seed)
		w.loss, w.delayMax = 0.2, 60*time.Millisecond
		a, b := pair(w, nil)
		a.connect()
		took = append(took, w.until(time.Minute, "up", func() bool { return a.ready() && b.ready() }))
	}
	slices.Sort(took)
	if p99 := took[runs*99/100]; p99 > 10*time.Second {
		t.Errorf("99th percentile %v", p99)
	}
	t.Logf("median %v, 99th percentile %v, worst %v", took[runs/2], took[runs*99/100], took[runs-1])
}

// TestRekeyMakesBeforeBreaks rekeys under loss from either side and from both, with
// ESP both ways: no packet may meet an SA that is not there.
func TestRekeyMakesBeforeBreaks(t *testing.T) {
	for seed := uint64(1); seed <= 120; seed++ {
		w := newWorld(t, seed)
		w.delayMax = []time.Duration{10, 100, 300}[seed%3] * time.Millisecond
		a, b := pair(w, func(a, b *Peer) { a.PFS, b.PFS = seed%2 == 0, seed%2 == 0 })
		a.connect()
		w.run(5 * time.Second)
		w.quiet()
		w.strict = true
		a.traffic, b.traffic = true, seed%5 > 0
		w.loss = []float64{0, 0.1, 0.2}[seed/3%3]
		w.dup = 0.05
		for i := range 6 {
			before := a.using[1]
			if seed%4 != 0 {
				a.soft()
			}
			if seed%4 != 1 {
				w.run(time.Duration(i*7) * time.Millisecond)
				b.soft()
			}
			w.run(time.Duration(seed%7) * time.Second)
			w.until(30*time.Second, "rekey", func() bool { return a.using[1] != before })
		}
		w.loss = 0
		w.run(50 * time.Second)
		w.quiet()
		if a.ups != 1 || b.ups != 1 || len(a.downs)+len(b.downs) != 0 {
			w.failf("the IKE SA did not last: %d and %d times up", a.ups, b.ups)
		}
	}
}

// TestChildLifetime rekeys by time, within ±10 %.
func TestChildLifetime(t *testing.T) {
	w := newWorld(t, 5)
	a, b := pair(w, func(a, b *Peer) { a.ChildLifetime, b.ChildLifetime = time.Hour, 10*time.Hour })
	a.connect()
	w.run(time.Second)
	first := a.using[1]
	w.run(53 * time.Minute)
	if a.using[1] != first {
		t.Error("rekeyed too early")
	}
	w.run(14 * time.Minute)
	if a.using[1] == first {
		t.Error("not rekeyed")
	}
	w.quiet()
	_ = b
}

// TestHardLimit deletes the child and builds a new one.
func TestHardLimit(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	a.connect()
	w.run(5 * time.Second)
	first := a.using[1]
	b.hard()
	if _, ok := b.children[b.using[7]]; ok {
		t.Error("the exhausted child is still in use")
	}
	took := w.until(time.Second, "a new child", func() bool { return a.ready() && b.ready() && a.using[1] != first })
	w.run(10 * time.Second)
	w.quiet()
	if len(a.downs)+len(b.downs) > 0 {
		t.Errorf("down: %v %v", a.downs, b.downs)
	}
	t.Logf("new child after %v", took)
}

// TestDeadPeer finds out by silence, gives the reason and comes back.
func TestDeadPeer(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) { a.DPD = DPD{5 * time.Second, 6 * time.Second} })
	a.connect()
	w.run(time.Second)
	idle := a.sentIKE
	w.run(30 * time.Second)
	if n := a.sentIKE - idle; n < 3 || n > 10 {
		t.Errorf("%d messages in 30 s of silence", n)
	}
	b.kill()
	took := w.until(12*time.Second, "Down", func() bool { return len(a.downs) > 0 })
	if took < 5*time.Second || a.downs[0].Reason.Code != ReasonDead || len(a.children) != 0 {
		t.Errorf("after %v: %v, %d children", took, a.downs[0].Reason, len(a.children))
	}
	w.run(5 * time.Minute)
	b.boot()
	w.until(20*time.Second, "up again", func() bool { return a.ready() && b.ready() })
	w.run(10 * time.Second)
	w.quiet()
}

// TestNoProbeWhileHeard sends no liveness probe to a peer whose ESP comes in.
func TestNoProbeWhileHeard(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	a.connect()
	w.run(time.Second)
	a.traffic, b.traffic = true, true
	before := a.sentIKE + b.sentIKE
	w.run(2 * time.Minute)
	if n := a.sentIKE + b.sentIKE - before; n != 0 {
		t.Errorf("%d IKE messages beside ESP", n)
	}
}

// TestDelete removes a tunnel on one side, and the other side hears of it.
func TestDelete(t *testing.T) {
	for _, ev := range []Event{RemovePeer{1}, Shutdown{}} {
		w := newWorld(t, 1)
		a, b := pair(w, nil)
		a.connect()
		w.run(time.Second)
		a.step(ev)
		w.run(10 * time.Second)
		if len(a.children)+len(b.children)+len(a.m.sas)+len(b.m.sas) != 0 {
			w.failf("left over after %T", ev)
		}
		if len(b.downs) != 1 || b.downs[0].Reason.Code != ReasonDeleted || a.downs[0].Reason.Code != ReasonRemoved {
			w.failf("%v and %v", a.downs, b.downs)
		}
		if a.m.Status(1).Known || !a.m.Deadline().IsZero() {
			t.Errorf("a still knows the peer, or has a timer")
		}
	}
}

// TestReplacePeer changes a peer's configuration under its ID.
func TestReplacePeer(t *testing.T) {
	w := newWorld(t, 1)
	a, _ := pair(w, nil)
	a.connect()
	w.run(time.Second)
	w.quiet()
	changed, _ := pairConfig()
	changed.Local = selectors("10.1.4.0/24")
	a.peers = []Peer{changed}
	a.step(AddPeer{changed})
	a.connect()
	w.run(20 * time.Second)
	w.quiet()
	if got := selectorText(a.children[a.using[1]].Local); got != "10.1.4.0/24" {
		t.Errorf("selectors %s", got)
	}
}

// TestMoved follows an address of authenticated ESP, and of an authenticated IKE
// request.
func TestMoved(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	a.connect()
	w.run(5 * time.Second)
	a.addr = netip.MustParseAddrPort("198.51.100.7:31000")
	a.traffic = true
	w.until(time.Second, "ESP moves the peer", func() bool { return b.endpoint[7] == a.addr })
	a.traffic = false
	w.run(3 * time.Second)
	a.addr = netip.MustParseAddrPort("198.51.100.7:32000")
	a.soft()
	w.until(time.Second, "IKE moves the peer", func() bool { return b.endpoint[7] == a.addr })
	w.run(10 * time.Second)
	w.quiet()
}

// TestChildDeletedByPeer lets the other end delete the child alone: a new one is made.
func TestChildDeletedByPeer(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	a.connect()
	w.run(time.Second)
	c := b.m.peers[7].using
	c.delete()
	b.step(Tick{})
	w.run(15 * time.Second)
	w.quiet()
}

// TestClockJump holds the machine to differences of time: two worlds, years apart,
// have the same trace.
func TestClockJump(t *testing.T) {
	run := func(start time.Time) string {
		w := newWorld(t, 9)
		w.now, w.start = start, start
		a, b := pair(w, nil)
		a.connect()
		w.run(time.Second)
		b.soft()
		w.run(time.Minute)
		w.quiet()
		return w.trace.String()
	}
	if run(time.Unix(1, 0)) != run(time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Error("the time of day matters")
	}
}

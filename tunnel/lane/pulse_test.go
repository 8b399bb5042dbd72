package lane

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"vpngw/tunnel/drop"
)

// line is a tunnel with a strand between two groups of two lanes.
type line struct {
	*testing.T
	near, far             []*gate
	nearMain, farMain     *site
	nearStrand, farStrand *site
}

func newLine(t *testing.T) *line {
	c := &line{T: t, near: newGates(t, 2), far: newGates(t, 2)}
	end := func(gates []*gate, far bool) (main, strand *site) {
		main, strand = gates[0].site(1, far), gates[1].site(21, far)
		main.home.Store(gates[0].lane)
		strand.home.Store(gates[1].lane)
		strand.Strand = 1
		strand.in.Policy, strand.out.Policy = main.in.Policy, main.out.Policy
		main.Spread(2)
		gates[1].lane.SetStrand(main.Tunnel, strand.Tunnel)
		for _, g := range gates {
			g.lane.SetRoutes(gates[0].lane.routes)
		}
		return main, strand
	}
	c.nearMain, c.nearStrand = end(c.near, false)
	c.farMain, c.farStrand = end(c.far, true)
	join(c.nearMain, c.farMain)
	join(c.nearStrand, c.farStrand)
	return c
}

// cut stops what goes by a strand, forth, back, or both.
func (c *line) cut(forth, back bool) {
	c.nearStrand.socket.peer, c.farStrand.socket.peer = c.farStrand.socket, c.nearStrand.socket
	if forth {
		c.nearStrand.socket.peer = nil
	}
	if back {
		c.farStrand.socket.peer = nil
	}
}

// run lets time pass in steps of 10 ms, with a packet of the near end in each of them if it
// sends, and returns what the near end's control heard.
func (c *line) run(d time.Duration, sends bool) (events []Event) {
	c.Helper()
	for ; d > 0; d -= 10 * time.Millisecond {
		if sends {
			c.near[1].tun.push(tcp4(1, 5).plain(nil))
		}
		for range 2 { // there and back
			for _, g := range append(c.near, c.far...) {
				g.step()
			}
		}
		for _, g := range append(c.near, c.far...) {
			g.passes(10 * time.Millisecond)
		}
		events = append(events, c.near[0].events()...)
		c.far[0].events()
	}
	return events
}

// TestPulse: a strand that sends asks and is answered, one that does not send does not ask,
// and none of it counts as a packet or a drop.
func TestPulse(t *testing.T) {
	c := newLine(t)
	events := c.run(2*time.Second, true)
	if n := len(of[PathSilent](events)) + len(of[PathAnswered](events)); n > 0 {
		t.Errorf("control heard of a path that is well %d times", n)
	}
	k := &c.nearStrand.Counters
	if asked, answers := k.Questions.Load(), k.Answers.Load(); asked < 6 || asked > 9 || answers+1 < asked {
		t.Errorf("%d questions and %d answers in two seconds", asked, answers)
	}
	if trip := time.Duration(k.RoundTrip.Load()); trip <= 0 || trip > 5*time.Millisecond {
		t.Errorf("a round trip of %v", trip)
	}
	c.run(time.Second, false)
	asked := k.Questions.Load()
	c.run(time.Minute, false)
	if got := k.Questions.Load(); got != asked {
		t.Errorf("%d questions of a strand without packets", got-asked)
	}
	if at := c.near[1].lane.wakeTime(); at != 0 {
		t.Errorf("the lane wakes up at %d for nothing", at)
	}
	for _, s := range []*site{c.nearStrand, c.farStrand} {
		wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{})
	}
	if out, in := k.PacketsOut.Load(), c.farStrand.Counters.PacketsIn.Load(); out != 200 || in != 200 {
		t.Errorf("%d packets out and %d in, want 200", out, in)
	}
}

// TestPulseOnDeadPath cuts a strand's path in one direction or both: control hears of it
// after a second, again and again, and once when it is well again.
func TestPulseOnDeadPath(t *testing.T) {
	for _, tt := range []struct {
		name        string
		forth, back bool
	}{{"forth", true, false}, {"back", false, true}, {"both", true, true}} {
		t.Run(tt.name, func(t *testing.T) {
			c := newLine(t)
			c.run(time.Second, true)
			c.cut(tt.forth, tt.back)
			before := c.nearStrand.Counters.Questions.Load()
			if silent := of[PathSilent](c.run(900*time.Millisecond, true)); len(silent) > 1 {
				t.Errorf("%d times silent in less than a second", len(silent))
			}
			silent := of[PathSilent](c.run(400*time.Millisecond, true))
			if len(silent) == 0 || silent[0].Tunnel != c.nearStrand.Tunnel {
				t.Fatalf("after 1.3 seconds: silent %v", silent)
			}
			if n := c.nearStrand.Counters.Questions.Load() - before; n < 6 || n > 14 {
				t.Errorf("%d questions before it was told", n)
			}
			if n := len(of[PathSilent](c.run(10*time.Second, false))); n < 5 || n > 20 {
				t.Errorf("told %d more times in ten seconds", n)
			}
			c.cut(false, false)
			events := c.run(10*time.Second, false)
			if n := len(of[PathAnswered](events)); n != 1 || len(of[PathSilent](c.run(time.Second, true))) > 0 {
				t.Errorf("well again: answered %d times", n)
			}
		})
	}
}

// TestPulseOnLossyPath: of a path that loses a tenth of what goes each way, control does not
// hear.
func TestPulseOnLossyPath(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := newLine(t)
		for range 6000 {
			c.cut(r.IntN(10) == 0, r.IntN(10) == 0)
			if n := len(of[PathSilent](c.run(10*time.Millisecond, true))); n > 0 {
				t.Fatalf("seed %d: silent %d times", seed, n)
			}
		}
		if n := c.nearStrand.Counters.Answers.Load(); n < 100 {
			t.Errorf("%d answers in a minute", n)
		}
	}
}

// TestPulseOnLongPath: what takes long is not taken for dead, as long as that is known.
func TestPulseOnLongPath(t *testing.T) {
	c := newLine(t)
	c.nearStrand.pulse.trip = second / 2
	c.cut(true, true)
	if n := len(of[PathSilent](c.run(1900*time.Millisecond, true))); n > 0 {
		t.Errorf("silent %d times in less than four round trips", n)
	}
	if n := len(of[PathSilent](c.run(400*time.Millisecond, true))); n == 0 {
		t.Error("not silent after more than four")
	}
}

// TestAsk: control hears of the answer once. A strand asks until there is one, or until it
// is stopped; a tunnel itself asks once.
func TestAsk(t *testing.T) {
	c := newLine(t)
	c.near[0].lane.Ask(c.nearMain.Tunnel)
	c.near[1].lane.Ask(c.nearStrand.Tunnel)
	var heard []*Tunnel
	for _, e := range of[PathAnswered](c.run(time.Second, false)) {
		heard = append(heard, e.Tunnel)
	}
	if len(heard) != 2 || heard[0] == heard[1] {
		t.Errorf("answered %v", heard)
	}
	c.cut(true, true)
	c.nearMain.socket.peer = nil
	c.near[0].lane.Ask(c.nearMain.Tunnel)
	c.near[1].lane.Ask(c.nearStrand.Tunnel)
	c.run(500*time.Millisecond, false)
	if main, strand := c.nearMain.Counters.Questions.Load(), c.nearStrand.Counters.Questions.Load(); main != 2 || strand < 4 {
		t.Errorf("the tunnel asked %d times, the strand %d times", main, strand)
	}
	c.near[1].lane.StopAsking(c.nearStrand.Tunnel)
	before := c.nearStrand.Counters.Questions.Load()
	if events := c.run(3*time.Second, false); len(of[PathSilent](events)) > 0 || c.nearStrand.Counters.Questions.Load() != before {
		t.Error("it goes on to ask")
	}
	// Without an SA there is nothing to ask by, and nothing to wait for.
	c.near[1].lane.Ask(c.nearStrand.Tunnel)
	c.near[1].lane.SetOutbound(c.nearStrand.Tunnel, nil)
	if events := c.run(3*time.Second, false); len(of[PathSilent](events)) > 0 || c.near[1].lane.wakeTime() != 0 {
		t.Error("it waits for an answer without an SA to ask by")
	}
}

// TestPulseAfterAStop: what was never asked, since the lane did not run, is not taken for
// unanswered, and an answer to what was asked before does not count.
func TestPulseAfterAStop(t *testing.T) {
	c := newLine(t)
	c.run(time.Second, true)
	c.run(time.Second, false)
	c.near[1].tun.push(tcp4(1, 5).plain(nil))
	c.near[1].step()
	c.near[1].passes(5 * time.Second)
	if n := len(of[PathSilent](c.run(900*time.Millisecond, false))); n > 0 {
		t.Errorf("silent %d times", n)
	}
	c.cut(false, true)
	l, s := c.near[1].lane, c.nearStrand
	l.Ask(s.Tunnel)
	c.run(100*time.Millisecond, false)
	answers := c.farStrand.socket.sent
	l.StopAsking(s.Tunnel)
	c.run(time.Second, false)
	l.Ask(s.Tunnel)
	s.socket.arrive(1000, answers[len(answers)-1])
	events := c.run(10*time.Second, false) // the path seems to be long by now
	if len(of[PathAnswered](events)) > 0 || len(of[PathSilent](events)) == 0 {
		t.Errorf("the answer to an earlier question counts: %v", events)
	}
}

// TestOtherDummies: what is no question or answer is a dummy, also one that has an answer
// to what was never asked.
func TestOtherDummies(t *testing.T) {
	c := newLine(t)
	s := c.nearStrand
	content := append(append([]byte{}, pulseMark...), make([]byte, pulseLen-len(pulseMark))...)
	var sent []byte
	s.socket.peer = nil
	for n, b := range [][]byte{nil, content[:pulseLen-1], append(content, 0), make([]byte, pulseLen)} {
		s.arrives(c.near[1], s.sealAs(b, nextDummy), nil)
		if got := s.Counters.Drops.Get(drop.Dummy); got != uint64(n+1) {
			t.Errorf("%x: %d dummies are counted, want %d", b, got, n+1)
		}
	}
	binary.BigEndian.PutUint64(content[12:], 1<<63-1)
	s.arrives(c.near[1], s.sealAs(content, nextDummy), nil)
	if s.Counters.Answers.Load() != 0 || len(s.socket.sent) != 0 {
		t.Errorf("%d answers were taken, %x was sent", s.Counters.Answers.Load(), sent)
	}
}

// TestStrandGivesBack: what waits for a strand goes by the tunnel when the strand is taken
// out of use, and before what comes after it.
func TestStrandGivesBack(t *testing.T) {
	for _, home := range []int{0, 1} {
		c := newLine(t)
		s, st := c.nearMain, c.nearStrand
		s.socket.peer = nil
		if home == 1 { // as homing may have it while no strand is in use
			c.near[1].uplink, c.near[0].uplink = c.near[0].uplink, c.near[1].uplink
			if !s.Move(c.near[1].lane, uplinkOn([]*gate{c.near[1], c.near[0]})) {
				t.Fatal("the tunnel does not move")
			}
			for range 10 {
				c.near[0].step()
				c.near[1].step()
			}
		}
		st.block(0)
		f := tcp4(1, 5)
		var want [][]byte
		for i := range 30 {
			p := f.super(bytesOf(10*1000, byte(i)), 1000)
			if i%3 == 2 {
				p = f.plain(bytesOf(i, 0))
			}
			want = append(want, cut(t, p)...)
			c.near[1].tun.push(p)
			if i == 20 {
				c.near[1].step()
				c.near[1].lane.SetStrand(s.Tunnel, nil)
			}
		}
		for range 4 {
			c.near[1].step()
			c.near[0].step()
		}
		got := s.opened(t)
		held := len(want) - len(got) // sealed already on the strand's SA
		if held <= 0 || held > len(want)/2 {
			t.Fatalf("home %d: %d of %d packets left by the tunnel", home, len(got), len(want))
		}
		for i := range got {
			if string(got[i]) != string(want[held+i]) {
				t.Fatalf("home %d: packet %d is not the one that should be there", home, i)
			}
		}
		st.free()
		c.near[1].step()
		st.wantPackets(t, want[:held])
	}
}

// TestNoAllocationPulse: questions and answers are made in place.
func TestNoAllocationPulse(t *testing.T) {
	c := newLine(t)
	c.nearStrand.socket.discard = true
	super := tcp4(1, 5).super(bytesOf(45*1398, 1), 1398)
	if got := testing.AllocsPerRun(200, func() {
		c.near[1].passes(10 * time.Millisecond)
		c.near[1].tun.push(super)
		c.near[1].step()
	}); got != 0 {
		t.Errorf("%v allocations for a superpacket", got)
	}
	if n := c.nearStrand.Counters.Questions.Load(); n < 5 {
		t.Errorf("%d questions", n)
	}
}

package pmtu

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// path is a simulated path with a peer behind it. What IKE does with a probe is taken as
// its outcome after the time that it takes there.
type path struct {
	t   testing.TB
	now time.Time
	s   *Search

	mtu      int           // of the narrowest link
	loss     float64       // of a probe in either direction
	rng      *rand.Rand    // nil: no loss
	trip     time.Duration // there and back
	wait     time.Duration // until a probe that was not answered is sent once more
	icmp     bool          // routers tell
	traffic  bool          // large datagrams leave
	gone     bool          // the peer answers nothing
	outcomes func() Outcome

	probes  []int
	largest time.Time // when LargeSent was said last
	answer  time.Time
	pending Outcome
	size    int
}

var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func newPath(t testing.TB, route, mtu int) *path {
	return &path{t: t, now: epoch, s: New(epoch, route, FloorIPv4), mtu: mtu, trip: 20 * time.Millisecond, wait: 100 * time.Millisecond}
}

// run lets time pass in steps of 10 ms.
func (p *path) run(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); p.now = p.now.Add(10 * time.Millisecond) {
		p.step()
	}
}

func (p *path) step() {
	if p.size != 0 && !p.now.Before(p.answer) {
		size := p.size
		p.size = 0
		p.s.Outcome(p.now, size, p.pending)
	}
	if p.traffic && p.now.Sub(p.largest) >= 200*time.Millisecond {
		p.largest = p.now
		p.s.LargeSent(p.now)
		if p.icmp && p.s.MTU() > p.mtu {
			p.s.Hint(p.now, p.mtu)
		}
	}
	size := p.s.Next(p.now)
	if size == 0 {
		if d := p.s.Deadline(); p.size == 0 && !d.IsZero() && d.Before(p.now.Add(-time.Second)) {
			p.t.Fatalf("a deadline of %v, and nothing is done at %v", d.Sub(epoch), p.now.Sub(epoch))
		}
		return
	}
	if p.size != 0 {
		p.t.Fatalf("a probe of %d beside one of %d", size, p.size)
	}
	if size > p.s.max || size < p.s.floor {
		p.t.Fatalf("a probe of %d", size)
	}
	p.probes = append(p.probes, size)
	if p.gone {
		return
	}
	p.size, p.pending, p.answer = size, Passed, p.now.Add(p.trip)
	first, second := p.isLost(), p.isLost()
	if first {
		p.answer = p.answer.Add(p.wait) // that to the second
	}
	if size > p.mtu || first && second {
		p.pending, p.answer = Lost, p.now.Add(p.verdict())
		if p.icmp && size > p.mtu {
			p.s.Hint(p.now, p.mtu)
		}
	}
	if p.outcomes != nil {
		p.pending = p.outcomes()
	}
}

func (p *path) isLost() bool { return p.rng != nil && p.rng.Float64() < 2*p.loss }

// verdict is how long IKE takes to find out that a probe was lost: it is sent whole, whole,
// and in pieces, whose answer takes a trip; the verdict is held for a further answer.
func (p *path) verdict() time.Duration { return 2*p.wait + p.trip + p.wait*5/4 + 20*time.Millisecond }

// until runs until ok and gives the time that it took.
func (p *path) until(limit time.Duration, what string, ok func() bool) time.Duration {
	p.t.Helper()
	begin := p.now
	for !ok() {
		if p.now.Sub(begin) > limit {
			p.t.Fatalf("not in %v: %s; MTU %d, %v, probes %v", limit, what, p.s.MTU(), p.s.Source(), p.probes)
		}
		p.step()
		p.now = p.now.Add(10 * time.Millisecond)
	}
	return p.now.Sub(begin)
}

func (p *path) found() bool {
	return p.s.MTU() <= p.mtu && p.s.MTU() > p.mtu-precise && p.s.phase == settled
}

// TestStart: the route's MTU is used at once, and confirmed by one probe.
func TestStart(t *testing.T) {
	p := newPath(t, 1500, 1500)
	if p.s.MTU() != 1500 || p.s.Source() != Route {
		t.Errorf("begins with %d, %v", p.s.MTU(), p.s.Source())
	}
	p.run(time.Hour)
	if fmt.Sprint(p.probes) != "[1500]" || p.s.MTU() != 1500 || p.s.Source() != Probed {
		t.Errorf("probes %v, MTU %d, %v", p.probes, p.s.MTU(), p.s.Source())
	}
	if !p.s.Changed().IsZero() || !p.s.Deadline().IsZero() {
		t.Errorf("changed %v, waits for %v", p.s.Changed(), p.s.Deadline())
	}
}

// TestFinds every MTU that a path may have, in few probes, with and without ICMP.
func TestFinds(t *testing.T) {
	most, sum := 0, 0
	for mtu := FloorIPv4; mtu <= 1500; mtu++ {
		for _, icmp := range []bool{false, true} {
			p := newPath(t, 1500, mtu)
			p.icmp, p.traffic = icmp, true
			p.until(20*time.Second, fmt.Sprintf("the MTU of %d", mtu), p.found)
			if icmp && p.s.MTU() != mtu {
				t.Errorf("found %d, routers said %d", p.s.MTU(), mtu)
			}
			if p.s.Source() != Probed {
				t.Errorf("%d is %v", p.s.MTU(), p.s.Source())
			}
			if !icmp {
				most, sum = max(most, len(p.probes)), sum+len(p.probes)
			}
		}
	}
	t.Logf("at most %d probes, %d on average", most, sum/(1501-FloorIPv4))
	if most > 24 {
		t.Errorf("%d probes", most)
	}
}

// TestFindsJumbo on paths wider than Ethernet.
func TestFindsJumbo(t *testing.T) {
	for _, mtu := range []int{1280, 1500, 1501, 4352, 8999, 9000, 9216} {
		p := newPath(t, 9216, mtu)
		p.until(20*time.Second, fmt.Sprintf("the MTU of %d", mtu), p.found)
	}
}

// TestShrinkAndGrow is a wire that goes from 1500 to 1300 and back under traffic: it is
// left within a second, and used in full again within half a minute.
func TestShrinkAndGrow(t *testing.T) {
	for _, icmp := range []bool{false, true} {
		for offset := range 50 { // of the change within the rhythm of probes
			p := newPath(t, 1500, 1500)
			p.icmp, p.traffic = icmp, true
			p.run(3*time.Second + time.Duration(offset)*10*time.Millisecond)
			p.mtu = 1300
			left := p.until(3*time.Second, "smaller", func() bool { return p.s.MTU() <= 1300 })
			limit := 1200 * time.Millisecond
			if icmp {
				limit = 600 * time.Millisecond
			}
			if left > limit {
				t.Errorf("ICMP %t: left after %v", icmp, left)
			}
			p.until(10*time.Second, "1300", func() bool { return p.s.MTU() == 1300 })
			p.run(5 * time.Second)
			p.mtu = 1500
			p.until(25*time.Second, "1500", func() bool { return p.s.MTU() == 1500 })
		}
	}
}

// TestShrinkOnALongPath: how soon it is left without ICMP grows with the round trip by less
// than six of them, wherever in the rhythm of probes the path has become narrow.
func TestShrinkOnALongPath(t *testing.T) {
	for _, c := range []struct{ trip, limit time.Duration }{
		{time.Millisecond, 700 * time.Millisecond}, {50 * time.Millisecond, 900 * time.Millisecond},
		{100 * time.Millisecond, 1100 * time.Millisecond}, {200 * time.Millisecond, 1600 * time.Millisecond},
	} {
		var worst time.Duration
		for offset := range 50 {
			p := newPath(t, 1500, 1500)
			p.trip, p.wait, p.traffic = c.trip, max(c.trip*5/4+50*time.Millisecond, 100*time.Millisecond), true
			p.run(3*time.Second + time.Duration(offset)*10*time.Millisecond)
			p.mtu = 1300
			worst = max(worst, p.until(3*time.Second, "smaller", func() bool { return p.s.MTU() <= 1300 }))
		}
		t.Logf("a round trip of %v: left after %v at worst", c.trip, worst)
		if worst > c.limit {
			t.Errorf("a round trip of %v: left after %v", c.trip, worst)
		}
	}
}

// TestConfirmGoesOn: where large datagrams leave while a probe is under way, the next one
// does not wait for another of them.
func TestConfirmGoesOn(t *testing.T) {
	for _, large := range []bool{false, true} {
		s := New(epoch, 1500, FloorIPv4)
		s.Next(epoch)
		sent := epoch.Add(time.Second)
		s.Outcome(sent, 1500, Passed)
		s.LargeSent(sent)
		s.Next(sent)
		if large {
			s.LargeSent(sent.Add(time.Millisecond))
		}
		s.Outcome(sent.Add(200*time.Millisecond), 1500, Passed)
		want := time.Time{}
		if large {
			want = sent.Add(confirmEvery)
		}
		if got := s.Deadline(); !got.Equal(want) {
			t.Errorf("large datagrams %t: the next probe is due %v after the last", large, got.Sub(sent))
		}
	}
}

// TestRaiseUnderLoad: that the size in use is confirmed without a pause, on a path whose
// round trip is as long as that takes, does not keep from looking higher.
func TestRaiseUnderLoad(t *testing.T) {
	p := newPath(t, 1500, 1300)
	p.trip, p.wait, p.traffic = 400*time.Millisecond, 550*time.Millisecond, true
	p.until(30*time.Second, "1300", p.found)
	p.mtu = 1500
	p.until(raiseMax+2*time.Second, "1500", func() bool { return p.s.MTU() == 1500 })
}

// TestNeverAboveWhatFails: without ICMP, once a size has failed nothing larger than it is
// used before the path is seen to have grown.
func TestNeverAboveWhatFails(t *testing.T) {
	p := newPath(t, 1500, 1400)
	p.traffic = true
	p.until(10*time.Second, "1400", p.found)
	for range 6000 {
		p.run(50 * time.Millisecond)
		if p.s.MTU() != 1400 {
			t.Fatalf("%d is used", p.s.MTU())
		}
	}
	// In five minutes: confirmations three times a second, and less than ten looks at what is above.
	higher := 0
	for _, size := range p.probes {
		if size > 1400 {
			higher++
		}
	}
	if n := len(p.probes); n > 1100 || higher > 60 {
		t.Errorf("%d probes, %d of them above what passes", n, higher)
	}
}

// TestIdle: without large datagrams nothing is confirmed, and a path that has shrunk is
// looked at once a minute.
func TestIdle(t *testing.T) {
	p := newPath(t, 1500, 1400)
	p.until(10*time.Second, "1400", p.found)
	p.probes = nil
	p.run(time.Hour)
	if n := len(p.probes); n > 70*6 || n < 50 {
		t.Errorf("%d probes in an hour: %v", n, p.probes)
	}
}

// TestLoss: chance may cost a while at a smaller size, but not for long, and not often.
func TestLoss(t *testing.T) {
	for seed := range uint64(20) {
		p := newPath(t, 1500, 1500)
		p.rng, p.loss, p.traffic = rand.New(rand.NewPCG(seed, 0)), 0.01, true
		smaller := 0
		for range 600 {
			p.run(time.Second)
			if p.s.MTU() < 1500 {
				smaller++
			}
		}
		if smaller > 60 {
			t.Errorf("seed %d: smaller for %d s of 600", seed, smaller)
		}
		p.loss = 0
		p.until(2*time.Minute, "1500", func() bool { return p.s.MTU() == 1500 })
	}
}

// TestForgedHints: whatever strangers say of a path that carries 1500 bytes, they cause a
// probe a second.
func TestForgedHints(t *testing.T) {
	p := newPath(t, 1500, 1500)
	p.run(time.Second)
	p.probes = nil
	for i := range 1000 {
		p.s.Hint(p.now, []int{0, 1, 68, 576, 600, 1280, 1400, 1499, 1500, 65535}[i%10])
		p.run(10 * time.Millisecond)
		if p.s.MTU() != 1500 {
			t.Fatalf("%d is used", p.s.MTU())
		}
	}
	if n := len(p.probes); n > 11 || n < 9 {
		t.Errorf("%d probes in ten seconds", n)
	}
}

// TestForgedHintOnANarrowPath: a lie beside the truth is found out.
func TestForgedHintOnANarrowPath(t *testing.T) {
	for _, lie := range []int{576, 1000, 1290, 1350, 1450} {
		p := newPath(t, 1500, 1500)
		p.run(time.Second)
		p.mtu = 1300
		p.s.Hint(p.now, lie)
		p.until(15*time.Second, fmt.Sprintf("1300 with a hint of %d", lie), p.found)
	}
}

// TestFloor: smaller than the floor is nothing, and the peer is asked again now and then.
func TestFloor(t *testing.T) {
	p := newPath(t, 1500, 400)
	p.run(time.Minute)
	if p.s.MTU() != FloorIPv4 {
		t.Errorf("MTU %d", p.s.MTU())
	}
	p.mtu = 1500
	p.until(time.Minute, "1500", func() bool { return p.s.MTU() == 1500 })

	six := &path{t: t, now: epoch, s: New(epoch, 1500, FloorIPv6), mtu: 1000, trip: time.Millisecond, wait: 100 * time.Millisecond, icmp: true}
	six.run(time.Minute)
	if six.s.MTU() != FloorIPv6 {
		t.Errorf("IPv6: MTU %d", six.s.MTU())
	}
}

// TestUnknown outcomes change nothing, and are asked for again.
func TestUnknown(t *testing.T) {
	p := newPath(t, 1500, 1400)
	n := 0
	p.outcomes = func() Outcome {
		n++
		return Unknown
	}
	p.run(10 * time.Second)
	if p.s.MTU() != 1500 || p.s.Source() != Route || n < 10 || n > 25 {
		t.Errorf("MTU %d, %v, after %d probes", p.s.MTU(), p.s.Source(), n)
	}
	p.outcomes = nil
	p.until(10*time.Second, "1400", p.found)
}

// TestGone: a probe without outcome holds nothing up for ever.
func TestGone(t *testing.T) {
	p := newPath(t, 1500, 1400)
	p.gone = true
	p.run(time.Minute)
	if p.s.MTU() != 1500 || len(p.probes) != 2 {
		t.Errorf("MTU %d, probes %v", p.s.MTU(), p.probes)
	}
	p.gone = false
	p.s.Abandon(p.now)
	p.until(5*time.Second, "1400", p.found)
	p.s.Abandon(p.now)
	if p.run(time.Second); p.s.MTU() != 1400 {
		t.Errorf("with nothing to abandon: MTU %d", p.s.MTU())
	}
}

// TestUnsupported: a peer that cannot be probed leaves the route's MTU, and as a hint what
// routers say; but not less than nearly every path carries, and not for ever.
func TestUnsupported(t *testing.T) {
	p := newPath(t, 1500, 1400)
	p.outcomes = func() Outcome { return Unsupported }
	p.run(time.Minute)
	if p.s.MTU() != 1500 || p.s.Source() != Route || len(p.probes) != 1 {
		t.Errorf("MTU %d, %v, probes %v", p.s.MTU(), p.s.Source(), p.probes)
	}
	p.s.LargeSent(p.now)
	p.s.Hint(p.now, 1400)
	p.step()
	if p.s.MTU() != 1400 || p.s.Source() != ICMPHint || len(p.probes) != 1 {
		t.Errorf("after a hint: MTU %d, %v, probes %v", p.s.MTU(), p.s.Source(), p.probes)
	}
	p.s.Hint(p.now, 600)
	if p.s.MTU() != Base {
		t.Errorf("after a hint of 600: MTU %d", p.s.MTU())
	}
	p.run(2 * time.Minute)
	if p.s.MTU() != 1500 || p.s.Source() != Route {
		t.Errorf("two minutes later: MTU %d, %v", p.s.MTU(), p.s.Source())
	}
	p.s.Route(p.now, 1300)
	if p.s.MTU() != 1300 {
		t.Errorf("a route of 1300: MTU %d", p.s.MTU())
	}
}

// TestRoute: a device whose MTU changes is followed at once downwards, and upwards when
// the path is seen to carry more.
func TestRoute(t *testing.T) {
	p := newPath(t, 1500, 1500)
	p.run(time.Second)
	p.s.Route(p.now, 1400)
	if p.s.MTU() != 1400 || p.s.Source() != Route {
		t.Errorf("MTU %d, %v", p.s.MTU(), p.s.Source())
	}
	p.run(time.Second)
	if p.s.Source() != Probed {
		t.Error("not confirmed")
	}
	p.s.Route(p.now, 9000)
	if p.s.MTU() != 1400 {
		t.Errorf("MTU %d without a probe", p.s.MTU())
	}
	p.until(10*time.Second, "1500", p.found)
	p.mtu = 9000
	p.until(2*time.Minute, "9000", func() bool { return p.s.MTU() == 9000 })
}

// TestAnyLife throws events at a search in any order: it stays within its bounds, never
// has two probes under way, and finds the truth when it is left alone.
func TestAnyLife(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		route := 600 + r.IntN(9000)
		p := newPath(t, route, 600+r.IntN(route))
		p.rng, p.loss, p.icmp = r, 0.05, r.IntN(2) == 0
		for range 200 {
			switch r.IntN(8) {
			case 0:
				p.mtu = 577 + r.IntN(route)
			case 1:
				route = 600 + r.IntN(9000)
				p.s.Route(p.now, route)
			case 2:
				p.s.Hint(p.now, r.IntN(10000))
			case 3:
				p.traffic = !p.traffic
			case 4:
				p.s.Outcome(p.now, r.IntN(1500), Outcome(r.IntN(3)))
			case 5:
				p.run(time.Duration(r.IntN(20)) * time.Second)
			default:
				p.run(time.Duration(r.IntN(1000)) * time.Millisecond)
			}
			if m := p.s.MTU(); m > route || m < min(FloorIPv4, route) {
				t.Fatalf("seed %d: MTU %d of a route of %d", seed, m, route)
			}
		}
		p.loss, p.traffic = 0, true
		p.mtu = min(p.mtu, route)
		p.until(3*time.Minute, fmt.Sprintf("seed %d: %d of %d", seed, p.mtu, route), p.found)
	}
}

package fairness

import (
	"math/big"
	"testing"
	"time"
)

// Whatever the rate, what was sent takes as long as it must, to the nanosecond.
func TestShaperDoesNotDrift(t *testing.T) {
	for _, rate := range []uint64{8_000, 1_000_003, 99_999_999, 950_000_000, 7_777_777_777, 1_000_000_000_000} {
		s := shaper{rate: rate, at: 1}
		total := int64(0)
		for i := range 100_000 {
			bytes := 1 + i*7919%90_000
			s.sent(s.at, s.at, bytes)
			total += int64(bytes)
		}
		want := new(big.Int).Mul(big.NewInt(total), big.NewInt(8_000_000_000))
		want.Div(want, new(big.Int).SetUint64(rate))
		if got := s.at - 1; got != want.Int64() {
			t.Errorf("at %d bit/s %d bytes took %d ns, want %v", rate, total, got, want)
		}
	}
}

// A caller that is late by less than catchUp loses nothing while something waits; what
// leaves at one instant after idle time is bounded by burst, after a long stall by catchUp.
func TestShaperCatchesUp(t *testing.T) {
	const slice = 3125 // 250 µs
	s := shaper{rate: 1e8, at: 1}
	now, sent := int64(1), 0
	for i := 0; now < int64(time.Second); i++ {
		for s.open(now) {
			s.sent(now, 1, slice)
			sent += slice
		}
		late := i * 37 % 200
		if i%50 == 0 {
			late = 900
		}
		now = s.at + int64(late)*1000
	}
	if rate := float64(sent) * 8; rate < .995e8 || rate > 1.001e8 {
		t.Errorf("%.0f bit/s", rate)
	}
	for _, c := range []struct {
		what    string
		arrived int64 // before now
		most    int
	}{
		{"after idle time", 0, 12_500},
		{"after idle time and a little lateness", 1_000_000, 12_500 + slice},
		{"after a stall", 1_000_000_000, 12_500 + slice},
	} {
		now = s.at + int64(time.Second)
		left := 0
		for s.open(now) {
			s.sent(now, now-c.arrived, slice)
			left += slice
		}
		if left < slice || left > c.most {
			t.Errorf("%s %d bytes left at one instant, want ≤ %d", c.what, left, c.most)
		}
	}
}

func TestSliceSizes(t *testing.T) {
	for _, c := range []struct {
		rate  uint64
		slice int
	}{
		{0, maxSlice}, {8_000, 1}, {100e6, 3125}, {400e6, 12500}, {1e9, 31250}, {10e9, maxSlice}, {1e12, maxSlice}, {1 << 63, maxSlice},
	} {
		if q := NewQueue[int](Config{Rate: c.rate}); q.slice != c.slice {
			t.Errorf("at %d bit/s a slice is %d bytes, want %d", c.rate, q.slice, c.slice)
		}
	}
}

// A class that has emptied keeps its rate.
func TestOwnRateOfSinglePackets(t *testing.T) {
	q := NewQueue[int](Config{})
	c := q.NewClass(ClassConfig{Rate: 12_000_000}) // a segment a millisecond
	other := q.NewClass(ClassConfig{})
	now, sent := int64(1), 0
	for ; now < int64(time.Second); now += int64(100 * time.Microsecond) {
		if c.Len() == 0 {
			put(q, now, c, 1, 1)
		}
		put(q, now, other, 1, 1)
		got := sendAll(q, now)
		sent += got[c]
		if got[other] != 1500 {
			t.Fatal("a class waits for another's rate")
		}
	}
	if sent < 990*1500 || sent > 1002*1500 {
		t.Errorf("%d segments in a second, want 1000", sent/1500)
	}
}

func TestInFlightLimit(t *testing.T) {
	var l inflight
	l.init()
	l.floor = minInFlight
	if l.sent(maxInFlight); l.full() {
		t.Fatal("limits before the first report")
	}
	now := int64(1)
	turn := func(left int) { // the limit was reached, and so much is left a moment later
		l.report(now, left, 0)
		for !l.full() {
			l.sent(1000)
		}
		l.held = true
		now += inFlightPoll
	}
	turn(0)
	for before := l.limit; l.limit < maxInFlight; before = l.limit {
		if turn(0); l.limit <= before {
			t.Fatalf("stays at %d although the device runs dry", l.limit)
		}
	}
	// From now on it never needs more than 100 kB.
	for range 20_000 {
		turn(max(l.limit-100_000, 0))
	}
	if l.limit < 99_000 || l.limit > 110_000 {
		t.Errorf("settles at %d, want 100 kB and little more", l.limit)
	}
	for range 20_000 {
		turn(l.limit)
	}
	if l.limit != minInFlight {
		t.Errorf("shrinks to %d, want the floor", l.limit)
	}
	l.report(now, l.limit, 0)
	for range 1000 {
		l.report(now, 0, 0) // never held back: neither needed nor too small
		now += inFlightInterval
	}
	if l.limit != minInFlight {
		t.Errorf("changed to %d although nothing was held back", l.limit)
	}
}

// A caller that is late now and then does not make the limit more than the device drains
// in inFlightTime.
func TestInFlightLimitOfALateCaller(t *testing.T) {
	var l inflight
	l.init()
	l.floor = minInFlight
	const drains = 12_500_000 // bytes a second
	now, below := int64(1), 0
	for i := range 20_000 {
		l.report(now, below, 0)
		for !l.full() {
			l.sent(1500)
			below += 1500
		}
		l.hold(now)
		step := inFlightPoll
		if i%200 == 199 {
			step = int64(15 * time.Millisecond)
		}
		now += step
		below = max(below-int(drains*step/int64(time.Second)), 0)
	}
	if want := int(drains * inFlightTime / int64(time.Second)); l.limit > want || l.limit < want/2 {
		t.Errorf("the limit is %d, want at most %d", l.limit, want)
	}
}

// A caller that is slow itself, because it gets little processor, does not take its own
// slowness for the device's.
func TestInFlightLimitOfASlowCaller(t *testing.T) {
	var l inflight
	l.init()
	l.floor = minInFlight
	now := int64(1)
	for range 1000 {
		l.report(now, 0, 60_000) // taken and not sent yet, while the device has nothing to do
		now += int64(30 * time.Millisecond)
		l.sent(60_000)
	}
	if l.limit < startInFlight {
		t.Errorf("the limit is %d although the device never had anything to do", l.limit)
	}
}

// A device that drops what does not fit never lets the limit hold anything back; it still
// comes down to what the device needs.
func TestInFlightLimitOfADeviceThatDrops(t *testing.T) {
	var l inflight
	l.init()
	l.floor = minInFlight
	l.limit = maxInFlight
	const drains, room = 12_500_000, 256 << 10
	now, below := int64(1), 0
	for range 20_000 {
		l.report(now, below, 0)
		for range 20 { // as much as arrives
			if l.full() {
				l.hold(now)
				break
			}
			l.sent(1500)
			below = min(below+1500, room)
		}
		now += inFlightPoll
		below = max(below-int(drains*inFlightPoll/int64(time.Second)), 0)
	}
	if below > room/2 || l.limit > room/2 {
		t.Errorf("the limit is %d, %d bytes wait in the device", l.limit, below)
	}
}

// Held back by what is in flight, Wake asks to look again.
func TestInFlightHoldsBack(t *testing.T) {
	q := NewQueue[int](Config{})
	c := q.NewClass(ClassConfig{})
	q.InFlight(1, 0, 0)
	for range 100 {
		put(q, 1, c, 1, 44)
	}
	sent := sendAll(q, 1)[c]
	if sent < q.inflight.limit || sent > q.inflight.limit+2*maxSlice {
		t.Fatalf("%d bytes went with a limit of %d", sent, q.inflight.limit)
	}
	if w := q.Wake(); w != 1+inFlightPoll {
		t.Errorf("Wake says %d", w)
	}
	if q.Next(1+inFlightPoll/2).Verdict != Nothing || q.Wake() != 1+inFlightPoll {
		t.Errorf("asked again, Wake says %d", q.Wake())
	}
	if q.Next(1+inFlightPoll).Verdict != Nothing || q.Wake() != 1+2*inFlightPoll {
		t.Errorf("without a report, Wake says %d", q.Wake())
	}
	q.InFlight(q.Wake(), 1000, 0)
	if q.Next(q.Wake()).Verdict != Send {
		t.Error("still held although the device drained")
	}
	if q.Counters().InFlightHeld.Load() == 0 {
		t.Error("not counted")
	}
}

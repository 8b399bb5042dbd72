package fairness

import "math/bits"

const (
	// burst is how much idle time a shaper makes up for: timers have some lateness of their
	// own. What leaves at one instant is then below this time and one slice more.
	burst = 750_000

	// catchUp is how much lateness it makes up for when something waited: a caller that gets
	// no processor for a moment must not cost the link's capacity. What it sends at once then
	// waits below, where nothing can be told apart, and goes down again only by what the link
	// has more than the rate: at 95 % of it, each millisecond delays all for twenty.
	catchUp = 1_000_000

	bitNanos = 8 * 1_000_000_000 // bits × nanoseconds of a byte a second
)

// shaper paces bytes at a rate by the time at which what was sent will have left.
type shaper struct {
	rate uint64 // bits per second; 0: none
	at   int64  // lane time from which something may be sent
	rest uint64 // what the division to whole nanoseconds left, in 1/rate ns: no drift
}

// open tells whether something may be sent now.
func (s *shaper) open(now int64) bool { return s.rate == 0 || now >= s.at }

// sent notes that bytes (< 2³¹) were sent now, which had waited since arrived.
func (s *shaper) sent(now, arrived int64, bytes int) {
	if s.rate == 0 {
		return
	}
	if since := max(min(arrived, now)-burst, now-catchUp); s.at < since {
		s.at, s.rest = since, 0
	}
	hi, lo := bits.Mul64(uint64(bytes), bitNanos)
	lo, carry := bits.Add64(lo, s.rest, 0)
	took, rest := bits.Div64(hi+carry, lo, s.rate)
	s.at += int64(took)
	s.rest = rest
}

// set changes the rate. What was sent before keeps the time that it took.
func (s *shaper) set(now int64, rate uint64) {
	if s.rate == 0 {
		s.at = now
	}
	s.rate, s.rest = rate, 0
}

// bytesIn is how many bytes a rate lets go in so many nanoseconds, at most limit.
func bytesIn(rate uint64, nanos int64, limit int) int {
	hi, lo := bits.Mul64(rate, uint64(nanos))
	if hi >= bitNanos {
		return limit
	}
	n, _ := bits.Div64(hi, lo, bitNanos)
	return int(min(n, uint64(limit)))
}

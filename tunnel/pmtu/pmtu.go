// Package pmtu finds out how large the packets of one path may be, in the manner of
// RFC 8899 (DPLPMTUD): by probes that only the peer can answer. It does no I/O: times and
// outcomes go in, sizes to probe and the MTU to use come out.
//
// Sizes are those of the outer IP packets in bytes.
package pmtu

import "time"

// Sizes.
const (
	// Base is what nearly every path carries (BASE_PLPMTU of RFC 8899 §5.1.2): used while
	// nothing better is known of a path on which the size in use has failed.
	Base = 1280
	// FloorIPv4 and FloorIPv6 are below what is ever used (MIN_PLPMTU).
	FloorIPv4 = 576
	FloorIPv6 = 1280

	// precise is how far the end of a search may be from the truth.
	precise = 8
)

// Times.
const (
	// confirmEvery is how long after a probe of the size in use the next one leaves, while
	// large datagrams do: a path on which only these vanish is noticed by nothing else.
	confirmEvery = 300 * time.Millisecond
	hintPause    = time.Second            // between two hints that are believed so far
	unknownPause = 500 * time.Millisecond // until a probe that found nothing out is repeated
	lostOutcome  = 30 * time.Second       // a probe without outcome is forgotten: its IKE SA is gone

	// After a path has shrunk it is tried soon whether it has grown again, then ever more
	// rarely (PMTU_RAISE_TIMER of RFC 8899 §5.1.1).
	raiseFirst = 10 * time.Second
	raiseMax   = time.Minute
)

// Outcome is what came of a probe.
type Outcome uint8

// Outcomes.
const (
	Passed      Outcome = iota
	Lost                // the peer lives, and has not got it although it was sent more than once (MAX_PROBES of RFC 8899 §5.1.2)
	Unknown             // nothing was found out
	Unsupported         // the peer cannot be probed
)

// Source is how the MTU in use is known.
type Source uint8

// Sources.
const (
	Route    Source = iota // it is the route's, and not confirmed yet
	Probed                 // the peer has got a packet of this size
	Assumed                // a larger one failed, and this one is not confirmed yet
	ICMPHint               // the path's routers say so, and nothing can be probed
)

var sourceNames = [...]string{"route", "probed", "assumed", "icmp_hint"}

func (s Source) String() string { return sourceNames[s] }

// phase is what a Search is about.
type phase uint8

const (
	settled    phase = iota // nothing to find out
	confirming              // is the size in use still right
	starting                // the same, of a path of which nothing else is known
	searching               // what is the largest size between low and high
	raising                 // does the largest size of all pass by now
	raisingOne              // does one that is a little larger
)

// Search is the state of one path. Its methods are called by one goroutine, with times
// that do not go back.
type Search struct {
	max, floor int // the route's MTU, the least size that is used

	mtu       int
	source    Source
	changed   time.Time // when mtu was last changed; zero: it never was
	confirmed time.Time // when the probe was sent by which mtu passed last; zero: it never did
	large     time.Time // when a large datagram left last, as far as was said; zero: none did
	off       bool      // the peer cannot be probed

	phase     phase
	candidate int       // size to probe; 0: there is none
	due       time.Time // when
	low, high int       // of the search: the largest size that passed, the least that did not
	hint      int       // of an ICMP message; 0: none
	hinted    time.Time

	inFlight int       // size of the probe under way; 0: none
	sent     time.Time // when
	raiseAt  time.Time // when to look whether the path has grown; zero: never
	raise    time.Duration
}

// New begins with the MTU of the route. floor is FloorIPv4 or FloorIPv6, by the family
// of the path.
func New(now time.Time, route, floor int) *Search {
	s := &Search{max: route, floor: min(floor, route), mtu: route, high: route + 1, raise: raiseFirst}
	s.try(now, starting, route)
	return s
}

// MTU is the size to use now.
func (s *Search) MTU() int { return s.mtu }

// Source is how MTU is known.
func (s *Search) Source() Source { return s.source }

// Changed is when MTU was last changed; the zero time: it never was.
func (s *Search) Changed() time.Time { return s.changed }

// Deadline is when Next is to be called again if nothing else happens; the zero time:
// never.
func (s *Search) Deadline() time.Time {
	switch {
	case s.inFlight != 0:
		return s.sent.Add(lostOutcome)
	case s.candidate == 0 || s.mayRaise() && s.raiseAt.Before(s.due):
		return s.raiseAt
	}
	return s.due
}

// mayRaise tells whether nothing keeps from looking higher when it is time to.
func (s *Search) mayRaise() bool {
	return !s.raiseAt.IsZero() && (s.candidate == 0 || s.phase == confirming)
}

// Next is the probe to send now, 0 for none. Its outcome is to be told. It is to be
// called after every other method and when Deadline has come.
func (s *Search) Next(now time.Time) (size int) {
	if s.inFlight != 0 {
		if now.Sub(s.sent) < lostOutcome {
			return 0
		}
		s.inFlight = 0
	}
	if s.mayRaise() && !now.Before(s.raiseAt) {
		s.lookHigher(now)
	}
	if s.candidate == 0 || now.Before(s.due) {
		return 0
	}
	s.inFlight, s.sent = s.candidate, now
	return s.inFlight
}

// Outcome says what came of the probe of that size.
func (s *Search) Outcome(now time.Time, size int, o Outcome) {
	if s.inFlight == 0 || size != s.inFlight {
		return
	}
	s.inFlight = 0
	switch {
	case o == Unsupported:
		s.off, s.phase, s.candidate, s.raiseAt = true, settled, 0, time.Time{}
		s.use(now, s.max, Route)
	case size != s.candidate: // meanwhile something else is to be known
	case o == Passed:
		s.passed(now, size)
	case o == Lost:
		s.failed(now, size)
	default:
		s.due = now.Add(unknownPause)
	}
}

// Abandon says that the probe under way, if there is one, will have no outcome.
func (s *Search) Abandon(now time.Time) { s.Outcome(now, s.inFlight, Unknown) }

func (s *Search) passed(now time.Time, size int) {
	s.low = size
	if s.hint <= size {
		s.hint = 0
	}
	if size >= s.mtu {
		s.confirmed = s.sent
		s.use(now, size, Probed)
	}
	switch s.phase {
	case confirming:
		s.phase, s.candidate = settled, 0
		if s.large.After(s.sent) {
			s.confirm(now)
		}
	case raising:
		s.raise = raiseFirst
		s.settle(now)
	default:
		s.search(now)
	}
}

func (s *Search) failed(now time.Time, size int) {
	s.high = size
	switch {
	case size <= s.mtu:
		s.blackHole(now, s.hint != 0 && s.hint < size)
	case s.phase == raising || s.phase == raisingOne:
		if next := s.above(); next != 0 {
			s.try(now, raisingOne, next)
		} else {
			s.settle(now) // it is as it was
		}
	default:
		s.search(now)
	}
}

// blackHole takes a smaller size at once, since the one in use does not get through any
// more (RFC 8899 §4.3), and begins to search anew. Where routers say how much they
// forward that is the first guess.
func (s *Search) blackHole(now time.Time, believed bool) {
	s.raise = raiseFirst
	if s.mtu <= s.floor { // nothing smaller may be used: perhaps it was chance
		s.high = s.max + 1
		s.try(now.Add(raiseFirst), starting, s.mtu)
		return
	}
	smaller := below(s.mtu)
	if believed {
		smaller = s.hint
	}
	s.use(now, max(smaller, s.floor), Assumed)
	s.try(now, starting, s.mtu)
}

// search goes on between low and high, or ends.
func (s *Search) search(now time.Time) {
	switch {
	case s.high-s.low <= precise:
		s.settle(now)
	case s.hint > s.low && s.hint < s.high:
		s.try(now, searching, s.hint)
	default:
		s.try(now, searching, middle(s.low, s.high))
	}
}

// settle leaves it at the size in use, until it is time to look higher.
func (s *Search) settle(now time.Time) {
	s.phase, s.candidate, s.hint = settled, 0, 0
	s.raiseAt = time.Time{}
	if s.mtu < s.max {
		s.raiseAt = now.Add(s.raise)
		s.raise = min(2*s.raise, raiseMax)
	}
}

// lookHigher begins to look whether the path has grown.
func (s *Search) lookHigher(now time.Time) {
	s.raiseAt = time.Time{}
	if s.off {
		s.use(now, s.max, Route)
		return
	}
	s.low, s.high = s.mtu, s.max+1
	s.try(now, raising, s.max)
}

// above is the next size to probe when larger ones have failed, 0 if there is none: what
// routers say, or the next plausible size, and then the least that would be worth it.
func (s *Search) above() int {
	switch {
	case s.hint > s.mtu && s.hint < s.high:
		return s.hint
	case s.high-s.mtu <= precise:
		return 0
	}
	return above(s.mtu, s.high)
}

func (s *Search) try(at time.Time, p phase, size int) {
	s.phase, s.candidate, s.due = p, size, at
}

// use changes the size in use.
func (s *Search) use(now time.Time, mtu int, source Source) {
	s.source = source
	if mtu != s.mtu {
		s.mtu, s.changed = mtu, now
	}
}

// LargeSent says that a large datagram has left. It may be said of each, or of one in a
// while.
func (s *Search) LargeSent(now time.Time) {
	s.large = now
	if !s.off && s.phase == settled {
		s.confirm(now)
	}
}

// confirm has the size in use probed again when it is time to.
func (s *Search) confirm(now time.Time) {
	at := s.confirmed.Add(confirmEvery)
	if at.Before(now) {
		at = now
	}
	s.try(at, confirming, s.mtu)
}

// Hint says that a router on the way does not forward packets of more than mtu bytes; 0
// is one that does not say how many. Anybody can forge that, so it starts a probe and
// nothing more.
func (s *Search) Hint(now time.Time, mtu int) {
	if mtu != 0 {
		mtu = max(mtu, s.floor)
	}
	switch {
	case mtu >= s.max:
	case s.off:
		// It cannot be confirmed: no less than what nearly every path carries.
		if mtu = max(mtu, min(Base, s.max)); mtu < s.mtu {
			s.use(now, mtu, ICMPHint)
			s.raiseAt = now.Add(raiseMax)
		}
	case mtu >= s.mtu:
		if s.candidate > mtu { // it is about the probe of this
			s.hint = mtu
		}
	case !s.hinted.IsZero() && now.Sub(s.hinted) < hintPause:
	default:
		s.hinted, s.hint = now, mtu
		switch {
		case s.candidate == s.mtu:
			s.due = now
		case s.phase == settled:
			s.try(now, confirming, s.mtu)
		default:
			s.try(now, starting, s.mtu)
		}
	}
}

// Route says what MTU the route to the peer has now.
func (s *Search) Route(now time.Time, mtu int) {
	if mtu == s.max {
		return
	}
	grown := mtu > s.max
	s.max, s.floor = mtu, min(s.floor, mtu)
	switch {
	case s.off:
		s.use(now, mtu, Route)
	case s.mtu > mtu:
		s.use(now, mtu, Route)
		s.high = mtu + 1
		s.try(now, starting, mtu)
	case grown:
		s.raise = raiseFirst
		if s.phase == settled || s.phase == confirming || s.phase == raising {
			s.lookHigher(now)
		} else {
			s.high = mtu + 1
		}
	case s.candidate > mtu:
		s.low, s.high = s.mtu, mtu+1
		s.search(now)
	case s.phase == settled:
		s.settle(now)
	default:
		s.high = min(s.high, mtu+1)
	}
}

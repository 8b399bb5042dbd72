// Package homing decides which lane carries which tunnel.
//
// It is a pure package: once a second it is told how busy the lanes were and what each
// tunnel had of it, and answers with at most one move. A move costs packets a wait of some
// hundred microseconds, and cold caches; a wrong one costs more. So it is slow to act, acts
// only where the gain is plain, and then waits until it has been seen.
//
// All tunnels begin on lane 0, and one lane that is not full is better than two: packets
// meet in the same caches and wake nobody. The rules, in this order:
//
//	full    a lane is busy for 80 % of the time: it gives a tunnel to another, if that takes
//	        at least a tenth of the time off the busier of the two
//	uneven  two lanes are full, and the active tunnels of one have more weight than those of
//	        the other: then TCP has filled both, and what a tunnel gets for its weight depends
//	        on its neighbours. One tunnel goes over if that takes at least a tenth of the
//	        two lanes' weight off the difference
//	quiet   all that a lane does would leave another half idle: it gives its tunnels back,
//	        one by one
package homing

// Shares of the time of a lane.
const (
	full   = 0.8
	packed = 0.95 // what TCP fills up
	gain   = 0.1
	quiet  = 0.5
	active = 0.05
)

// Times in decisions, of which there is one a second.
const (
	fullFor  = 2  // until something is done about a full lane
	quietFor = 10 // until a lane that is hardly used gives tunnels back
	pause    = 4  // after a move
)

// Tunnel is what one tunnel did in the last second.
type Tunnel struct {
	Lane   int     // that is its home
	Work   float64 // in any unit that is the same for all
	Weight int     // its share beside the others'; less than 1 counts as 1
	Fixed  bool    // it has to stay where it is
}

// Move is one tunnel's change of lanes.
type Move struct {
	Tunnel   int // its index
	From, To int
	Why      string // in words, for the log
}

// Policy remembers what it needs of the decisions before. The zero value is ready.
type Policy struct {
	full, quiet int // decisions in a row at which a lane was
	rest        int // decisions until the next move may come
}

// Decide returns the move to be made now, if any. busy is what part of the last second each
// lane was busy for, 0 to 1.
func (p *Policy) Decide(busy []float64, tunnels []Tunnel) (Move, bool) {
	s := survey(busy, tunnels)
	from, to, canJoin := s.joinable()
	p.full = count(p.full, s.busy[s.busiest()] >= full)
	p.quiet = count(p.quiet, canJoin)
	if p.rest > 0 {
		p.rest--
		return Move{}, false
	}
	if p.full >= fullFor {
		if m, ok := s.relieve(); ok {
			return p.moved(m)
		}
		if m, ok := s.even(); ok {
			return p.moved(m)
		}
	}
	if p.quiet >= quietFor {
		if m, ok := s.join(from, to); ok {
			return p.moved(m)
		}
	}
	return Move{}, false
}

func (p *Policy) moved(m Move) (Move, bool) {
	p.rest, p.full = pause, 0
	return m, true
}

func count(n int, more bool) int {
	if more {
		return n + 1
	}
	return 0
}

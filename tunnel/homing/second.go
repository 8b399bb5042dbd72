package homing

// second is one second of all lanes.
type second struct {
	busy    []float64
	tunnels []Tunnel
	load    []float64 // of each tunnel: its part of its lane's time
	used    []bool    // it has tunnels
	movable []int     // tunnels at home on each lane that need not stay
	active  []int     // weight of the tunnels that each lane works for, in earnest
}

func survey(busy []float64, tunnels []Tunnel) *second {
	s := &second{
		busy: busy, tunnels: tunnels,
		load: make([]float64, len(tunnels)), used: make([]bool, len(busy)), movable: make([]int, len(busy)), active: make([]int, len(busy)),
	}
	work := make([]float64, len(busy))
	for _, t := range tunnels {
		work[t.Lane] += t.Work
		s.used[t.Lane] = true
	}
	for i, t := range tunnels {
		if work[t.Lane] > 0 {
			s.load[i] = busy[t.Lane] * t.Work / work[t.Lane]
		}
		if s.load[i] >= active {
			s.active[t.Lane] += t.weight()
		}
		if !t.Fixed {
			s.movable[t.Lane]++
		}
	}
	return s
}

func (s *second) busiest() (at int) {
	for i, b := range s.busy {
		if b > s.busy[at] {
			at = i
		}
	}
	return at
}

func (s *second) idlest() (at int) {
	for i, b := range s.busy {
		if b < s.busy[at] {
			at = i
		}
	}
	return at
}

// relieve moves the tunnel that takes most off the busiest lane and the one it goes to.
func (s *second) relieve() (best Move, ok bool) {
	from, to := s.busiest(), s.idlest()
	least := s.busy[from] - gain + 1e-9
	for i, t := range s.tunnels {
		if t.Lane != from || t.Fixed || s.load[i] == 0 {
			continue
		}
		if after := max(s.busy[from]-s.load[i], s.busy[to]+s.load[i]); after < least {
			best, ok, least = Move{Tunnel: i, From: from, To: to, Why: "the lane is full"}, true, after
		}
	}
	return best, ok
}

// even moves a tunnel between two lanes of which neither can do more, to the one whose
// active tunnels have the least weight, so that the two come nearer.
func (s *second) even() (best Move, ok bool) {
	to := -1
	for i, b := range s.busy {
		if b >= packed && (to < 0 || s.active[i] < s.active[to]) {
			to = i
		}
	}
	if to < 0 {
		return Move{}, false
	}
	most, widest := 0, 0
	for i, t := range s.tunnels {
		if t.Fixed || s.busy[t.Lane] < packed || s.load[i] < active {
			continue
		}
		apart := s.active[t.Lane] - s.active[to]
		gained := apart - abs(apart-2*t.weight())
		if float64(gained) < gain*float64(s.active[t.Lane]+s.active[to]) || gained < most || gained == most && apart <= widest {
			continue
		}
		most, widest = gained, apart
		best, ok = Move{Tunnel: i, From: t.Lane, To: to, Why: "more weight shares this lane than the other"}, true
	}
	return best, ok
}

func (t *Tunnel) weight() int { return max(t.Weight, 1) }

func abs(n int) int { return max(n, -n) }

// joinable finds a lane whose tunnels may go to one before it: the last one first, so that
// lane 0 stays in use.
func (s *second) joinable() (from, to int, ok bool) {
	for from = len(s.busy) - 1; from > 0; from-- {
		if s.movable[from] == 0 {
			continue
		}
		for to = range from {
			if (to == 0 || s.used[to]) && s.busy[from]+s.busy[to] <= quiet {
				return from, to, true
			}
		}
	}
	return 0, 0, false
}

// join moves a tunnel, which joinable says can go.
func (s *second) join(from, to int) (Move, bool) {
	for i, t := range s.tunnels {
		if t.Lane == from && !t.Fixed {
			return Move{Tunnel: i, From: from, To: to, Why: "the lane is hardly used"}, true
		}
	}
	return Move{}, false
}

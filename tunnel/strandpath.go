package tunnel

import (
	"net/netip"
	"time"

	"vpngw/tunnel/lane"
)

// The path of a strand may die while that of the tunnel is well: a NAT or a firewall between
// forgets or blocks its ports, or of several links on the way that one is cut to which a
// router hashes them. The lane asks the peer on each strand that sends (lane.Ask). What
// gets no answer there, while the tunnel itself gets one to what it asks later, is lost:
// then its packets go by the tunnel, and it is tried again after a rest. Where nothing is
// answered all is down, which is dead-peer detection's.
const (
	strandBeat  = 10 * time.Second // between two questions of ours on one that is in use
	strandRest  = 2 * time.Second  // before one that is not answered is asked by again; doubled each time
	strandRests = time.Minute      // at most
	strandWell  = time.Minute      // in use for so long, it begins anew with the first rest
	strandVain  = 3                // tries in vain until we open it anew, from another port, also if that is the peer's to do
)

// strandPath is what is known of a strand's path.
type strandPath struct {
	answered  bool      // the peer's answer came back on it, and no verdict since
	usedFrom  time.Time // since when packets go by it
	silent    int64     // lane time of a question without an answer; 0: none is known
	alone     bool      // the tunnel itself was answered since
	losses    int       // in a row, each after less than strandWell of use
	tries     int       // the same, and what was asked in vain since
	restUntil time.Time // nothing that is heard makes us try again before
	lost      uint64    // times that it was in use and lost
}

// rest is how long not to try, after so many tries in vain.
func rest(tries int) time.Duration { return min(strandRest<<min(tries, 8), strandRests) }

// judge decides whether packets go by a strand.
func (g *Gateway) judge(s *strand, now time.Time) {
	use := s.sends && s.remote.IsValid() && s.answered
	if use == s.inUse {
		return
	}
	s.inUse, s.usedFrom = use, now
	t := s.tunnel
	var to *lane.Tunnel
	if use {
		to = s.lane
	}
	s.lane.Do(func(l *lane.Lane) { l.SetStrand(t.lane, to) })
	g.deal(t, use)
	g.log.Info("strand", "tunnel", t.cfg.Name, "strand", s.number, "in_use", use, "local", s.local, "remote", s.remote)
}

// deal has the flows that go by a tunnel itself go by its strands as well, or ends that.
func (g *Gateway) deal(t *tunnel, out bool) {
	strands := make([]*lane.Tunnel, 0, len(t.strands))
	for _, s := range t.strands {
		if out && s.inUse {
			strands = append(strands, s.lane)
		}
	}
	t.do(func(l *lane.Lane) { l.Deal(t.lane, strands) })
}

// knock asks the peer on a strand, and plans the next time.
func (g *Gateway) knock(s *strand, now time.Time) {
	vain := !s.inUse && s.tries >= strandVain
	if s.tunnel.source.IsValid() && (s.opener && !s.remote.IsValid() || vain) {
		// Who stands in the way may know the port of before only too well, or let through
		// what is opened from one side only.
		g.connectStrand(s, netip.AddrPortFrom(s.tunnel.source, 0), s.tunnel.remote)
	}
	pause := strandBeat
	if !s.inUse {
		pause = rest(s.tries)
		s.tries++
	}
	s.beatAt = now.Add(pause)
	g.remind(s.beatAt)
	if s.remote.IsValid() {
		s.lane.Do(func(l *lane.Lane) { l.Ask(s.lane) })
	}
}

// strandHeard notes that packets come on a strand: the peer may have begun to try again.
func (g *Gateway) strandHeard(s *strand, now time.Time) {
	if s.sends && !s.inUse && s.remote.IsValid() && !now.Before(s.restUntil) {
		s.restUntil = now.Add(strandRest)
		g.knock(s, now)
	}
}

// pathAnswered notes that the peer answered, by a strand or by a tunnel itself, what was
// asked at that lane time.
func (g *Gateway) pathAnswered(e lane.PathAnswered, now time.Time) {
	if s := g.strandOf(e.Tunnel); s != nil {
		if s.remote.IsValid() {
			s.answered, s.silent, s.alone, s.tries = true, 0, false, s.losses
			g.judge(s, now)
		}
		return
	}
	for _, s := range g.tunnels[e.Tunnel.ID].strands {
		if s.inUse && s.silent != 0 && s.silent < e.Asked {
			s.alone = true
		}
	}
}

// strandSilent notes that a strand is not answered, and asks by the tunnel itself. If that
// was answered since, what the strand asked at the same time has had more than a round trip
// for its own answer: the strand is lost.
func (g *Gateway) strandSilent(s *strand, e lane.PathSilent, now time.Time) {
	if !s.inUse {
		s.lane.Do(func(l *lane.Lane) { l.StopAsking(s.lane) }) // until the next try
		return
	}
	if s.alone {
		g.strandLost(s, now)
		return
	}
	s.silent = e.Asked
	t := s.tunnel
	t.do(func(l *lane.Lane) { l.Ask(t.lane) })
}

// strandLost takes a strand out of use whose path is dead.
func (g *Gateway) strandLost(s *strand, now time.Time) {
	if now.Sub(s.usedFrom) >= strandWell {
		s.losses = 0
	}
	pause := rest(s.losses)
	s.lost++
	s.losses++
	s.answered, s.silent, s.alone, s.tries = false, 0, false, s.losses
	s.restUntil = now.Add(pause)
	s.beatAt = s.restUntil
	g.remind(s.beatAt)
	g.log.Warn("a strand's path is dead: its packets go by the tunnel itself", "tunnel", s.tunnel.cfg.Name, "strand", s.number,
		"local", s.local, "remote", s.remote, "tried_again_in", pause)
	g.judge(s, now)
	s.lane.Do(func(l *lane.Lane) { l.StopAsking(s.lane) })
}

package ike

import "time"

// Lives of keys, as parts of the configured lifetime. Rekeys begin at the lifetime
// itself, ± rekeyJitter.
const (
	lastCallPart = 1.2  // an IKE SA that no rekey replaced by now gets a new one beside it
	hardPart     = 1.25 // and ends here, whatever came of that; so does a child
)

func part(d time.Duration, of float64) time.Duration { return time.Duration(float64(d) * of) }

// age starts the clock of an IKE SA's keys. The jitter is taken from our SPI, which is
// random and as good here as more randomness.
func (s *sa) age() {
	m, life := s.m, s.peer.IKELifetime
	unit := float64(uint32(s.spi()))/(1<<31) - 1
	m.timers.set(&s.soft, m.now.Add(life+part(life, rekeyJitter*unit)))
	m.timers.set(&s.hard, m.now.Add(part(life, lastCallPart)))
}

// stopAging is for an SA that ends otherwise.
func (s *sa) stopAging() {
	for _, t := range []*timer{&s.soft, &s.hard, &s.dpd, &s.childless, &s.suspect, &s.more} {
		s.m.timers.stop(t)
	}
}

// tooOld is called at the last call and at the hard lifetime: keys never live for ever.
func (s *sa) tooOld() {
	m, p := s.m, s.peer
	if s.state != saEstablished {
		return
	}
	if end := s.established.Add(part(p.IKELifetime, hardPart)); m.now.Before(end) {
		p.log.Warn("no rekey of the IKE SA succeeded: making a new one", "remote", s.remote)
		m.timers.set(&s.hard, end)
		p.start(s.remote, s.local)
		return
	}
	s.beginDelete(Reason{ReasonExpired, "no rekey of the IKE SA succeeded in " + m.now.Sub(s.established).String()})
}

// rekey is the event.
func (p *peer) rekey(ike bool) {
	switch c := p.using; {
	case ike:
		if s := p.current(); s != nil {
			s.rekey()
		}
	case c != nil:
		c.softLimit()
		for _, c := range p.extra {
			if c != nil {
				c.softLimit()
			}
		}
	}
}

// tooOld ends a child at its hard lifetime, or soon after if its rekey is under way.
func (c *child) tooOld() {
	c.hardLimit()
	if c.live() {
		c.sa.m.timers.set(&c.hard, c.sa.m.now.Add(busyWait))
	}
}

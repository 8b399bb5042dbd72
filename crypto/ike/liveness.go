package ike

import "time"

// silentFirst is the silence after which the peer is asked whether it lives. It is
// doubled with each time that no ESP follows, for some traffic goes one way only.
const silentFirst = 2 * time.Second

// Who has many peers asks those together that are due at about the same time: most of what
// a question costs is to wake up for it and for its answer. They are asked a little early,
// so that it is seldom they who ask first.
const (
	manyPeers = 16
	dpdParts  = 40 // of the interval is how far apart such times are
)

// dpdAt is when to ask a peer that was heard just now.
func (m *Machine) dpdAt(interval time.Duration) time.Time {
	at, step := m.now.Add(interval), interval/dpdParts
	if len(m.peers) < manyPeers || step <= 0 {
		return at
	}
	return at.Add(-(at.Sub(m.epoch) % step))
}

// silent is the event. A probe sooner than dead-peer detection would send it finds a
// dead peer sooner, and shows the peer our address where a NAT has given us another one.
func (p *peer) silent() {
	s := p.current()
	if s == nil || s.state != saEstablished || s.req != nil {
		return
	}
	wait := min(silentFirst<<min(p.vain, 8), p.DPD.Interval)
	if p.m.now.Sub(s.lastHeard) < wait {
		return
	}
	p.vain++
	s.enqueue(task{kind: taskProbe})
}

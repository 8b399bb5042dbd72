package ike

import "time"

// silentFirst is the silence after which the peer is asked whether it lives. It is
// doubled with each time that no ESP follows, for some traffic goes one way only.
const silentFirst = 2 * time.Second

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

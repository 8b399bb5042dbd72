package ike

import "time"

// unansweredFirst is how long ESP may go out without anything that comes back before the
// peer is asked whether it lives; doubled with each answer that no ESP follows, for some
// traffic goes one way only.
const unansweredFirst = 2 * time.Second

// unanswered is the event. A probe sooner than dead-peer detection would send it finds a
// dead peer sooner, and shows the peer our address where a NAT has given us another one.
func (p *peer) unanswered() {
	s := p.current()
	if s == nil || s.state != saEstablished || s.req != nil {
		return
	}
	wait := min(unansweredFirst<<min(p.oneWay, 8), p.DPD.Interval)
	if p.m.now.Sub(s.lastHeard) < wait {
		return
	}
	p.oneWay++
	s.enqueue(task{kind: taskProbe})
}

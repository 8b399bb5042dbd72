package ike

import (
	"slices"
	"time"
)

// Times of a child SA.
const (
	lingerTime   = 5 * time.Second  // the inbound half of a replaced child stays this long after its DELETE
	replacedTime = 30 * time.Second // for the peer to DELETE a child that it rekeyed, before we do
	hastyLimit   = time.Second      // a child at its hard limit so soon does not work: do not hurry to the next
	rekeyJitter  = 0.1
)

// child is one pair of ESP SAs. Its keys went out with InstallChild and are not kept.
type child struct {
	sa            *sa
	in, out       uint32
	cipher        Cipher
	esn           bool
	resource      int  // of an additional child 1 and up (RFC 9611), else 0
	unsummed      bool // as of the SA that it was made on
	local, remote []Selector
	created       time.Time
	order         uint64 // logical time of creation
	initiator     bool
	lowNonce      []byte // the lower nonce of its exchange (RFC 7296 §2.8.1)

	replacedBy *child // the child that rekeyed it, installed but perhaps not in use yet
	collision  *child // made by the peer's rekey while ours of the same child was under way
	refusals   int    // TEMPORARY_FAILUREs to our rekey of it
	rekeying   bool   // our rekey is due or under way
	deleting   bool   // our DELETE is due or under way
	leaving    bool   // deleted; its inbound half lingers
	pending    bool   // we answered its exchange: to be used once the peer is known to have it

	timer timer // of a live child its rekey or forced end, of a leaving one its removal
	hard  timer // the hard end of its lifetime
}

func (c *child) suiteText() string {
	if c.esn {
		return c.cipher.String() + "/ESN"
	}
	return c.cipher.String()
}

// live tells whether the child can still be sent on and rekeyed.
func (c *child) live() bool { return !c.leaving && !c.deleting }

// goesOn tells whether c, or what rekeyed it since, is live. c may be nil.
func (c *child) goesOn() bool {
	for c != nil && !c.live() {
		c = c.replacedBy
	}
	return c != nil
}

// install makes a child known and gives InstallChild.
func (s *sa) install(c *child, keysIn, keysOut []byte, replaces *child) {
	p := s.peer
	c.sa, c.created, c.order, c.unsummed = s, s.m.now, s.m.tick(), s.unsummed
	c.timer.fire, c.hard.fire = c.timeout, c.tooOld
	s.m.timers.set(&c.hard, s.m.now.Add(part(p.ChildLifetime, hardPart)))
	if c.resource == 0 {
		s.hadChild, s.refusals = true, 0
		s.m.timers.stop(&s.childless)
	}
	p.children = append(p.children, c)
	s.m.outbound[c.out] = append(s.m.outbound[c.out], c)
	s.m.timers.set(&c.timer, s.m.now.Add(s.m.jitter(p.ChildLifetime, rekeyJitter)))

	a := Child{
		Inbound:   ChildKeys{c.in, c.cipher, keysIn, c.esn},
		Outbound:  ChildKeys{c.out, c.cipher, keysOut, c.esn},
		Local:     slices.Clone(c.local),
		Remote:    slices.Clone(c.remote),
		Initiator: c.initiator,
		Resource:  c.resource,
		Opener:    s.extras.opener,
		Unsummed:  c.unsummed,
	}
	if slices.Contains(p.children, replaces) {
		a.Replaces = replaces.in
	}
	p.log.Debug("child installed", "in", hex32(c.in), "out", hex32(c.out), "suite", c.suiteText(), "resource", c.resource,
		"local", selectorText(c.local), "remote", selectorText(c.remote), "replaces", hex32(a.Replaces))
	p.m.emit(InstallChild{p.ID, a})
	s.tendExtras()
}

// use makes this the child that the tunnel sends on, or a resource of it. Where the tunnel
// stands, the first child says.
func (c *child) use() {
	p := c.sa.peer
	c.pending = false
	if p.sendsOn(c.resource) == c {
		return
	}
	p.sendOn(c.resource, c)
	if c.resource == 0 {
		if !p.up || p.announced != c.sa {
			p.announce(c.sa)
		}
		p.direct(c.sa) // the peer may have moved while there was nothing to send on
	}
	p.m.emit(UseOutbound{p.ID, c.in, c.resource})
}

// heard is the event.
func (c *child) heard() {
	c.sa.peer.vain = 0
	c.sa.heardFrom()
	if c.pending && c.live() {
		c.use()
	}
}

// drop ends the child. With linger its inbound half stays for what is still on its
// way. If it was in use, the best of what is left is used.
func (c *child) drop(linger bool) {
	m, p := c.sa.m, c.sa.peer
	if c.leaving {
		if !linger {
			c.forget()
		}
		return
	}
	c.leaving, c.pending = true, false
	m.timers.stop(&c.hard)
	if p.sendsOn(c.resource) == c {
		p.sendOn(c.resource, nil)
		if next := p.successor(c); next != nil {
			next.use()
		} else if c.resource > 0 {
			m.emit(StopOutbound{p.ID, c.resource})
		}
	}
	if linger {
		m.timers.set(&c.timer, m.now.Add(lingerTime))
		p.forgetLeaving()
	} else {
		c.forget()
	}
	switch s := c.sa; {
	case s.state != saEstablished:
	case c.resource > 0:
		if s.childOf(c.resource) == nil {
			s.extraEnded(c)
		}
	case !s.hasChild():
		m.timers.set(&s.childless, m.now.Add(childlessTime))
	}
}

// forget gives RemoveChild.
func (c *child) forget() {
	m, p := c.sa.m, c.sa.peer
	m.timers.stop(&c.timer)
	m.timers.stop(&c.hard)
	p.children = slices.DeleteFunc(p.children, func(o *child) bool { return o == c })
	rest := slices.DeleteFunc(m.outbound[c.out], func(o *child) bool { return o == c })
	if len(rest) == 0 {
		delete(m.outbound, c.out)
	} else {
		m.outbound[c.out] = rest
	}
	if p.sendsOn(c.resource) == c {
		p.sendOn(c.resource, nil)
	}
	c.leaving = true
	m.emit(RemoveChild{p.ID, c.in, c.resource})
}

// forgetLeaving keeps to maxLeaving.
func (p *peer) forgetLeaving() {
	n := 0
	for _, c := range p.children {
		if c.leaving {
			n++
		}
	}
	for _, c := range slices.Clone(p.children) {
		if n > maxLeaving && c.leaving {
			c.forget()
			n--
		}
	}
}

// successor is the child to send on when c ends: what rekeyed it, or else the newest of
// its resource.
func (p *peer) successor(c *child) *child {
	if r := c.replacedBy; r != nil && r.live() {
		return r
	}
	for _, o := range slices.Backward(p.children) {
		if o.live() && o.sa.state == saEstablished && o.resource == c.resource {
			return o
		}
	}
	return nil
}

// hasChild tells whether there is a first child: additional ones are nothing without.
func (s *sa) hasChild() bool { return s.childOf(0) != nil }

// timeout rekeys a live child, removes a leaving one, and deletes one that the peer
// rekeyed and forgot.
func (c *child) timeout() {
	switch {
	case c.leaving:
		c.forget()
	case c.replacedBy.goesOn():
		c.delete()
	default:
		c.replacedBy = nil
		c.softLimit()
	}
}

// softLimit asks for a rekey, unless one is due anyway.
func (c *child) softLimit() {
	if !c.live() || c.rekeying || c.replacedBy != nil || c.sa.state != saEstablished {
		return
	}
	c.rekeying = true
	c.sa.enqueue(task{kind: taskRekeyChild, child: c})
}

// hardLimit deletes a child that can send no more and builds a new one, unless its
// rekey is under way, which is faster.
func (c *child) hardLimit() {
	s := c.sa
	switch {
	case c.leaving || s.state != saEstablished:
	case c.replacedBy != nil && c.replacedBy.live():
		c.replacedBy.use()
	case s.req != nil && s.req.kind == taskRekeyChild && s.req.child == c:
	default:
		c.rekeying = false
		if !c.deleting { // its DELETE may wait already
			s.dropTasks(c)
			c.delete()
		}
		if c.resource == 0 && s.m.now.Sub(c.created) >= hastyLimit {
			s.enqueue(task{kind: taskNewChild})
		}
		c.drop(false) // and without a new child under way, childlessDue or extraDue makes one
	}
}

// delete queues the DELETE exchange of the child.
func (c *child) delete() {
	if c.leaving || c.deleting || c.sa.state != saEstablished {
		return
	}
	c.deleting = true
	c.sa.enqueue(task{kind: taskDeleteChild, child: c})
}

// replaced notes that next takes over from c: c is not rekeyed again, and ends by a
// DELETE, ours after wait.
func (c *child) replaced(next *child, wait time.Duration) {
	c.replacedBy = next
	if c.live() {
		c.sa.m.timers.set(&c.timer, c.sa.m.now.Add(wait))
	}
}

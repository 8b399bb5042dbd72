package ike

import (
	"slices"
	"time"

	"vpngw/crypto/ike/message"
)

// Retransmission (RFC 7296 §2.1, §2.4). Silence is the only thing that ends an
// exchange without an authenticated answer.
const (
	retryFirst   = 500 * time.Millisecond  // doubled at each
	retryMax     = 1500 * time.Millisecond // a peer that is back must hear of us within two seconds
	urgentRetry  = 200 * time.Millisecond  // while a hint says that the peer lost its state
	urgentTries  = 3
	initTimeout  = 30 * time.Second
	refusedWait  = 3 * time.Second  // for a better answer than an unprotected refusal
	authTimeout  = 10 * time.Second // as long as a responder keeps a half-open SA
	closeTimeout = 5 * time.Second
	busyWait     = 1500 * time.Millisecond // after TEMPORARY_FAILURE
	heardFactor  = 4                       // ESP that goes on stretches a request's timeout at most so far
	maxTasks     = 64                      // and four more for each Peer.Extra

	childlessTime = 3 * time.Second // for the peer to make a child of an SA that lost its last
)

type taskKind uint8

const (
	taskInit taskKind = iota
	taskIntermediate
	taskAuth
	taskProbe
	taskNewChild
	taskExtraChild
	taskRekeyChild
	taskDeleteChild
	taskRekeyIKE
	taskDeleteIKE
	taskPath
)

// task is an exchange that waits for the window.
type task struct {
	kind  taskKind
	child *child
	extra int   // under way: resource of the additional child that it makes, or 0
	group Group // the group that the peer wants, or 0
	tries int   // of INVALID_KE_PAYLOAD

	urgent int // sends left at the urgent pace
	size   int // of the packet, for a path probe

	orphan uint32 // without child: inbound SPI of one to be closed that was not installed here
}

// request is the one request under way.
type request struct {
	task
	id          uint32
	messages    [][]byte   // the request, or its fragments
	parts       reassembly // of the response
	first, sent time.Time
	sends       int
	offer       *offer   // of a child or of an IKE SA, or nil
	stillborn   []uint32 // outbound SPIs that the peer deleted before we knew of them

	sentBefore time.Time // when it was sent the last time but one; zero: it was not

	wait   time.Duration // of a path probe: for the answer to the whole packet
	silent bool          // of a path probe: the peer gave no sign of life since then
	pieces [][]byte      // of a path probe: fragments of it; nil: not made yet
	cut    time.Time     // of a path probe: since when it goes in pieces; zero: it does not
}

// enqueue adds an exchange to what waits for the window. Each waits at most once, so
// the queue is bounded by the number of children. Should that fail, a new IKE SA is
// better than an exchange that is silently left out.
func (s *sa) enqueue(t task) {
	if s.state != saEstablished && t.kind != taskDeleteIKE {
		return
	}
	if slices.ContainsFunc(s.tasks, func(o task) bool { return o.kind == t.kind && o.child == t.child }) {
		return
	}
	if len(s.tasks) >= maxTasks+4*s.peer.Extra && t.kind != taskDeleteIKE {
		s.beginDelete(Reason{ReasonLocal, "too many exchanges wait for " + s.remote.String()})
		return
	}
	s.tasks = append(s.tasks, t)
	s.pump()
}

// dropTasks takes back what waits for a child.
func (s *sa) dropTasks(c *child) {
	s.tasks = slices.DeleteFunc(s.tasks, func(t task) bool { return t.child == c })
}

// pump starts the next exchange if the window is free.
func (s *sa) pump() {
	for s.req == nil && len(s.tasks) > 0 && s.state != saClosed {
		t := s.tasks[0]
		s.tasks = slices.Delete(s.tasks, 0, 1)
		switch t.kind {
		case taskProbe:
			s.ask(t, message.ExchangeInformational, nil, nil)
		case taskDeleteIKE:
			s.ask(t, message.ExchangeInformational, []message.Payload{&message.Delete{Protocol: message.ProtocolIKE}}, nil)
		case taskDeleteChild:
			spi := t.orphan
			if t.child != nil {
				spi = t.child.in
			}
			s.ask(t, message.ExchangeInformational,
				[]message.Payload{&message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{spi}}}, nil)
		case taskNewChild, taskExtraChild, taskRekeyChild:
			s.askChild(t)
		case taskRekeyIKE:
			s.askRekey(t)
		case taskPath:
			s.askPath(t)
		}
	}
}

// ask seals a request and sends it.
func (s *sa) ask(t task, x message.ExchangeType, ps []message.Payload, o *offer) {
	b, err := s.seal(x, false, s.nextID, ps)
	if err != nil {
		s.end(s.peer.fail("build a request", err), false)
		return
	}
	s.launch(t, b, o)
}

// launch makes msgs the request under way.
func (s *sa) launch(t task, msgs [][]byte, o *offer) {
	s.req = &request{task: t, id: s.nextID, messages: msgs, offer: o, first: s.m.now}
	s.nextID++
	s.transmit()
}

func (s *sa) transmit() {
	r := s.req
	r.sends++
	r.sentBefore, r.sent = r.sent, s.m.now
	if r.kind == taskPath && r.sends > pathWholes {
		s.sendPathAgain()
	} else {
		s.send(r.messages)
	}
	wait := s.spread(min(retryFirst<<min(r.sends-1, 8), retryMax))
	if r.urgent > 0 {
		r.urgent--
		wait = urgentRetry
	}
	if r.kind == taskPath {
		wait = s.pathRetry()
	}
	at := s.m.now.Add(wait)
	if end := s.patience(); end.Before(at) {
		at = end
	}
	s.m.timers.set(&s.retry, at)
}

// spread takes up to a quarter off a wait, the same part for all of an SA: peers that lost
// their answers at the same moment are not to ask again at the same moment, and the waits
// of one still never get shorter. Like age it takes our SPI for randomness.
func (s *sa) spread(wait time.Duration) time.Duration {
	return wait - wait/4*time.Duration(uint16(s.spi()))/(1<<16)
}

func (s *sa) retransmit() {
	s.counters().Retransmits++
	s.transmit()
}

// patience is when the request under way has been unanswered for too long.
func (s *sa) patience() time.Time {
	r := s.req
	switch s.state {
	case saInit:
		if s.hs.refusal.Code != ReasonNone {
			return r.first.Add(refusedWait)
		}
		return r.first.Add(initTimeout)
	case saAuth:
		return r.first.Add(authTimeout)
	case saDeleting:
		return r.first.Add(closeTimeout)
	}
	// A peer whose ESP comes in is alive: only its answer is lost.
	timeout := s.peer.DPD.Timeout
	end := r.first.Add(timeout)
	if later := s.lastHeard.Add(timeout); later.After(end) {
		end = later
	}
	if last := r.first.Add(heardFactor * timeout); end.After(last) {
		end = last
	}
	return end
}

// retryDue retransmits or gives up.
func (s *sa) retryDue() {
	if s.req == nil {
		return
	}
	if s.patience().After(s.m.now) {
		s.retransmit()
		return
	}
	switch s.state {
	case saInit, saAuth:
		why := s.hs.refusal
		if why.Code == ReasonNone {
			why = Reason{ReasonNoResponse, "of " + s.remote.String() + " to our " + s.req.kind.exchange().String()}
		}
		s.failAttempt(why)
	case saDeleting:
		s.end(s.why, false)
	default:
		s.end(Reason{ReasonDead, "no answer of " + s.remote.String() + " in " + s.m.now.Sub(s.req.first).String()}, false)
	}
}

// failAttempt ends a handshake of ours.
func (s *sa) failAttempt(why Reason) {
	p := s.peer
	p.log.Debug("attempt failed", "remote", s.remote, "reason", why)
	if s.leaveRace() {
		s.close()
		return
	}
	s.close()
	p.settle(why)
}

// dpdDue probes a peer that was silent (RFC 7296 §2.4). A request that is under way
// anyway does as well.
func (s *sa) dpdDue() {
	if s.state == saEstablished && s.req == nil {
		s.enqueue(task{kind: taskProbe})
	}
	s.doubt()
}

// beginDelete tells the peer that the SA ends. Children stay in for what is under way.
func (s *sa) beginDelete(why Reason) {
	wasUsable := s.state == saEstablished
	if !wasUsable && s.state != saRival && s.state != saReplaced {
		return
	}
	s.state, s.why = saDeleting, why
	s.tasks = nil
	s.stopAging()
	s.m.timers.set(&s.expire, s.m.now.Add(2*closeTimeout))
	if r := s.rival; r != nil {
		r.beginDelete(why)
	}
	s.dropChildren(true)
	s.enqueue(task{kind: taskDeleteIKE})
	if wasUsable {
		s.peer.settle(why)
	}
}

// farewell sends a DELETE that nothing waits for.
func (s *sa) farewell() {
	if s.state != saEstablished {
		return
	}
	b, err := s.seal(message.ExchangeInformational, false, s.nextID, []message.Payload{&message.Delete{Protocol: message.ProtocolIKE}})
	if err == nil {
		s.send(b)
	}
}

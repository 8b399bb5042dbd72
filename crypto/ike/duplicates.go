package ike

import (
	"slices"
	"time"
)

// resolve decides, once s has authenticated with the child c, which of the IKE SAs
// with the same peer goes on. Both ends come to the same result:
//
//   - A newer one replaces those that stood before its first message. With
//     INITIAL_CONTACT they are dropped, for the peer does not have them (RFC 7296
//     §2.4); without, its initiator deletes them, and we do if it does not.
//   - Of two that were set up at the same time, one from each end, the one with the
//     lowest nonce goes: its initiator deletes it (as RFC 7296 §2.8.2 has it for
//     rekeys), and we do if it does not.
func (s *sa) resolve(c *child, contact bool) {
	p := s.peer
	if a := p.attempt; a != nil && a.state == saInit {
		a.close() // the peer has authenticated nothing of it
	}
	won, alone := true, true
	for _, o := range slices.Clone(p.sas) {
		if o == s || o.state != saEstablished {
			continue
		}
		switch {
		case !overlap(s, o) && contact:
			o.discard(Reason{Code: ReasonReplaced, Detail: "the peer has no other SA"}, c)
		case !overlap(s, o) || s.initiator == o.born().initiator:
			o.superseded(s.initiator, 0)
			alone = alone && !o.hasChild()
		case lessNonce(s.lowNonce(), o.born().lowNonce):
			won = false
			s.superseded(s.initiator, crossingWait)
		default:
			o.superseded(o.born().initiator, crossingWait)
			alone = alone && !o.hasChild()
		}
	}
	// As responder with an older SA still working, wait until the peer is known to
	// have our answer.
	if won && (s.initiator || alone || p.using == nil) {
		c.use()
	}
}

// replaceOlder drops what INITIAL_CONTACT says is not there any more.
func (s *sa) replaceOlder() {
	for _, o := range slices.Clone(s.peer.sas) {
		if o != s && o.state == saEstablished && !overlap(s, o) {
			o.end(Reason{Code: ReasonReplaced, Detail: "the peer has no other SA"}, false)
		}
	}
}

// overlap tells whether each of the two began before the other one stood.
func overlap(x, y *sa) bool {
	a, b := x.born(), y.born()
	return a.createdAt < b.establishedAt && b.createdAt < a.establishedAt
}

// birth is what tells an SA from another of the same peer. All that rekey one another
// have that of the first: the two ends need not agree on when they were rekeyed.
type birth struct {
	createdAt, establishedAt uint64 // logical time
	initiator                bool
	lowNonce                 []byte
}

func (s *sa) born() birth {
	if s.birth != nil {
		return *s.birth
	}
	return birth{s.createdAt, s.establishedAt, s.initiator, s.lowNonce()}
}

func (s *sa) lowNonce() []byte { return lower(s.nonceI, s.nonceR) }

// discard ends an SA that the peer does not have, moving to c first so that there is
// never nothing to send on.
func (s *sa) discard(why Reason, c *child) {
	c.use()
	s.end(why, false)
}

// superseded ends an SA that another one took over from: after wait by our DELETE, or
// else by the peer's, and if that does not come by ours.
func (s *sa) superseded(ours bool, wait time.Duration) {
	s.why = Reason{Code: ReasonReplaced, Detail: "by a newer IKE SA"}
	if !ours {
		wait += supersededWait
	}
	s.m.timers.set(&s.expire, s.m.now.Add(wait))
}

const (
	// supersededWait is how much longer than the one whose task it is we wait to delete
	// an SA. Until then a responder sends on what it had.
	supersededWait = time.Second
	// crossingWait is time for the other end to get the answer that is still on its way
	// to it when two handshakes crossed.
	crossingWait = time.Second
)

// childlessDue gives an SA that lost its last child a new one, or gives up an SA that
// never had one.
func (s *sa) childlessDue() {
	p := s.peer
	switch {
	case s.state != saEstablished || s.hasChild():
	case !s.hadChild && !s.initiator:
		s.beginDelete(s.why)
	case p.wanted || p.Remote.IsValid():
		s.enqueue(task{kind: taskNewChild})
	case p.up && p.using == nil:
		s.deleteExtras()
		p.lost(Reason{ReasonDeleted, "the peer deleted the child SA"})
	}
}

package ike

import (
	"time"

	"vpngw/crypto/ike/message"
)

// A path is probed (RFC 8899) with an INFORMATIONAL request that is padded to the size in
// question and sent in one packet, with DF, from the addresses and ports of ESP. What gets
// through is answered, which only the peer can do. If no answer has come when one should
// have, it is sent once more, since packets are lost for other reasons than their size
// (MAX_PROBES of RFC 8899 §5.1.2 is two). What then is not answered must not stay: the
// window of one would be blocked, and RFC 7296 §2.1 wants the same message again. So it is
// sent again in pieces: the same bytes in a packet that IP may fragment, or cut into fragments
// of IKE of 576 bytes (RFC 7383 §2.5.2), both at once. The one is stopped by some firewalls
// and by links that are narrower than they say, the other is understood by some peers only
// (strongSwan 5 takes no INFORMATIONAL in fragments).
//
// An answer shows that the peer lives and that only the size was the trouble. Or the time:
// on a path that has become slow the answer may be that to the whole packet. Then there are
// others to come, since a request that is seen again is answered again: more than it was
// sent in pieces, by as much later as it was sent later. The verdict is held for as long as
// that takes.
//
//	time   0        wait     2 wait            + trip   + 5/4 wait
//	sent   whole    whole    pieces                     ▼
//	heard                                      answer   lost, unless there was another answer
//
// Where neither kind of pieces gets through, the request would end the IKE SA. A new one is
// then built beside it, and the peer not probed any more.

// NotifyPathProbe fills a probe up. It is from the range of private use, where what is not
// known must be ignored (RFC 7296 §3.10.1).
const NotifyPathProbe message.NotifyType = 51200

// MaxPathProbe is the longest packet in bytes that a path is asked about: what a request can be
// cut into.
const MaxPathProbe = 16000

// How long a probe is waited for before it is sent once more, and then before it is cut:
// 5/4 of a round trip, as far as that is known, and some more. To be too early costs a
// packet, and no wrong verdict.
const (
	pathWaitFirst = 300 * time.Millisecond
	pathWaitMin   = 100 * time.Millisecond
	pathWaitMax   = time.Second
	pathWaitMore  = 50 * time.Millisecond // beside the round trip, for a peer that is busy
	pathRetryMin  = 400 * time.Millisecond
	pathWholes    = 2                     // times that it is sent whole
	pathPatience  = 3 * time.Second       // for an answer to pieces
	pathHoldMore  = 20 * time.Millisecond // beside the time until the last of them, and a quarter of it
)

// PathOutcome is what a probe of a path found.
type PathOutcome uint8

// Outcomes of [ProbePath].
const (
	PathPassed      PathOutcome = iota // the peer got a packet of this size
	PathLost                           // the peer got the same in pieces only: the packet was too big, or lost
	PathUnknown                        // nothing was found out: there is no IKE SA, or it has other things to do
	PathUnsupported                    // the peer cannot be probed: pieces of a packet do not get to it
)

var pathOutcomeNames = [...]string{"passed", "lost", "unknown", "unsupported"}

func (o PathOutcome) String() string { return pathOutcomeNames[o] }

// pathVerdict is the outcome of a probe that was cut, until all answers were there.
type pathVerdict struct {
	id      uint32 // of the request
	size    int
	missing int           // answers, if a whole packet was answered too
	last    time.Time     // when one came
	apart   time.Duration // answers to different sends come at least so far apart
	trip    time.Duration
}

// probePath is the event.
func (m *Machine) probePath(ev ProbePath) {
	p := m.peers[ev.ID]
	if p == nil {
		return
	}
	outcome := PathUnknown
	if s := p.current(); s != nil && s.state == saEstablished && s.proven {
		switch {
		case p.noPath:
			outcome = PathUnsupported
		case s.req == nil && len(s.tasks) == 0 && s.verdict == nil && s.pathPadding(ev.Size) >= 0 && ev.Size <= MaxPathProbe:
			s.enqueue(task{kind: taskPath, size: ev.Size})
			return
		}
	}
	m.emit(PathProbed{ID: ev.ID, Size: ev.Size, Outcome: outcome})
}

// pathPadding is how many bytes of padding make a probe of that size; negative: even none
// is too many.
func (s *sa) pathPadding(size int) int {
	const notify = message.GenericLen + 4
	return packetLimit(size, s.remote.Addr()) - (message.HeaderLen + message.GenericLen + overhead.IV + notify + 1 + overhead.ICV)
}

func (s *sa) pathPayloads(size int) []message.Payload {
	return []message.Payload{&message.Notify{Type: NotifyPathProbe, Data: make([]byte, s.pathPadding(size))}}
}

// askPath sends a probe, whole.
func (s *sa) askPath(t task) {
	h, ps := s.header(message.ExchangeInformational, false, s.nextID), s.pathPayloads(t.size)
	b, err := message.BuildEncrypted(h, ps, overhead, s.out.seal)
	if err != nil {
		s.end(s.peer.fail("build a path probe", err), false)
		return
	}
	s.m.traceMessage("sealed", s.remote, h, ps)
	s.launch(t, [][]byte{b}, nil)
}

// pathWait is how long the answer to a probe may take.
func (s *sa) pathWait() time.Duration {
	if s.trip == 0 {
		return pathWaitFirst
	}
	return min(max(s.trip*5/4+pathWaitMore, pathWaitMin), pathWaitMax)
}

// pathRetry is how long to wait until a probe is sent again.
func (s *sa) pathRetry() time.Duration {
	r := s.req
	if r.sends == 1 {
		r.wait = s.pathWait()
	}
	if r.sends <= pathWholes {
		return r.wait
	}
	return max(2*r.wait, pathRetryMin)
}

// sendPathAgain sends a probe in pieces of both kinds.
func (s *sa) sendPathAgain() {
	r := s.req
	if r.cut.IsZero() {
		r.cut = s.m.now
		s.m.timers.set(&s.verdictDue, s.m.now.Add(pathPatience))
	}
	s.counters().MessagesOut++
	s.m.emit(SendFragmentable{s.local, s.remote, r.messages[0]})
	if !s.fragments {
		return
	}
	if r.pieces == nil {
		h := s.header(message.ExchangeInformational, false, r.id)
		msgs, err := message.BuildFragments(h, s.pathPayloads(r.size), packetLimit(minMaxPacket, s.remote.Addr()), overhead, s.out.seal)
		if err != nil || len(msgs) > maxFragments {
			s.m.log.Error("cannot cut a path probe", "fragments", len(msgs), "err", err)
			return
		}
		r.pieces = msgs
	}
	s.send(r.pieces)
}

// pathStuck is called when no answer to pieces has come. A peer whose ESP comes in lives;
// one that is silent is gone, unless that happens again with no probe answered between.
func (s *sa) pathStuck() {
	r := s.req
	if r == nil || r.kind != taskPath || s.state != saEstablished {
		return
	}
	p := s.peer
	if !s.lastHeard.After(r.cut) {
		if !r.silent {
			r.silent = true
			p.pathStuck++
			p.noPath = p.pathStuck > 1
		}
		s.m.timers.set(&s.verdictDue, s.m.now.Add(pathPatience)) // its silence may end, or decides
		return
	}
	p.noPath = true
	p.log.Warn("probes of the path get to the peer neither whole nor in pieces: it is not probed any more", "size", r.size)
	s.m.emit(PathProbed{ID: p.ID, Size: r.size, Outcome: PathUnsupported})
	p.start(s.remote, s.local)
}

// pathAnswered takes the first answer to a probe.
func (s *sa) pathAnswered(r *request) {
	s.m.timers.stop(&s.verdictDue)
	s.peer.pathStuck = 0
	trip := max(s.m.now.Sub(r.first), time.Microsecond)
	if r.cut.IsZero() {
		s.trip = trip
		s.pathFound(r.size, PathPassed)
		return
	}
	if r.cut.Sub(r.first) < pathWholes*r.wait {
		s.pathFound(r.size, PathUnknown) // something else made it be sent again early
		return
	}
	s.verdict = &pathVerdict{
		id: r.id, size: r.size, missing: r.sends - pathWholes, trip: trip,
		last: s.m.now, apart: r.wait / 2,
	}
	s.m.timers.set(&s.verdictDue, s.m.now.Add(r.sentBefore.Sub(r.first)*5/4+pathHoldMore))
}

// pathAnsweredAgain takes another answer. It returns false for what is none.
func (s *sa) pathAnsweredAgain(d Datagram, h message.Header, sealed message.Payload) bool {
	v := s.verdict
	if v == nil || h.MessageID != v.id || h.Exchange != message.ExchangeInformational || sealed.PayloadType() != message.PayloadSK {
		return false
	}
	if _, authentic, _ := s.decrypt(d, sealed, s.in); !authentic {
		return true
	}
	if s.m.now.Sub(v.last) < v.apart {
		return true // to pieces of the other kind, sent at the same time
	}
	v.last = s.m.now
	if v.missing--; v.missing <= 0 {
		s.trip = v.trip
		s.verdict = nil
		s.m.timers.stop(&s.verdictDue)
		s.pathFound(v.size, PathPassed)
	}
	return true
}

// decidePath ends the wait for the first answer to pieces, or for further ones.
func (s *sa) decidePath() {
	v := s.verdict
	if v == nil {
		s.pathStuck()
		return
	}
	s.verdict = nil
	s.pathFound(v.size, PathLost)
}

func (s *sa) pathFound(size int, o PathOutcome) {
	s.m.emit(PathProbed{ID: s.peer.ID, Size: size, Outcome: o})
}

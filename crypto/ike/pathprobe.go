package ike

import (
	"time"

	"vpngw/crypto/ike/message"
)

// A path is probed (RFC 8899) with an INFORMATIONAL request that is padded to the size in
// question and sent whole, with DF, from the addresses and ports of ESP. What gets through
// is answered, which only the peer can do. What does not must not stay: the window of one
// would be blocked, and RFC 7296 §2.1 wants the same message again. RFC 7383 §2.5.2 lets
// the initiator cut it smaller then, so the second time it goes in fragments of 576 bytes;
// their answer shows that the peer lives and that only the size was the trouble.

// NotifyPathProbe fills a probe up. It is from the range of private use, where what is not
// known must be ignored (RFC 7296 §3.10.1).
const NotifyPathProbe message.NotifyType = 51200

// maxPathProbe is the longest packet that a path is asked about: what such a request can be
// cut into.
const maxPathProbe = 16000

// How long a probe is waited for before it is cut: a few round trips, as far as they are
// known.
const (
	pathWaitFirst = 300 * time.Millisecond
	pathWaitMin   = 150 * time.Millisecond
	pathWaitMax   = time.Second
	pathWaitTrips = 4
	pathWaitMore  = 100 * time.Millisecond // beside them, for a peer that is busy
)

// PathOutcome is what a probe of a path found.
type PathOutcome uint8

// Outcomes of [ProbePath].
const (
	PathPassed      PathOutcome = iota // the peer got a packet of this size
	PathLost                           // the peer got the same in small fragments only: the packet was too big, or lost
	PathUnknown                        // nothing was found out: there is no IKE SA, or it has other things to do
	PathUnsupported                    // the peer takes no fragments: it cannot be probed
)

var pathOutcomeNames = [...]string{"passed", "lost", "unknown", "unsupported"}

func (o PathOutcome) String() string { return pathOutcomeNames[o] }

// probePath is the event.
func (m *Machine) probePath(ev ProbePath) {
	p := m.peers[ev.ID]
	if p == nil {
		return
	}
	outcome := PathUnknown
	if s := p.current(); s != nil && s.state == saEstablished && s.proven {
		switch {
		case !s.fragments:
			outcome = PathUnsupported
		case s.req == nil && len(s.tasks) == 0 && s.pathPadding(ev.Size) >= 0 && ev.Size <= maxPathProbe:
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
	return min(max(pathWaitTrips*s.trip+pathWaitMore, pathWaitMin), pathWaitMax)
}

// cutPath makes a probe that is sent again go in fragments.
func (s *sa) cutPath() {
	r := s.req
	if !r.cut.IsZero() {
		return
	}
	h := s.header(message.ExchangeInformational, false, r.id)
	msgs, err := message.BuildFragments(h, s.pathPayloads(r.size), packetLimit(minMaxPacket, s.remote.Addr()), overhead, s.out.seal)
	if err != nil || len(msgs) > maxFragments {
		s.m.log.Error("cannot cut a path probe", "fragments", len(msgs), "err", err)
		return
	}
	r.messages, r.cut, r.urgent = msgs, s.m.now, urgentTries
}

// pathAnswered tells what a probe found.
func (s *sa) pathAnswered(r *request) {
	now := s.m.now
	outcome := PathPassed
	switch {
	case r.cut.IsZero():
		s.trip = max(now.Sub(r.first), time.Microsecond)
	case s.trip > 0 && now.Sub(r.cut) < s.trip/2:
		// Too soon for an answer to the fragments: it was on its way.
	case r.cut.Sub(r.first) < r.wait:
		outcome = PathUnknown // something else made it be sent again early
	default:
		outcome = PathLost
	}
	s.m.emit(PathProbed{ID: s.peer.ID, Size: r.size, Outcome: outcome})
}

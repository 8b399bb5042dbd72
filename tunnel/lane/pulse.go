package lane

import (
	"bytes"
	"encoding/binary"

	"vpngw/crypto/esp"
	"vpngw/tunnel/drop"
)

// A strand has a path of its own, which may die alone: a NAT forgets its ports, a firewall
// blocks them, one of several links behind a router is cut. So while a strand sends, it
// asks, and the peer answers by the same way back. Questions and answers are dummies
// (RFC 4303 §2.6) on the strand's SAs, with this in them, in network byte order:
//
//	bytes 0–2    pulseMark
//	byte  3      1: it asks for an answer
//	bytes 4–11   time of the sender, in its own measure
//	bytes 12–19  the same, of the last question that the sender has heard; 0: none
//
// What is asked again carries the answer to what the other end asked, too. A tunnel itself
// asks when control wants to know whether it is only the strand that gets no answer.
const (
	pulseLen = 20
	askPulse = 1

	// askAfter is between the first packet after an answer and the next question.
	askAfter = second / 4
	// askAgain is between two questions without an answer, or half a round trip: any of
	// them may be lost by chance.
	askAgain = second / 10
	// askPatience is how long no answer comes until control hears of it, or askTrips round
	// trips: what fills queues on the way makes them longer, and not four times at once.
	askPatience = second
	askTrips    = 4
)

var pulseMark = []byte{0x76, 0x70, 0x01}

// pulse is what a tunnel, mostly a strand, knows of answers on its path. Times are the
// lane's.
type pulse struct {
	heard    uint64 // time in the peer's last question; 0: there was none
	asked    int64  // when the last question left
	answered int64  // when the last question left that was answered
	trip     int64  // its round trip, in nanoseconds; 0: not known

	asking bool  // an answer is due: t is in Lane.asking
	from   int64 // since when
	next   int64 // when to ask again
	wanted int64 // control is to be told of an answer to what was asked from then on; 0: of none
}

// Ask asks t's peer for an answer by t's path, of which control hears as PathAnswered. A
// strand goes on until there is one, and control hears of PathSilent meanwhile. On the
// lane's goroutine.
func (l *Lane) Ask(t *Tunnel) {
	t.pulse.wanted = l.clock()
	l.sendPulse(t, askPulse)
	if t.Strand != 0 {
		l.awaitAnswer(t)
	}
}

// StopAsking ends that, until t sends something again. On the lane's goroutine.
func (l *Lane) StopAsking(t *Tunnel) {
	t.pulse.wanted = 0
	l.endAsking(t)
}

// awaitAnswer makes a strand ask in a while, unless it does already.
func (l *Lane) awaitAnswer(t *Tunnel) {
	p := &t.pulse
	if p.asking {
		return
	}
	p.asking, p.from, p.next = true, l.now, l.now+askAfter
	l.asking = append(l.asking, t)
}

func (l *Lane) endAsking(t *Tunnel) {
	if t.pulse.asking {
		t.pulse.asking = false
		l.asking = remove(l.asking, t)
	}
}

// askOn asks the questions that are due.
func (l *Lane) askOn() {
	for i := len(l.asking) - 1; i >= 0; i-- {
		t := l.asking[i]
		p := &t.pulse
		if l.now < p.next {
			continue
		}
		if t.out == nil || t.socket == nil {
			l.endAsking(t)
			continue
		}
		pause := max(askAgain, p.trip/2)
		if waited := l.now - p.from; p.asked >= p.from && waited >= max(askPatience, askTrips*p.trip) {
			p.wanted = p.from
			l.tell(PathSilent{Tunnel: t, Asked: p.asked})
			pause = max(pause, waited/4) // the longer it lasts, the less it matters
		}
		l.sendPulse(t, askPulse)
		p.next = l.now + pause
	}
}

// askAt is the lane time of the next question; 0: none is due.
func (l *Lane) askAt() (at int64) {
	for _, t := range l.asking {
		if p := &t.pulse; at == 0 || p.next < at {
			at = p.next
		}
	}
	return at
}

// sendPulse sends a question, or what is only an answer. What becomes of it does not
// matter.
func (l *Lane) sendPulse(t *Tunnel, kind byte) {
	o := t.out
	if o == nil || t.socket == nil || o.used.spent(&o.Limits) {
		return
	}
	var now int64
	if kind == askPulse {
		now = l.clock() // of two lanes each has another turn
		t.pulse.asked = now
		t.Counters.Questions.Add(1)
	}
	content := l.pulse.content[:pulseLen]
	copy(content, pulseMark)
	content[3] = kind
	binary.BigEndian.PutUint64(content[4:], uint64(now))
	binary.BigEndian.PutUint64(content[12:], t.pulse.heard)
	b := l.pulse.sealed[:]
	n, err := o.ESP.Seal(b, content, nextDummy)
	if err != nil {
		return // what is next sent on the SA tells control
	}
	o.used.packets++
	o.used.bytes += pulseLen
	_, _ = t.socket.socket.Send(b[:n], n, 0)
}

// pulseBuffers are what a lane makes pulses in.
type pulseBuffers struct {
	content [pulseLen + esp.MaxTrailer]byte
	sealed  [64]byte
}

// dummy takes a dummy packet: a question or an answer, or else nothing.
func (l *Lane) dummy(t *Tunnel, content []byte) drop.Reason {
	if t.Strand == 0 && t.strands == nil || len(content) != pulseLen || !bytes.HasPrefix(content, pulseMark) {
		return drop.Dummy
	}
	p := &t.pulse
	if content[3] == askPulse {
		p.heard = binary.BigEndian.Uint64(content[4:])
	}
	if at := int64(binary.BigEndian.Uint64(content[12:])); at > p.answered && at <= p.asked {
		l.answered(t, at)
		if content[3] != askPulse { // what the peer asks of its own accord may come much later
			p.trip = max(l.clock()-at, 1)
			t.Counters.RoundTrip.Store(p.trip)
		}
	}
	if content[3] == askPulse {
		l.sendPulse(t, 0)
	}
	return forward
}

// answered notes the answer to the question that left then.
func (l *Lane) answered(t *Tunnel, at int64) {
	p := &t.pulse
	p.answered = at
	t.Counters.Answers.Add(1)
	if at >= p.from {
		l.endAsking(t)
	}
	if p.wanted != 0 && at >= p.wanted && l.tell(PathAnswered{Tunnel: t, Asked: at}) {
		p.wanted = 0
	}
}

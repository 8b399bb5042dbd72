package ike

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"vpngw/crypto/ike/message"
)

// Times of the recovery from a peer that lost its state.
const (
	suspectTime = 600 * time.Millisecond // after a hint without an answer, until a new SA is tried beside the old one
	doubtTime   = 2 * time.Second        // the same after a silence without a hint, at most: long beside any round trip
	hintPause   = 5 * time.Second        // between two hints that are believed so far
	youngTime   = complainGap * 9 / 10   // an SA this new is hinted at only by messages that crossed; the next hint counts
	complainGap = time.Second            // in which one address gets one hint
	maxHinted   = 256                    // addresses that get one in it
)

// hintLimiter bounds the unprotected messages that we send of our own accord. It
// forgets all at once, so that a flood from many addresses costs no search.
type hintLimiter struct {
	told  map[netip.Addr]struct{}
	since time.Time
}

func (l *hintLimiter) allow(now time.Time, to netip.Addr) bool {
	if l.told == nil || now.Sub(l.since) >= complainGap {
		l.told, l.since = map[netip.Addr]struct{}{}, now
	}
	if _, ok := l.told[to]; ok || len(l.told) >= maxHinted {
		return false
	}
	l.told[to] = struct{}{}
	return true
}

// complain answers a request that cannot be read with an unprotected notify
// (RFC 7296 §1.5, §2.5), rarely.
func (m *Machine) complain(d Datagram, h message.Header, x message.ExchangeType, t message.NotifyType) {
	if m.hints.allow(m.now, d.Remote.Addr()) {
		m.answerStranger(d, h, x, &message.Notify{Type: t})
	}
}

// unknownSPI is the event. The sender is told, since it may be the survivor of our
// restart (RFC 7296 §1.5). A peer that is configured there is probed, or connected to
// if there is no SA with it.
func (m *Machine) unknownSPI(ev UnknownSPI) {
	here := m.addrs.at[ev.Remote.Addr().Unmap()]
	for _, p := range here {
		if p.attempt != nil {
			return // its answer may have been overtaken by the first packets
		}
	}
	for _, p := range here {
		if s := p.current(); s != nil && s.state == saEstablished {
			s.hint(ev.Remote)
		} else if p.lastHint.IsZero() || m.now.Sub(p.lastHint) >= hintPause {
			// A forged one is not to undo the back-off after refusals.
			p.lastHint = m.now
			p.start(p.Remote, ev.Local)
		}
	}
	if len(here) == 0 && m.addrs.waiting == 0 || !m.hints.allow(m.now, ev.Remote.Addr()) {
		return
	}
	h := message.Header{Version: message.Version2, Exchange: message.ExchangeInformational, Flags: message.FlagInitiator}
	n := &message.Notify{Type: message.NotifyInvalidSPI, Data: binary.BigEndian.AppendUint32(nil, ev.SPI)}
	b, err := message.Marshal(&message.Message{Header: h, Payloads: []message.Payload{n}})
	if err != nil {
		return
	}
	m.traceMessage("built", ev.Remote, h, []message.Payload{n})
	m.strangers.MessagesOut++
	m.emit(Send{ev.Local, ev.Remote, b})
}

// unprotected takes a message without protection where there should be some: at most a
// hint that the peer lost its state. The answer INVALID_IKE_SPI has the exchange type of
// what it answers (RFC 7296 §1.5).
func (m *Machine) unprotected(d Datagram, h message.Header) {
	m.strangers.MessagesIn++
	m.strangers.Rejected[RejectUnprotected]++
	msg, err := message.Parse(d.Bytes)
	if err != nil {
		return
	}
	m.traceMessage("received", d.Remote, h, msg.Payloads)
	n, _ := msg.Payloads[0].(*message.Notify)
	switch {
	case n == nil:
	case n.Type == message.NotifyInvalidIKESPI && h.Flags.Response():
		for _, own := range []message.SPI{h.InitiatorSPI, h.ResponderSPI} {
			if s := m.sas[own]; s != nil && s.spiI == h.InitiatorSPI && s.spiR == h.ResponderSPI {
				s.hint(d.Remote)
				return
			}
		}
	case n.Type == message.NotifyInvalidSPI && !h.Flags.Response():
		data := n.Data
		if len(data) == 0 {
			data = n.SPI
		}
		spi, ok := message.ParseChildSPI(data)
		if !ok {
			return
		}
		for _, c := range slices.Clone(m.outbound[spi]) {
			c.sa.hint(d.Remote)
		}
	}
}

// hint starts a probe at once. A forged hint costs one probe in hintPause, and an
// answered probe changes nothing. A peer that asked for this SA by a rekey may only lack
// our answer.
func (s *sa) hint(from netip.AddrPort) {
	m := s.m
	if s.state != saEstablished || !s.proven || from != s.remote || s.peer.attempt != nil ||
		m.now.Sub(s.established) < youngTime || !s.lastHint.IsZero() && m.now.Sub(s.lastHint) < hintPause {
		return
	}
	s.peer.log.Info("the peer may have lost its state: probing", "remote", s.remote)
	s.probe()
}

// probe asks the peer at once whether it lives and has this SA.
func (s *sa) probe() {
	m := s.m
	s.lastHint, s.asked = m.now, m.now
	m.timers.set(&s.suspect, m.now.Add(suspectTime))
	if s.req != nil {
		s.req.urgent = urgentTries
		s.retransmit()
		return
	}
	s.enqueue(task{kind: taskProbe, urgent: urgentTries})
}

// probe is the event.
func (p *peer) probe(local netip.AddrPort) {
	s := p.current()
	if s == nil || s.state != saEstablished {
		return
	}
	if local.IsValid() {
		s.local = local
		p.direct(s)
	}
	s.probe()
}

// doubt gives a peer that DPD asks some time to answer. A restarted one may drop ESP and
// requests of SAs that it does not know without a word, and would stay unreachable for
// the whole of DPD.Timeout.
func (s *sa) doubt() {
	if s.state != saEstablished || s.suspect.isSet() {
		return
	}
	s.asked = s.m.now
	s.m.timers.set(&s.suspect, s.m.now.Add(min(doubtTime, s.peer.DPD.Timeout/2)))
}

// suspectDue starts a new SA beside one that did not answer. The old one stays until
// the new one has authenticated, or its own silence ends it.
func (s *sa) suspectDue() {
	if s.state == saEstablished && s.lastHeard.Before(s.asked) {
		s.peer.start(s.remote, s.local)
	}
}

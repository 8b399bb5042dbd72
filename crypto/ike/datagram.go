package ike

import (
	"errors"
	"fmt"

	"vpngw/crypto/ike/message"
)

// datagram is the event: it finds the SA that a message belongs to.
func (m *Machine) datagram(d Datagram) {
	if len(d.Bytes) < message.HeaderLen {
		m.rejectf(&m.strangers, RejectMalformed, d.Remote, "%d bytes are no header", len(d.Bytes))
		return
	}
	h, err := message.ParseHeader(d.Bytes)
	if err != nil || uint64(h.Length) != uint64(len(d.Bytes)) {
		m.rejectf(&m.strangers, RejectMalformed, d.Remote, "header says %d bytes, datagram has %d", h.Length, len(d.Bytes))
		return
	}
	switch {
	case h.Version.Major() > 2:
		m.rejectf(&m.strangers, RejectVersion, d.Remote, "major version %d", h.Version.Major())
		if !h.Flags.Response() {
			m.complain(d, h, h.Exchange, message.NotifyInvalidMajorVersion)
		}
		return
	case h.Version.Major() < 2:
		m.reject(&m.strangers, RejectVersion, d.Remote, "IKEv1 is not spoken")
		return
	case h.Exchange == message.ExchangeIKESAInit && !h.Flags.Response():
		m.initRequest(d, h)
		return
	case h.NextPayload == message.PayloadNotify &&
		(h.Exchange == message.ExchangeInformational || h.Flags.Response() && h.Exchange != message.ExchangeIKESAInit):
		m.unprotected(d, h)
		return
	}
	own, other := h.InitiatorSPI, h.ResponderSPI
	if h.Flags.Initiator() {
		own, other = other, own
	}
	s := m.sas[own]
	if s != nil {
		s = s.candidate(other)
	}
	if s == nil || s.initiator == h.Flags.Initiator() || s.state != saInit && !s.racing(h) && s.otherSPI() != other {
		m.rejectf(&m.strangers, RejectUnknownSPI, d.Remote, "no IKE SA %v", own)
		if !h.Flags.Response() && (h.NextPayload == message.PayloadSK || h.NextPayload == message.PayloadSKF) {
			m.complain(d, h, h.Exchange, message.NotifyInvalidIKESPI)
		}
		return
	}
	s.counters().MessagesIn++
	s.message(d, h)
}

// otherSPI is the peer's.
func (s *sa) otherSPI() message.SPI {
	if s.initiator {
		return s.spiR
	}
	return s.spiI
}

// message takes a message with our SPIs. None of it can be believed yet.
func (s *sa) message(d Datagram, h message.Header) {
	msg, err := message.Parse(d.Bytes)
	if err != nil {
		s.reject(RejectMalformed, d, err.Error())
		return
	}
	if s.state == saInit {
		if h.Exchange != message.ExchangeIKESAInit || h.MessageID != 0 {
			s.reject(RejectExchange, d, h.Exchange.String()+" before keys")
			return
		}
		s.initResponse(d, msg)
		return
	}
	if s.racing(h) {
		s.anotherInit(d, msg)
		return
	}
	if len(msg.Payloads) != 1 || !isSealed(msg.Payloads[0]) {
		s.reject(RejectExchange, d, "an unprotected "+h.Exchange.String())
		return
	}
	if h.Flags.Response() {
		s.response(d, h, msg.Payloads[0])
	} else {
		s.request(d, h, msg.Payloads[0])
	}
}

func (s *sa) reject(why RejectReason, d Datagram, detail string) {
	s.m.reject(s.counters(), why, d.Remote, detail)
}

// request takes a protected request or a fragment of one: the next one, or the last one
// again.
func (s *sa) request(d Datagram, h message.Header, sealed message.Payload) {
	again := s.answer != nil && h.MessageID == s.expectID-1
	if !again && h.MessageID != s.expectID || s.state == saAuth {
		s.reject(RejectMessageID, d, fmt.Sprintf("request %d, expected %d", h.MessageID, s.expectID))
		return
	}
	if !again && (s.state == saRefused || s.state == saFading || s.state == saHalfOpen && h.Exchange != s.due()) {
		s.reject(RejectExchange, d, h.Exchange.String()+" before authentication")
		return
	}
	if again {
		s.answerAgain(d, sealed)
		return
	}
	c, whole, err := s.open(d, h, sealed, &s.parts)
	if !whole {
		s.keepParts()
		return
	}
	s.dropParts()
	ps := c.payloads
	s.arrivedFrom(d)
	if err != nil {
		s.answerMalformed(d, h, err)
		return
	}
	switch {
	case s.state == saHalfOpen && h.Exchange == message.ExchangeIKEIntermediate:
		s.intermediateRequest(d, c)
		return
	case s.state == saHalfOpen:
		s.authRequest(d, ps)
		return
	}
	s.heardFrom()
	s.confirmExtras()
	switch h.Exchange {
	case message.ExchangeInformational:
		s.informational(d, ps)
	case message.ExchangeCreateChildSA:
		s.childRequest(d, ps)
	default:
		s.reject(RejectExchange, d, h.Exchange.String())
		s.respond(h.Exchange, []message.Payload{&message.Notify{Type: message.NotifyInvalidSyntax}})
	}
}

// answerMalformed answers an authenticated request that breaks the syntax
// (RFC 7296 §2.21, §2.5).
func (s *sa) answerMalformed(d Datagram, h message.Header, err error) {
	n := &message.Notify{Type: message.NotifyInvalidSyntax}
	why := RejectSyntax
	var critical *message.UnsupportedCriticalError
	if errors.As(err, &critical) {
		n = &message.Notify{Type: message.NotifyUnsupportedCriticalPayload, Data: []byte{byte(critical.Payload)}}
		why = RejectCritical
	}
	s.reject(why, d, err.Error())
	s.respond(h.Exchange, []message.Payload{n})
	if s.state == saHalfOpen {
		s.refuse()
	}
}

// arrivedFrom follows a peer whose new request authenticates from another address, but
// never to IKE's own port.
func (s *sa) arrivedFrom(d Datagram) {
	if d.Remote == s.remote && (d.Local == s.local || !d.Local.IsValid()) || s.m.plain(d.Local) {
		return
	}
	s.remote = d.Remote
	if d.Local.IsValid() {
		s.local = d.Local
	}
	if p := s.peer; p != nil && p.using != nil && p.using.sa == s {
		p.direct(s)
	}
}

// response takes a protected response or a fragment of one: only that to the request
// under way.
func (s *sa) response(d Datagram, h message.Header, sealed message.Payload) {
	r := s.req
	if s.pathAnsweredAgain(d, h, sealed) {
		return
	}
	if r == nil || h.MessageID != r.id || h.Exchange != r.kind.exchange() {
		s.reject(RejectMessageID, d, fmt.Sprintf("response %d to nothing", h.MessageID))
		return
	}
	c, whole, err := s.open(d, h, sealed, &r.parts)
	if !whole {
		return
	}
	ps := c.payloads
	s.req = nil
	s.m.timers.stop(&s.retry)
	if s.state != saAuth {
		s.heardFrom()
	} else if d.Local.IsValid() && !s.m.plain(d.Local) {
		s.local = d.Local
	}
	if err != nil {
		s.reject(RejectSyntax, d, err.Error())
		why := Reason{ReasonInvalidSyntax, "response of " + d.Remote.String() + ": " + err.Error()}
		switch s.state {
		case saAuth:
			s.failAttempt(why)
		case saDeleting:
			s.end(s.why, true)
		default:
			s.beginDelete(why)
		}
		return
	}
	switch {
	case r.kind == taskIntermediate:
		s.intermediateResponse(d, c)
	case r.kind == taskAuth:
		s.authResponse(d, r, ps)
	case r.kind == taskDeleteIKE:
		s.end(s.why, true)
	case r.kind == taskRekeyIKE:
		s.rekeyResponse(r, ps)
	case s.state == saDeleting:
		// Whatever it made or closed ends with the IKE SA.
	case message.FindNotify(ps, message.NotifyInvalidSyntax) != nil:
		// For the peer the IKE SA is gone (RFC 7296 §2.21.3).
		s.reject(RejectSyntax, d, "our "+h.Exchange.String()+" was answered INVALID_SYNTAX")
		s.end(Reason{ReasonInvalidSyntax, d.Remote.String() + " answered INVALID_SYNTAX to our " + h.Exchange.String()}, true)
	case r.kind == taskPath:
		s.pathAnswered(r)
	case r.kind == taskDeleteChild:
		if r.child != nil {
			r.child.drop(true)
		}
	case r.offer != nil:
		s.childResponse(r, ps)
	}
	s.pump()
}

func (k taskKind) exchange() message.ExchangeType {
	switch k {
	case taskInit:
		return message.ExchangeIKESAInit
	case taskIntermediate:
		return message.ExchangeIKEIntermediate
	case taskAuth:
		return message.ExchangeIKEAuth
	case taskNewChild, taskExtraChild, taskRekeyChild, taskRekeyIKE:
		return message.ExchangeCreateChildSA
	}
	return message.ExchangeInformational
}

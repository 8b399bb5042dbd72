package ike

import (
	"fmt"

	"vpngw/crypto/ike/message"
)

// authRequest takes the IKE_AUTH request. An unknown identity and a wrong AUTH take
// the same path and get the same answer; selectors, proposals and secrets of the
// child come only after that.
func (s *sa) authRequest(d Datagram, ps []message.Payload) {
	if s.m.plain(d.Local) {
		s.refuseAuth(d, RejectPort, message.NotifyInvalidSyntax, "IKE_AUTH on the port of IKE alone, which cannot carry ESP: it belongs on port 4500")
		return
	}
	idi, err := message.One[*message.IDi](ps)
	if err != nil {
		s.refuseAuth(d, RejectSyntax, message.NotifyInvalidSyntax, err.Error())
		return
	}
	idr, err := message.AtMostOne[*message.IDr](ps)
	if err != nil {
		s.refuseAuth(d, RejectSyntax, message.NotifyInvalidSyntax, err.Error())
		return
	}
	auth, err := message.AtMostOne[*message.AUTH](ps)
	if err != nil {
		s.refuseAuth(d, RejectSyntax, message.NotifyInvalidSyntax, err.Error())
		return
	}
	if auth == nil {
		s.refuseAuth(d, RejectAuth, message.NotifyAuthenticationFailed, "no AUTH: EAP is not supported")
		return
	}
	p, why := s.identify(idi, idr, auth, ps)
	s.hs.claimed = p
	if why.Code != ReasonNone {
		if p != nil && !p.up && p.attempt == nil {
			p.reason = why
		}
		s.refuseAuth(d, RejectAuth, message.NotifyAuthenticationFailed, why.Detail)
		return
	}

	s.peer = p
	out, err := s.authAnswer(p)
	if err != nil {
		s.peer = nil
		s.refuseAuth(d, RejectBusy, message.NotifyTemporaryFailure, p.fail("authenticate", err).Detail)
		return
	}
	p.counters.MessagesIn++
	contact := message.FindNotify(ps, message.NotifyInitialContact) != nil
	s.establish()
	c, in, keysOut, more, refused := s.buildChild(ps, s.nonceI, s.nonceR, keNever)
	if refused != nil {
		s.reject(refused.count, d, refused.detail)
		s.respond(message.ExchangeIKEAuth, append(out, &message.Notify{Type: refused.notify, Data: refused.data}))
		s.why = Reason{refused.reason(), refused.detail}
		p.reason = s.why
		p.log.Info("child refused", "remote", s.remote, "reason", s.why)
		s.m.timers.set(&s.childless, s.m.now.Add(childlessTime))
		if contact {
			s.replaceOlder()
		}
		return
	}
	if s.agreeExtras(ps); s.extras.agreed {
		more = append(more, s.announcement()...)
	}
	if s.agreeUnsummed(ps); s.unsummed {
		more = append(more, p.announceUnsummed()...)
	}
	s.respond(message.ExchangeIKEAuth, append(out, more...))
	s.install(c, in, keysOut, nil)
	s.resolve(c, contact)
}

// reason is the refusal as the local status shows it.
func (r *refusal) reason() ReasonCode {
	switch r.notify {
	case message.NotifyNoProposalChosen, message.NotifyInvalidKEPayload:
		return ReasonProposal
	case message.NotifyTSUnacceptable:
		return ReasonSelectors
	case message.NotifyTemporaryFailure:
		return ReasonLocal
	}
	return ReasonInvalidSyntax
}

// identify finds the peer that an initiator says it is and verifies AUTH. Without one
// AUTH is checked against a random secret.
func (s *sa) identify(idi *message.IDi, idr *message.IDr, auth *message.AUTH, ps []message.Payload) (*peer, Reason) {
	var found *peer
	for _, p := range s.m.byID[identityOf(&idi.Identification).Key()] {
		if idr == nil || p.LocalID.Equal(identityOf(&idr.Identification)) {
			found = p
			break
		}
	}
	if found == nil {
		a, err := s.m.stranger(auth, ps)
		if err == nil {
			nobody := &peer{Peer: Peer{Auth: *a}}
			s.checkAuth(nobody, &idi.Identification, auth, ps, s.hs.initI, s.nonceR, s.keys.pi)
		}
		asked := "no particular identity of ours"
		if idr != nil {
			asked = identityOf(&idr.Identification).String()
		}
		return nil, Reason{ReasonAuth, fmt.Sprintf("%v says that it is %v and asks for %s: no such peer is configured",
			s.remote, identityOf(&idi.Identification), asked)}
	}
	auth, refused := s.answerPPK(found, auth, ps)
	why := s.checkAuth(found, &idi.Identification, auth, ps, s.hs.initI, s.nonceR, s.keys.pi)
	if refused.Code != ReasonNone {
		why = refused
	}
	if w := found.preferences(); why.Code == ReasonNone && !w.allows(s.suite) {
		why = Reason{ReasonProposal, fmt.Sprintf("%v was negotiated, but %v may use only %v, %v, %v",
			s.suite, found.RemoteID, w.ciphers, w.prfs, w.groups)}
	}
	return found, why
}

// authAnswer is IDr, CERT and AUTH.
func (s *sa) authAnswer(p *peer) ([]message.Payload, error) {
	idr := &message.IDr{Identification: payload(p.LocalID)}
	auth, err := p.Auth.sign(s.suite.prf, s.hs.hashes, s.signedOctets(s.hs.initR, s.nonceI, s.keys.pr, idr.Body()))
	if err != nil {
		return nil, err
	}
	ps := append(append([]message.Payload{idr}, p.Auth.certificates()...), auth)
	if s.ppk {
		ps = append(ps, &message.Notify{Type: message.NotifyPPKIdentity})
	}
	return ps, nil
}

// refuseAuth answers and keeps the SA only to repeat the answer.
func (s *sa) refuseAuth(d Datagram, count RejectReason, t message.NotifyType, detail string) {
	s.m.emit(Refused{s.suspects(d), d.Remote, Reason{refusedFor(t), detail}})
	s.reject(count, d, detail)
	s.respond(message.ExchangeIKEAuth, []message.Payload{&message.Notify{Type: t}})
	s.refuse()
}

func (s *sa) refuse() {
	s.state = saRefused
	s.hs.initI, s.hs.initR = nil, nil
}

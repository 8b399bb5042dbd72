package ike

import (
	"fmt"

	"vpngw/crypto/ike/message"
)

func payload(id Identity) message.Identification {
	return message.Identification{Type: message.IDType(id.Type), Data: []byte(id.Data)}
}

func identityOf(p *message.Identification) Identity {
	return Identity{Type: IDType(p.Type), Data: string(p.Data)}
}

// sendAuth sends the IKE_AUTH request, with that for the first child in it.
func (s *sa) sendAuth() error {
	p, hs := s.peer, s.hs
	s.state, s.req = saAuth, nil
	s.startPPK()
	idi := &message.IDi{Identification: payload(p.LocalID)}
	octets := func(skP []byte) []byte { return s.signedOctets(hs.initI, s.nonceR, skP, idi.Body()) }
	auth, err := p.Auth.sign(s.suite.prf, hs.hashes, octets(s.keys.pi))
	if err != nil {
		return err
	}
	ppk, err := s.ppkPayloads(octets)
	if err != nil {
		return err
	}
	o := &offer{nonce: s.nonceI}
	if o.spi, err = s.m.childSPI(); err != nil {
		return err
	}
	ps := append([]message.Payload{idi}, p.Auth.certificates()...)
	ps = append(ps, p.Auth.request()...)
	if s.isInitialContact() {
		ps = append(ps, &message.Notify{Type: message.NotifyInitialContact})
	}
	ps = append(ps,
		&message.IDr{Identification: payload(p.RemoteID)},
		auth,
		&message.SA{Proposals: []message.Proposal{p.preferences().espProposal(o.spi, false)}},
		&message.TSi{TrafficSelectors: wireSelectors(p.Local)},
		&message.TSr{TrafficSelectors: wireSelectors(p.Remotes)})
	ps = append(append(append(ps, ppk...), s.announcement()...), p.announceUnsummed()...)
	b, err := s.seal(message.ExchangeIKEAuth, false, s.nextID, ps)
	if err != nil {
		return err
	}
	s.launch(task{kind: taskAuth}, b, o)
	return nil
}

// isInitialContact tells whether this is the only SA with the peer: none stands, and
// nobody at its address is setting one up.
func (s *sa) isInitialContact() bool {
	return len(s.peer.sas) == 0 && s.m.halfOpen.perAddr[holder(s.remote.Addr())] == 0
}

// authResponse takes the protected answer to IKE_AUTH. AUTH is verified before
// anything else in it matters.
func (s *sa) authResponse(d Datagram, r *request, ps []message.Payload) {
	p := s.peer
	idr, errID := message.One[*message.IDr](ps)
	auth, errAuth := message.One[*message.AUTH](ps)
	if errID != nil || errAuth != nil {
		for n := range message.All[*message.Notify](ps) {
			if n.Type.IsError() {
				s.reject(RejectAuth, d, n.Type.String())
				s.failAttempt(s.authRefused(n.Type))
				return
			}
		}
		s.reject(RejectSyntax, d, "IKE_AUTH response without IDr or AUTH")
		s.failAttempt(Reason{ReasonInvalidSyntax, "IKE_AUTH response of " + d.Remote.String() + " without IDr or AUTH"})
		return
	}
	why := s.finishPPK(ps)
	if why.Code == ReasonNone {
		why = s.checkAuth(p, &idr.Identification, auth, ps, s.hs.initR, s.nonceI, s.keys.pr)
	}
	if why.Code != ReasonNone {
		s.reject(RejectAuth, d, why.Detail)
		// The responder believes that the SA stands (RFC 7296 §2.21.2).
		if b, err := s.seal(message.ExchangeInformational, false, s.nextID,
			[]message.Payload{&message.Notify{Type: message.NotifyAuthenticationFailed}}); err == nil {
			s.send(b)
		}
		s.failAttempt(why)
		return
	}

	c, in, out, why := s.acceptChild(r.offer, nil, ps)
	s.establish()
	if why.Code != ReasonNone {
		s.reject(RejectSelectors, d, why.Detail)
		s.beginDelete(why)
		return
	}
	s.agreeExtras(ps)
	s.agreeUnsummed(ps)
	s.install(c, in, out, nil)
	s.resolve(c, false)
}

// authRefused is what the responder's refusal means.
func (s *sa) authRefused(t message.NotifyType) Reason {
	p := s.peer
	switch t {
	case message.NotifyAuthenticationFailed:
		with := ""
		if s.ppk {
			with = " with " + p.PPK.String()
		}
		return Reason{ReasonAuth, fmt.Sprintf("%v answered AUTHENTICATION_FAILED to us, %v, by %v%s, asking for %v",
			s.remote, p.LocalID, p.Auth, with, p.RemoteID)}
	case message.NotifyInvalidSyntax, message.NotifyUnsupportedCriticalPayload:
		return Reason{ReasonInvalidSyntax, s.remote.String() + " answered " + t.String()}
	}
	return s.childRefused(t)
}

// checkAuth verifies the peer's AUTH, and that it is who it is to be. init is the peer's
// IKE_SA_INIT message, nonce ours, skP the peer's SK_p.
func (s *sa) checkAuth(p *peer, id *message.Identification, auth *message.AUTH, ps []message.Payload,
	init, nonce, skP []byte) Reason {

	octets := s.signedOctets(init, nonce, skP, id.Body())
	got := identityOf(id)
	err := p.Auth.verify(s.suite.prf, &claim{p.RemoteID, auth, ps, s.m.wall}, octets)
	switch {
	case !got.Equal(p.RemoteID):
		return Reason{ReasonAuth, fmt.Sprintf("%v says that it is %v, expected %v", s.remote, got, p.RemoteID)}
	case err != nil && s.ppk:
		return Reason{ReasonAuth, fmt.Sprintf("%v: %v (and the same %v?)", p.RemoteID, err, p.PPK)}
	case err != nil:
		return Reason{ReasonAuth, fmt.Sprintf("%v: %v", p.RemoteID, err)}
	case p.Auth.needsIdentityHash() && !s.hs.hashes.has(message.HashIdentity):
		return Reason{ReasonAuth, fmt.Sprintf("%v does not verify Ed25519 (no Identity in its SIGNATURE_HASH_ALGORITHMS)", p.RemoteID)}
	}
	return Reason{}
}

// establish makes an authenticated SA the peer's.
func (s *sa) establish() {
	p := s.peer
	s.winRace()
	s.state = saEstablished
	s.established, s.lastHeard, s.establishedAt = s.m.now, s.m.now, s.m.tick()
	s.hs = nil
	if p.attempt == s {
		p.attempt = nil
	}
	p.sas = append(p.sas, s)
	if !s.initiator {
		s.m.halfOpen.leave(s)
		s.m.timers.stop(&s.expire)
	}
	s.m.timers.set(&s.dpd, s.m.now.Add(p.DPD.Interval))
	s.age()
}

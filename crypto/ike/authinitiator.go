package ike

import (
	"crypto/ed25519"
	"fmt"

	"vpngw/crypto/ike/message"
)

func (id Identity) payload() message.Identification {
	return message.Identification{Type: message.IDType(id.Type), Data: []byte(id.Data)}
}

func identityOf(p *message.Identification) Identity {
	return Identity{IDType(p.Type), string(p.Data)}
}

// certificate is our raw public key, for a peer that is told to expect it there; nil
// with a PSK.
func (a *Auth) certificate() []message.Payload {
	if a.PSK != nil {
		return nil
	}
	public := a.Private.Public().(ed25519.PublicKey)
	return []message.Payload{&message.CERT{Encoding: message.CertRawPublicKey, Data: rawPublicKey(public)}}
}

// sendAuth sends the IKE_AUTH request, with that for the first child in it.
func (s *sa) sendAuth() error {
	p, hs := s.peer, s.hs
	s.state, s.req = saAuth, nil
	idi := &message.IDi{Identification: p.LocalID.payload()}
	auth, err := p.Auth.sign(s.suite.prf, append(signedOctets(s.suite.prf, hs.initI, s.nonceR, s.keys.pi, idi.Body()), hs.intAuth...))
	if err != nil {
		return err
	}
	o := &offer{nonce: s.nonceI}
	if o.spi, err = s.m.childSPI(); err != nil {
		return err
	}
	ps := append([]message.Payload{idi}, p.Auth.certificate()...)
	if s.isInitialContact() {
		ps = append(ps, &message.Notify{Type: message.NotifyInitialContact})
	}
	ps = append(ps,
		&message.IDr{Identification: p.RemoteID.payload()},
		auth,
		&message.SA{Proposals: []message.Proposal{p.preferences().espProposal(o.spi, false)}},
		&message.TSi{TrafficSelectors: wireSelectors(p.Local)},
		&message.TSr{TrafficSelectors: wireSelectors(p.Remotes)})
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
	if why := s.checkAuth(p, &idr.Identification, auth, ps, s.hs.initR, s.nonceI, s.keys.pr); why.Code != ReasonNone {
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
	s.install(c, in, out, nil)
	s.resolve(c, false)
}

// authRefused is what the responder's refusal means.
func (s *sa) authRefused(t message.NotifyType) Reason {
	p := s.peer
	switch t {
	case message.NotifyAuthenticationFailed:
		return Reason{ReasonAuth, fmt.Sprintf("%v answered AUTHENTICATION_FAILED to us, %v, by %v, asking for %v",
			s.remote, p.LocalID, p.Auth, p.RemoteID)}
	case message.NotifyInvalidSyntax, message.NotifyUnsupportedCriticalPayload:
		return Reason{ReasonInvalidSyntax, s.remote.String() + " answered " + t.String()}
	}
	return s.childRefused(t)
}

// checkAuth verifies the peer's AUTH and only then who it says it is. init is the
// peer's IKE_SA_INIT message, nonce ours, skP the peer's SK_p.
func (s *sa) checkAuth(p *peer, id *message.Identification, auth *message.AUTH, ps []message.Payload,
	init, nonce, skP []byte) Reason {

	octets := append(signedOctets(s.suite.prf, init, nonce, skP, id.Body()), s.hs.intAuth...)
	err := p.Auth.verify(s.suite.prf, auth, octets)
	if keys := p.Auth.sentKeys(ps); err == nil {
		err = keys
	}
	got := identityOf(id)
	switch {
	case got != p.RemoteID:
		return Reason{ReasonAuth, fmt.Sprintf("%v says that it is %v, expected %v", s.remote, got, p.RemoteID)}
	case auth.Method != p.Auth.method():
		return Reason{ReasonAuth, fmt.Sprintf("%v authenticates by %v, expected %v", p.RemoteID, auth.Method, p.Auth)}
	case err != nil:
		return Reason{ReasonAuth, fmt.Sprintf("%v of %v does not verify: is it the same %s on both sides?", p.Auth, p.RemoteID, p.Auth.secretName())}
	case p.Auth.PSK == nil && !s.hs.identity:
		return Reason{ReasonAuth, fmt.Sprintf("%v does not verify Ed25519 (no Identity in its SIGNATURE_HASH_ALGORITHMS)", p.RemoteID)}
	}
	return Reason{}
}

func (a *Auth) secretName() string {
	if a.PSK != nil {
		return "PSK"
	}
	return "key pair"
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
}

package ike

import (
	"fmt"
	"log/slog"

	"vpngw/crypto/identity"
	"vpngw/crypto/ike/message"
)

// PPK is a post-quantum pre-shared key (RFC 8784): mixed into the keys, it keeps them
// secret also from who breaks the key exchange later. The zero value is none.
type PPK struct {
	ID       string // by which the peer knows it too
	Secret   []byte // ≥ 16 bytes; 32 keep 128 bits against a quantum computer
	Required bool   // false: a peer without it is accepted
}

func (p *PPK) isSet() bool { return p.Secret != nil }

// String leaves the secret out.
func (p PPK) String() string { return fmt.Sprintf("PPK %q", p.ID) }

// GoString leaves the secret out.
func (p PPK) GoString() string { return p.String() }

// LogValue leaves the secret out.
func (p PPK) LogValue() slog.Value { return slog.StringValue(p.String()) }

// validate says what of a PPK cannot work.
func (p *PPK) validate() error {
	switch {
	case !p.isSet() && (p.ID != "" || p.Required):
		return fmt.Errorf("the PPK has no secret")
	case p.isSet() && (p.ID == "" || len(p.ID) > identity.Max):
		return fmt.Errorf("the PPK's id has %d bytes: 1 to %d", len(p.ID), identity.Max)
	case p.isSet() && len(p.Secret) < minPSK:
		return fmt.Errorf("the PPK has %d bytes, under 128 bits: give at least %d", len(p.Secret), minPSK)
	}
	return nil
}

// ppkFixed is the type of an id that both ends have agreed on (RFC 8784 §5.1).
const ppkFixed = 2

// identity is the notify by which the initiator names the PPK.
func (p *PPK) identity() *message.Notify {
	return &message.Notify{Type: message.NotifyPPKIdentity, Data: append([]byte{ppkFixed}, p.ID...)}
}

// isNamed tells whether the notify names this PPK.
func (p *PPK) isNamed(n *message.Notify) bool {
	return p.isSet() && len(n.Data) > 0 && n.Data[0] == ppkFixed && string(n.Data[1:]) == p.ID
}

// ppkName shows an id from the wire.
func ppkName(n *message.Notify) string {
	switch {
	case len(n.Data) > identity.Max:
		return fmt.Sprintf("of %d bytes", len(n.Data))
	case len(n.Data) == 0:
		return "without a type"
	case n.Data[0] != ppkFixed:
		return fmt.Sprintf("of type %d", n.Data[0])
	}
	return fmt.Sprintf("%q", n.Data[1:])
}

// usePPKNotify offers or accepts the use of a PPK, in IKE_SA_INIT.
func usePPKNotify() *message.Notify { return &message.Notify{Type: message.NotifyUsePPK} }

func offersPPK(ps []message.Payload) bool {
	return message.FindNotify(ps, message.NotifyUsePPK) != nil
}

// mix gives the keys with the PPK in them (RFC 8784 §3). Those of the messages of the
// IKE SA itself stay.
func (k ikeKeys) mix(p PRF, ppk []byte) ikeKeys {
	n := p.size()
	k.d, k.pi, k.pr = p.expand(ppk, n, k.d), p.expand(ppk, n, k.pi), p.expand(ppk, n, k.pr)
	return k
}

// startPPK mixes the PPK in where the responder takes part, before our AUTH is made.
func (s *sa) startPPK() {
	if !s.peer.PPK.isSet() || !s.hs.usePPK {
		return
	}
	s.hs.plain = s.keys
	s.keys = s.keys.mix(s.suite.prf, s.peer.PPK.Secret)
	s.ppk = true
}

// ppkPayloads are what the initiator says of the PPK in IKE_AUTH. With an optional one,
// AUTH without it goes along for a responder that turns out not to have it. octets gives
// what is signed under an SK_pi.
func (s *sa) ppkPayloads(octets func(skP []byte) []byte) ([]message.Payload, error) {
	if !s.ppk {
		return nil, nil
	}
	ps := []message.Payload{s.peer.PPK.identity()}
	if s.peer.PPK.Required {
		return ps, nil
	}
	auth, err := s.peer.Auth.sign(s.suite.prf, s.hs.hashes, octets(s.hs.plain.pi))
	if err != nil {
		return nil, err
	}
	return append(ps, &message.Notify{Type: message.NotifyNoPPKAuth, Data: auth.Data}), nil
}

// noPPKOffer refuses, for a peer whose PPK is required, a responder that does not know
// of PPKs. The answer is not protected, so a better one may still come.
func (s *sa) noPPKOffer(ps []message.Payload) Reason {
	if !s.peer.PPK.Required || offersPPK(ps) {
		return Reason{}
	}
	return Reason{ReasonAuth, fmt.Sprintf("%v offers no PPK (USE_PPK) in IKE_SA_INIT, but %v is required", s.remote, s.peer.PPK)}
}

// finishPPK goes on without the PPK where the responder did.
func (s *sa) finishPPK(ps []message.Payload) Reason {
	if !s.ppk || message.FindNotify(ps, message.NotifyPPKIdentity) != nil {
		return Reason{}
	}
	if s.peer.PPK.Required {
		return Reason{ReasonAuth, fmt.Sprintf("%v answers without %v, which is required", s.remote, s.peer.PPK)}
	}
	s.keys, s.ppk = s.hs.plain, false
	return Reason{}
}

// answerPPK decides as responder whether the SA has the peer's PPK, and mixes it in. It
// gives the AUTH that is to be verified then.
func (s *sa) answerPPK(p *peer, auth *message.AUTH, ps []message.Payload) (*message.AUTH, Reason) {
	n := message.FindNotify(ps, message.NotifyPPKIdentity)
	without := message.FindNotify(ps, message.NotifyNoPPKAuth)
	switch {
	case n != nil && s.hs.usePPK && p.PPK.isNamed(n):
		s.keys = s.keys.mix(s.suite.prf, p.PPK.Secret)
		s.ppk = true
		return auth, Reason{}
	case p.PPK.Required && n != nil:
		return auth, Reason{ReasonAuth, fmt.Sprintf("%v names the PPK %s, but %v is required", s.remote, ppkName(n), p.PPK)}
	case p.PPK.Required:
		return auth, Reason{ReasonAuth, fmt.Sprintf("%v comes without a PPK, but %v is required", s.remote, p.PPK)}
	case n == nil:
		return auth, Reason{}
	case without != nil && len(without.Data) > 0:
		return &message.AUTH{Method: auth.Method, Data: without.Data}, Reason{}
	case p.PPK.isSet():
		return auth, Reason{ReasonAuth, fmt.Sprintf("%v requires the PPK %s, ours is %v", s.remote, ppkName(n), p.PPK)}
	}
	return auth, Reason{ReasonAuth, fmt.Sprintf("%v requires the PPK %s, but none is configured here", s.remote, ppkName(n))}
}

// suiteText is the negotiated suite with what became of a PPK.
func (s *sa) suiteText() string {
	switch {
	case s.ppk:
		return s.suite.String() + "-ppk"
	case s.peer != nil && s.peer.PPK.isSet():
		return s.suite.String() + "-without-ppk"
	}
	return s.suite.String()
}

// hasPPK tells whether any peer has one, so that it is to be offered to whoever asks.
func (m *Machine) hasPPK() bool { return m.ppks > 0 }

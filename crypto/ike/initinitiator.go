package ike

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"vpngw/crypto/ike/message"
)

const (
	nonceLen   = 32 // RFC 7296 §2.10: at least half the PRF's key
	maxCookies = 3  // cookies taken in one attempt
	maxCookie  = 64 // bytes (RFC 7296 §2.6)
)

// start begins a handshake with the peer at remote.
func (p *peer) start(remote, local netip.AddrPort) {
	if p.attempt != nil || p.removed || !remote.IsValid() {
		return
	}
	m := p.m
	m.timers.stop(&p.reconnect)
	s := m.newSA(true, m.origin(local, remote), remote)
	s.peer = p
	s.hs.group = p.preferences().groups[0]
	var err error
	if s.spiI, err = m.newSPI(); err == nil {
		s.nonceI, err = m.random(nonceLen)
	}
	if err == nil {
		p.attempt = s
		m.sas[s.spiI] = s
		err = s.sendInit()
	}
	if err != nil {
		why := p.fail("start a handshake", err)
		s.close()
		p.settle(why)
	}
}

// sendInit sends the IKE_SA_INIT request, with a new key where the group changed.
func (s *sa) sendInit() error {
	m, hs, w := s.m, s.hs, s.peer.preferences()
	if hs.private == nil {
		k, err := hs.group.newPrivate(m.cfg.Rand)
		if err != nil {
			return err
		}
		hs.private = k
		hs.tried = append(hs.tried, hs.group)
	}
	var ps []message.Payload
	if hs.cookie != nil {
		ps = append(ps, &message.Notify{Type: message.NotifyCookie, Data: hs.cookie})
	}
	ps = append(ps,
		&message.SA{Proposals: w.initProposals()},
		&message.KE{Group: hs.group.id(), Data: publicValue(hs.private)},
		&message.Nonce{Data: s.nonceI})
	nat, err := m.natNotifies(s.spiI, 0, s.remote)
	if err != nil {
		return err
	}
	ps = append(ps, nat...)
	ps = append(ps, hashNotify(), &message.Notify{Type: message.NotifyFragmentationSupported})
	if w.mlkem {
		ps = append(ps, &message.Notify{Type: message.NotifyIntermediateExchangeSupported})
	}
	if s.peer.PPK.isSet() {
		ps = append(ps, usePPKNotify())
	}
	h := s.header(message.ExchangeIKESAInit, false, 0)
	b, err := message.Marshal(&message.Message{Header: h, Payloads: ps})
	if err != nil {
		return err
	}
	m.traceMessage("built", s.remote, h, ps)
	hs.initI = b
	hs.refusal = Reason{}
	s.nextID = 0
	s.launch(task{kind: taskInit}, [][]byte{b}, nil)
	return nil
}

// initResponse takes an unprotected answer. A wrong one may be forged, so it is never
// more than dropped: the right one may still come.
func (s *sa) initResponse(d Datagram, msg *message.Message) {
	ps := msg.Payloads
	s.m.traceMessage("received", d.Remote, msg.Header, ps)
	if n := message.FindNotify(ps, message.NotifyCookie); n != nil {
		s.takeCookie(d, n)
		return
	}
	if n := message.FindNotify(ps, message.NotifyInvalidKEPayload); n != nil {
		s.takeGroup(d, n)
		return
	}
	for n := range message.All[*message.Notify](ps) {
		if n.Type.IsError() {
			s.reject(RejectUnprotected, d, n.Type.String())
			s.refusedBy(n.Type)
			return
		}
	}
	if why := s.noPPKOffer(ps); why.Code != ReasonNone {
		s.reject(RejectAuth, d, why.Detail)
		s.hs.refusal = why
		return
	}
	if err := s.acceptInit(d, msg); err != nil {
		s.reject(RejectSyntax, d, err.Error())
		s.hs.refusal = Reason{ReasonInvalidSyntax, "IKE_SA_INIT response of " + d.Remote.String() + ": " + err.Error()}
		return
	}
	if err := s.begin(); err != nil {
		s.failAttempt(s.peer.fail("authenticate", err))
	}
}

// initPayloads are what IKE_SA_INIT must have, either way.
func initPayloads(ps []message.Payload) (*message.SA, *message.KE, *message.Nonce, error) {
	sa, errSA := message.One[*message.SA](ps)
	ke, errKE := message.One[*message.KE](ps)
	nonce, errNonce := message.One[*message.Nonce](ps)
	return sa, ke, nonce, cmp.Or(errSA, errKE, errNonce)
}

func (s *sa) takeCookie(d Datagram, n *message.Notify) {
	hs := s.hs
	if len(n.Data) == 0 || len(n.Data) > maxCookie || hs.cookies == maxCookies || bytes.Equal(n.Data, hs.cookie) {
		s.reject(RejectUnprotected, d, "COOKIE that is empty, too long, or one too many")
		return
	}
	hs.cookies++
	hs.cookie = bytes.Clone(n.Data)
	s.again()
}

// takeGroup changes to the group that the responder wants: one that we offered and did
// not try yet. All is offered again, so that AUTH shows a forged answer
// (RFC 7296 §1.2, §2.7).
func (s *sa) takeGroup(d Datagram, n *message.Notify) {
	g, ok := wantedGroup(n)
	hs := s.hs
	if !ok || !slices.Contains(s.peer.preferences().groups, g) || slices.Contains(hs.tried, g) {
		s.reject(RejectUnprotected, d, "INVALID_KE_PAYLOAD for a group that we do not offer or tried before")
		hs.refusal = Reason{ReasonProposal, fmt.Sprintf("%v wants another group than ours, %v", d.Remote, s.peer.preferences().groups)}
		return
	}
	hs.group, hs.private = g, nil
	s.again()
}

// wantedGroup reads INVALID_KE_PAYLOAD.
func wantedGroup(n *message.Notify) (Group, bool) {
	if len(n.Data) != 2 {
		return 0, false
	}
	return groupOf(message.TransformID(n.Data[0])<<8 | message.TransformID(n.Data[1]))
}

func (s *sa) again() {
	s.req = nil
	if err := s.sendInit(); err != nil {
		s.failAttempt(s.peer.fail("repeat IKE_SA_INIT", err))
	}
}

// refusedBy remembers an unprotected refusal as the reason to give if nothing better
// comes soon.
func (s *sa) refusedBy(t message.NotifyType) {
	code := ReasonRefused
	detail := s.remote.String() + " answered " + t.String()
	if t == message.NotifyNoProposalChosen {
		code = ReasonProposal
		detail += "; we offer " + proposalText(&message.SA{Proposals: s.peer.preferences().initProposals()})
	}
	s.hs.refusal = Reason{code, detail}
	if s.patience().Before(s.retry.at) {
		s.m.timers.set(&s.retry, s.patience())
	}
}

// acceptInit checks an IKE_SA_INIT response and derives the keys. Nothing changes
// unless all of it is good.
func (s *sa) acceptInit(d Datagram, msg *message.Message) error {
	ps := msg.Payloads
	if msg.ResponderSPI == 0 {
		return fmt.Errorf("responder SPI is zero")
	}
	saP, ke, nonce, err := initPayloads(ps)
	if err != nil {
		return err
	}
	w := s.peer.preferences()
	chosen, _, ok := w.chooseInit(saP)
	if !ok || !single(saP) || !offered(w.initProposals(), &saP.Proposals[0]) {
		return fmt.Errorf("the responder chose what we did not offer: %s", proposalText(saP))
	}
	if chosen.mlkem && message.FindNotify(ps, message.NotifyIntermediateExchangeSupported) == nil {
		return fmt.Errorf("the responder chose ML-KEM but does not do IKE_INTERMEDIATE")
	}
	if chosen.group != s.hs.group || ke.Group != s.hs.group.id() {
		return fmt.Errorf("the responder chose group %v, its key is of %v, ours of %v",
			chosen.group, message.TransformName(message.TransformKE, ke.Group), s.hs.group)
	}
	secret, err := s.hs.group.shared(s.hs.private, ke.Data)
	if err != nil {
		return err
	}
	s.spiR = msg.ResponderSPI
	s.nonceR = bytes.Clone(nonce.Data)
	s.suite = chosen
	s.derive(secret)
	s.hs.initR = bytes.Clone(d.Bytes)
	s.hs.hashes, s.hs.usePPK = announced(ps), offersPPK(ps)
	s.fragments = message.FindNotify(ps, message.NotifyFragmentationSupported) != nil
	if d.Local.IsValid() {
		s.local = d.Local
	}
	s.detectNAT(s.spiI, s.spiR, ps)
	s.float()
	s.in, s.out, err = s.protect()
	return err
}

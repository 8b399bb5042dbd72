package ike

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"

	"vpngw/crypto/ike/message"
)

// initRequest takes an IKE_SA_INIT request: the cheap checks first, no
// Diffie-Hellman before a cookie where many are half-open.
func (m *Machine) initRequest(d Datagram, h message.Header) {
	m.strangers.MessagesIn++
	if !h.Flags.Initiator() || h.InitiatorSPI == 0 || h.ResponderSPI != 0 || h.MessageID != 0 || len(d.Bytes) > maxInit {
		m.rejectf(&m.strangers, RejectMalformed, d.Remote,
			"IKE_SA_INIT request of %d bytes with SPIs %v and %v, id %d", len(d.Bytes), h.InitiatorSPI, h.ResponderSPI, h.MessageID)
		return
	}
	key := initKey(d.Remote, d.Bytes)
	if s := m.halfOpen.byInit[key]; s != nil {
		if s.state == saHalfOpen {
			s.counters().Retransmits++
			s.send([][]byte{s.hs.initR})
		}
		return
	}
	if len(m.peers) == 0 {
		m.reject(&m.strangers, RejectProposal, d.Remote, "no peer is configured")
		return
	}
	t := &m.halfOpen
	if t.perAddr[holder(d.Remote.Addr())] >= 2*t.limits.HalfOpenPerAddr {
		m.reject(&m.strangers, RejectHalfOpenAddr, d.Remote, "too many half-open SAs of this address")
		return
	}
	if t.open >= t.limits.HalfOpen {
		m.reject(&m.strangers, RejectHalfOpenTotal, d.Remote, "too many half-open SAs")
		return
	}
	msg, err := message.Parse(d.Bytes)
	if err != nil {
		m.refuseInit(d, h, err)
		return
	}
	m.traceMessage("received", d.Remote, h, msg.Payloads)
	if err := m.acceptStranger(d, msg, key); err != nil {
		m.refuseInit(d, h, err)
	}
}

// refusal is a request that is answered with a notify.
type refusal struct {
	notify message.NotifyType
	data   []byte
	count  RejectReason
	detail string
}

func (r *refusal) Error() string { return r.detail }

// refuseInit answers without protection, never with more bytes than were asked with.
func (m *Machine) refuseInit(d Datagram, h message.Header, err error) {
	r := &refusal{notify: message.NotifyInvalidSyntax, count: RejectSyntax, detail: err.Error()}
	var critical *message.UnsupportedCriticalError
	if errors.As(err, &critical) {
		r.notify, r.data, r.count = message.NotifyUnsupportedCriticalPayload, []byte{byte(critical.Payload)}, RejectCritical
	}
	errors.As(err, &r)
	m.reject(&m.strangers, r.count, d.Remote, r.detail)
	m.answerStranger(d, h, message.ExchangeIKESAInit, &message.Notify{Type: r.notify, Data: r.data})
}

// answerStranger sends an unprotected response of one notify, if it is no longer than
// the request.
func (m *Machine) answerStranger(d Datagram, h message.Header, x message.ExchangeType, n *message.Notify) {
	h.Exchange, h.Version = x, message.Version2
	h.Flags = h.Flags&message.FlagInitiator ^ message.FlagInitiator | message.FlagResponse
	b, err := message.Marshal(&message.Message{Header: h, Payloads: []message.Payload{n}})
	if err != nil || len(b) > len(d.Bytes) {
		return
	}
	m.traceMessage("built", d.Remote, h, []message.Payload{n})
	m.strangers.MessagesOut++
	m.emit(Send{d.Local, d.Remote, b})
}

// acceptStranger makes a half-open SA and answers.
func (m *Machine) acceptStranger(d Datagram, msg *message.Message, key [32]byte) error {
	ps := msg.Payloads
	saP, ke, nonce, err := initPayloads(ps)
	if err != nil {
		return err
	}
	chosen, answer, err := m.chooseForStranger(d, saP, ke, message.FindNotify(ps, message.NotifyIntermediateExchangeSupported) != nil)
	if err != nil {
		return err
	}
	extras := m.initExtras(chosen, ps)
	// Who only pretends to be at an address is not to take the places of who is there.
	t := &m.halfOpen
	crowded := t.open >= t.limits.CookieFrom || t.perAddr[holder(d.Remote.Addr())] >= t.limits.HalfOpenPerAddr
	if crowded || initAnswerLen(answer, chosen.group, extras) > len(d.Bytes) {
		if err := m.demandCookie(d, msg, nonce.Data); err != nil {
			return err
		}
	}

	s := m.newSA(false, d.Local, d.Remote)
	s.state, s.spiI, s.suite, s.initKey = saHalfOpen, msg.InitiatorSPI, chosen, key
	s.nonceI = bytes.Clone(nonce.Data)
	s.hs.initI = bytes.Clone(d.Bytes)
	s.hs.hashes, s.hs.usePPK = announced(ps), m.hasPPK() && offersPPK(ps)
	s.fragments = message.FindNotify(ps, message.NotifyFragmentationSupported) != nil
	if s.spiR, err = m.newSPI(); err == nil {
		s.nonceR, err = m.random(nonceLen)
	}
	if err != nil {
		return m.cannot(d, err)
	}
	private, err := chosen.group.newPrivate(m.cfg.Rand)
	if err != nil {
		return m.cannot(d, err)
	}
	secret, err := chosen.group.shared(private, ke.Data)
	if err != nil {
		return &refusal{message.NotifyInvalidSyntax, nil, RejectKE, err.Error()}
	}
	nat, err := m.natNotifies(s.spiI, s.spiR, s.remote)
	if err != nil {
		return m.cannot(d, err)
	}
	s.detectNAT(s.spiI, 0, ps)
	s.derive(secret)

	out := initAnswer(answer, chosen.group, publicValue(private), s.nonceR, append(nat, extras...))
	h := s.header(message.ExchangeIKESAInit, true, 0)
	b, err := message.Marshal(&message.Message{Header: h, Payloads: out})
	if err != nil {
		return m.cannot(d, err)
	}
	m.traceMessage("built", d.Remote, h, out)
	s.hs.initR = b
	s.expectID = 1
	m.sas[s.spiR] = s
	m.halfOpen.enter(s)
	m.timers.set(&s.expire, m.now.Add(m.halfOpen.limits.HalfOpenLife))
	s.send([][]byte{b})
	return nil
}

// cannot turns a failure of ours into an answer that says nothing of it.
func (m *Machine) cannot(d Datagram, err error) error {
	m.log.Error("cannot answer IKE_SA_INIT", "remote", d.Remote, "err", err)
	return &refusal{message.NotifyTemporaryFailure, nil, RejectBusy, err.Error()}
}

// initExtras are what an IKE_SA_INIT response says beside the least: what else both ends
// can do; and, as it is not known yet who asks, CERTREQ for any peer's authorities and
// USE_PPK for who offered it.
func (m *Machine) initExtras(chosen suite, request []message.Payload) []message.Payload {
	ps := certificateRequest(m.authorities.sorted())
	if m.hasPPK() && offersPPK(request) {
		ps = append(ps, usePPKNotify())
	}
	if message.FindNotify(request, message.NotifyFragmentationSupported) != nil {
		ps = append(ps, &message.Notify{Type: message.NotifyFragmentationSupported})
	}
	if chosen.mlkem {
		ps = append(ps, &message.Notify{Type: message.NotifyIntermediateExchangeSupported})
	}
	return ps
}

// initAnswer is the payloads of an IKE_SA_INIT response.
func initAnswer(chosen message.Proposal, g Group, public, nonce []byte, notifies []message.Payload) []message.Payload {
	ps := []message.Payload{
		&message.SA{Proposals: []message.Proposal{chosen}},
		&message.KE{Group: g.id(), Data: public},
		&message.Nonce{Data: nonce},
	}
	return append(append(ps, notifies...), hashNotify())
}

// initAnswerLen is how long the response will be, in bytes, before any
// Diffie-Hellman: an unproven address gets no more than it sent.
func initAnswerLen(chosen message.Proposal, g Group, extras []message.Payload) int {
	hash := &message.Notify{Data: make([]byte, sha1.Size)}
	b, err := message.Marshal(&message.Message{Header: message.Header{Version: message.Version2},
		Payloads: initAnswer(chosen, g, make([]byte, g.publicLen()), make([]byte, nonceLen), append([]message.Payload{hash, hash}, extras...))})
	if err != nil {
		return maxInit
	}
	return len(b)
}

// demandCookie refuses a request without a good cookie.
func (m *Machine) demandCookie(d Datagram, msg *message.Message, nonce []byte) error {
	if err := m.cookies.rotate(m); err != nil {
		return m.cannot(d, err)
	}
	n := message.FindNotify(msg.Payloads, message.NotifyCookie)
	if n != nil && m.cookies.check(n.Data, nonce, d.Remote, msg.InitiatorSPI) {
		return nil
	}
	return &refusal{message.NotifyCookie, cookie(m.cookies.current, nonce, d.Remote, msg.InitiatorSPI), RejectCookie, "cookie demanded"}
}

// chooseForStranger picks a suite. Who asks is not known yet, so it may be any peer's,
// those at the same address first; IKE_AUTH checks that it is one of the right peer's.
// Without IKE_INTERMEDIATE there can be no second key exchange.
func (m *Machine) chooseForStranger(d Datagram, saP *message.SA, ke *message.KE, intermediate bool) (suite, message.Proposal, error) {
	w := m.strangerPreferences(d.Remote.Addr())
	w.mlkem = w.mlkem && intermediate
	chosen, answer, ok := w.chooseInit(saP)
	if !ok {
		return suite{}, answer, &refusal{message.NotifyNoProposalChosen, nil, RejectProposal, "offered " + proposalText(saP)}
	}
	if ke.Group != chosen.group.id() {
		want := binary.BigEndian.AppendUint16(nil, uint16(chosen.group.id()))
		return suite{}, answer, &refusal{message.NotifyInvalidKEPayload, want, RejectKE,
			fmt.Sprintf("key of %s, wanted %v", message.TransformName(message.TransformKE, ke.Group), chosen.group)}
	}
	return chosen, answer, nil
}

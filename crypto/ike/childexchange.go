package ike

import (
	"bytes"
	"cmp"
	"crypto/ecdh"
	"fmt"
	"slices"

	"vpngw/crypto/ike/message"
)

// offer is our half of an exchange that makes a child, or of one that rekeys the IKE SA.
type offer struct {
	spi     uint32      // of a child
	ikeSPI  message.SPI // of an IKE SA
	nonce   []byte
	group   Group // 0: no key exchange
	private *ecdh.PrivateKey
	order   uint64 // logical time at which it was made
}

// childSPI draws an inbound ESP SPI.
func (m *Machine) childSPI() (uint32, error) {
	spi, err := m.cfg.SPI()
	if err == nil && spi < minSPI {
		err = fmt.Errorf("the SPI supply gave the reserved %d", spi)
	}
	return spi, err
}

func wireSelectors(list []Selector) message.TrafficSelectors {
	var t message.TrafficSelectors
	for _, s := range list {
		w := message.TrafficSelector{Type: message.TSIPv6AddrRange, Proto: s.Proto,
			StartPort: s.StartPort, EndPort: s.EndPort, First: s.First, Last: s.Last}
		if s.First.Is4() {
			w.Type = message.TSIPv4AddrRange
		}
		t.Selectors = append(t.Selectors, w)
	}
	return t
}

// selectorsOf reads selectors; those of other types and with opaque ports cannot match
// anything of ours and are left out.
func selectorsOf(t *message.TrafficSelectors) []Selector {
	var list []Selector
	for _, w := range t.Selectors {
		if w.First.IsValid() && w.StartPort <= w.EndPort {
			list = append(list, Selector{w.Proto, w.StartPort, w.EndPort, w.First, w.Last})
		}
	}
	return list
}

// lower is the lower of two nonces as RFC 7296 §2.8 compares them.
func lower(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		return bytes.Clone(a)
	}
	return bytes.Clone(b)
}

// childPayloads are what an exchange that makes a child must have, either way.
func childPayloads(ps []message.Payload) (*message.SA, *message.TSi, *message.TSr, error) {
	sa, errSA := message.One[*message.SA](ps)
	tsi, errI := message.One[*message.TSi](ps)
	tsr, errR := message.One[*message.TSr](ps)
	return sa, tsi, tsr, cmp.Or(errSA, errI, errR)
}

// buildChild answers a request for a child: the child, its keys inbound and outbound,
// and the payloads of the answer; or why not.
func (s *sa) buildChild(ps []message.Payload, ni, nr []byte, ke exchangeKE) (
	c *child, in, out []byte, answer []message.Payload, refused *refusal) {

	syntax := func(err error) *refusal {
		return &refusal{message.NotifyInvalidSyntax, nil, RejectSyntax, err.Error()}
	}
	p := s.peer
	saP, tsi, tsr, err := childPayloads(ps)
	if err != nil {
		return nil, nil, nil, nil, syntax(err)
	}
	keP, err := message.AtMostOne[*message.KE](ps)
	if err != nil {
		return nil, nil, nil, nil, syntax(err)
	}
	choice, ok := p.preferences().chooseESP(saP, ke)
	if !ok {
		own := p.preferences().espProposal(0, ke == keRequired)
		return nil, nil, nil, nil, &refusal{message.NotifyNoProposalChosen, nil, RejectProposal,
			fmt.Sprintf("child: %v offers %s, we accept %s", p.RemoteID, proposalText(saP),
				proposalText(&message.SA{Proposals: []message.Proposal{own}}))}
	}
	local, remote := narrow(selectorsOf(&tsr.TrafficSelectors), p.Local), narrow(selectorsOf(&tsi.TrafficSelectors), p.Remotes)
	if len(local) == 0 || len(remote) == 0 {
		return nil, nil, nil, nil, &refusal{message.NotifyTSUnacceptable, nil, RejectSelectors,
			fmt.Sprintf("%v proposes %s for itself and %s for us; configured are %s and %s", p.RemoteID,
				selectorText(selectorsOf(&tsi.TrafficSelectors)), selectorText(selectorsOf(&tsr.TrafficSelectors)),
				selectorText(p.Remotes), selectorText(p.Local))}
	}
	secret, mine, refused := s.childKE(choice, keP)
	if refused != nil {
		return nil, nil, nil, nil, refused
	}
	spi, err := s.m.childSPI()
	if err != nil {
		return nil, nil, nil, nil, &refusal{message.NotifyTemporaryFailure, nil, RejectBusy, p.fail("make a child", err).Detail}
	}
	in, out = deriveChild(s.suite.prf, s.keys.d, secret, ni, nr, choice.cipher)
	c = &child{in: spi, out: choice.spi, cipher: choice.cipher, esn: choice.esn, local: local, remote: remote,
		lowNonce: lower(ni, nr), pending: true}
	answer = []message.Payload{&message.SA{Proposals: []message.Proposal{choice.answer(spi)}}}
	if ke != keNever {
		answer = append(answer, &message.Nonce{Data: nr})
	}
	if mine != nil {
		answer = append(answer, &message.KE{Group: choice.group.id(), Data: publicValue(mine)})
	}
	answer = append(answer, &message.TSi{TrafficSelectors: wireSelectors(remote)}, &message.TSr{TrafficSelectors: wireSelectors(local)})
	return c, in, out, answer, nil
}

// childKE makes the shared secret of a child's own key exchange, if there is one.
func (s *sa) childKE(choice childChoice, ke *message.KE) (secret []byte, mine *ecdh.PrivateKey, refused *refusal) {
	if choice.group == 0 {
		return nil, nil, nil
	}
	if ke == nil || ke.Group != choice.group.id() {
		id := choice.group.id()
		return nil, nil, &refusal{message.NotifyInvalidKEPayload, []byte{byte(id >> 8), byte(id)}, RejectKE,
			"child: a key of " + choice.group.String() + " is wanted"}
	}
	mine, err := choice.group.newPrivate(s.m.cfg.Rand)
	if err != nil {
		return nil, nil, &refusal{message.NotifyTemporaryFailure, nil, RejectBusy, s.peer.fail("make a key", err).Detail}
	}
	if secret, err = choice.group.shared(mine, ke.Data); err != nil {
		return nil, nil, &refusal{message.NotifyInvalidSyntax, nil, RejectKE, err.Error()}
	}
	return secret, mine, nil
}

// acceptChild checks the answer to an offer of ours and derives the keys. nr is nil in
// IKE_AUTH, where the nonces are those of IKE_SA_INIT.
func (s *sa) acceptChild(o *offer, nr []byte, ps []message.Payload) (c *child, in, out []byte, why Reason) {
	p := s.peer
	for n := range message.All[*message.Notify](ps) {
		if n.Type.IsError() {
			return nil, nil, nil, s.childRefused(n.Type)
		}
	}
	bad := func(format string, args ...any) (*child, []byte, []byte, Reason) {
		return nil, nil, nil, Reason{ReasonInvalidSyntax, "answer of " + p.RemoteID.String() + ": " + fmt.Sprintf(format, args...)}
	}
	saP, tsi, tsr, err := childPayloads(ps)
	if err != nil {
		return bad("%v", err)
	}
	ke := keNever
	if o.group != 0 {
		ke = keRequired
	}
	choice, ok := p.preferences().chooseESP(saP, ke)
	if !ok || !single(saP) || choice.number != 1 || choice.group != o.group ||
		ke == keNever && hasType(&saP.Proposals[0], message.TransformKE) {
		return bad("it chose what we did not offer: %s", proposalText(saP))
	}
	var secret []byte
	if o.group != 0 {
		kep, err := message.One[*message.KE](ps)
		if err != nil {
			return bad("%v", err)
		}
		if kep.Group != o.group.id() {
			return bad("key of %s, ours is of %v", message.TransformName(message.TransformKE, kep.Group), o.group)
		}
		if secret, err = o.group.shared(o.private, kep.Data); err != nil {
			return bad("%v", err)
		}
	}
	local, remote := selectorsOf(&tsi.TrafficSelectors), selectorsOf(&tsr.TrafficSelectors)
	if !within(local, p.Local) || !within(remote, p.Remotes) {
		return nil, nil, nil, Reason{ReasonSelectors, fmt.Sprintf("%v answers %s for us and %s for itself; configured are %s and %s",
			p.RemoteID, selectorText(local), selectorText(remote), selectorText(p.Local), selectorText(p.Remotes))}
	}
	ni := o.nonce
	if nr == nil {
		nr = s.nonceR
	}
	toResponder, toInitiator := deriveChild(s.suite.prf, s.keys.d, secret, ni, nr, choice.cipher)
	c = &child{in: o.spi, out: choice.spi, cipher: choice.cipher, esn: choice.esn, local: local, remote: remote,
		initiator: true, lowNonce: lower(ni, nr)}
	return c, toInitiator, toResponder, Reason{}
}

// within tells whether an answer holds something, and nothing that was not proposed.
func within(answer, proposed []Selector) bool {
	return len(answer) > 0 && len(answer) <= MaxSelectors &&
		!slices.ContainsFunc(answer, func(a Selector) bool { return !covers(proposed, a) })
}

// childRefused is what a refusal of a child means.
func (s *sa) childRefused(t message.NotifyType) Reason {
	p := s.peer
	said := p.RemoteID.String() + " answered " + t.String()
	switch t {
	case message.NotifyNoProposalChosen, message.NotifyInvalidKEPayload:
		own := p.preferences().espProposal(0, p.PFS)
		return Reason{ReasonProposal, said + " for the child; we offer " + proposalText(&message.SA{Proposals: []message.Proposal{own}})}
	case message.NotifyTSUnacceptable, message.NotifySinglePairRequired:
		return Reason{ReasonSelectors, said + "; we propose " + selectorText(p.Local) + " for us and " + selectorText(p.Remotes) + " for it"}
	}
	return Reason{ReasonRefused, said}
}

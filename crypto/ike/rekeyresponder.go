package ike

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"vpngw/crypto/ike/message"
)

// isRekey tells whether a CREATE_CHILD_SA request is for a new IKE SA.
func isRekey(ps []message.Payload) bool {
	for sa := range message.All[*message.SA](ps) {
		if sa.Proposals[0].Protocol == message.ProtocolIKE {
			return true
		}
	}
	return false
}

// rekeyRequest answers the peer's rekey of the IKE SA with a new one, which goes on at
// once unless our own rekey is under way: then one of the two will.
func (s *sa) rekeyRequest(ps []message.Payload) *refusal {
	if busy := s.busy(); busy != "" {
		return &refusal{message.NotifyTemporaryFailure, nil, RejectBusy, busy}
	}
	n, answer, refused := s.makeRekey(ps)
	if refused != nil {
		return refused
	}
	s.respond(message.ExchangeCreateChildSA, answer)
	if s.req != nil && s.req.kind == taskRekeyIKE {
		s.rival, n.rivalOf = n, s
		return nil
	}
	s.handOver(n)
	n.pump()
	return nil
}

// busy tells what an IKE SA cannot be rekeyed beside (RFC 7296 §2.25.1, §2.25.2): the
// two ends would not agree on which children go over.
func (s *sa) busy() string {
	switch {
	case s.state != saEstablished:
		return "the IKE SA is " + s.state.String()
	case s.rival != nil:
		return "the IKE SA is being rekeyed"
	case s.req == nil:
	case s.req.kind == taskNewChild || s.req.kind == taskExtraChild || s.req.kind == taskRekeyChild:
		return "a child is being made"
	case s.req.kind == taskDeleteChild:
		return "a child is being closed"
	}
	return ""
}

// makeRekey makes the new SA that a request asks for, and the answer.
func (s *sa) makeRekey(ps []message.Payload) (*sa, []message.Payload, *refusal) {
	p, m := s.peer, s.m
	syntax := func(err error) (*sa, []message.Payload, *refusal) {
		return nil, nil, &refusal{message.NotifyInvalidSyntax, nil, RejectSyntax, "rekey of the IKE SA: " + err.Error()}
	}
	local := func(err error) (*sa, []message.Payload, *refusal) {
		return nil, nil, &refusal{message.NotifyTemporaryFailure, nil, RejectBusy, p.fail("rekey the IKE SA", err).Detail}
	}
	saP, ke, nonce, err := initPayloads(ps)
	if err != nil {
		return syntax(err)
	}
	chosen, answer, spiI, ok := p.preferences().chooseRekey(saP)
	if !ok {
		own := p.preferences().ikeProposal()
		return nil, nil, &refusal{message.NotifyNoProposalChosen, nil, RejectProposal,
			fmt.Sprintf("rekey of the IKE SA: %v offers %s, we accept %s", p.RemoteID, proposalText(saP),
				proposalText(&message.SA{Proposals: []message.Proposal{own}}))}
	}
	if ke.Group != chosen.group.id() {
		want := binary.BigEndian.AppendUint16(nil, uint16(chosen.group.id()))
		return nil, nil, &refusal{message.NotifyInvalidKEPayload, want, RejectKE, "rekey of the IKE SA: a key of " + chosen.group.String() + " is wanted"}
	}
	nr, err := m.random(nonceLen)
	if err != nil {
		return local(err)
	}
	private, err := chosen.group.newPrivate(m.cfg.Rand)
	if err != nil {
		return local(err)
	}
	secret, err := chosen.group.shared(private, ke.Data)
	if err != nil {
		return syntax(err)
	}
	spiR, err := m.newSPI()
	if err != nil {
		return local(err)
	}
	n, err := s.successor(false, chosen, spiI, spiR, secret, bytes.Clone(nonce.Data), nr)
	if err != nil {
		return local(err)
	}
	answer.SPI = message.IKESPI(spiR)
	return n, []message.Payload{
		&message.SA{Proposals: []message.Proposal{answer}},
		&message.Nonce{Data: nr},
		&message.KE{Group: chosen.group.id(), Data: publicValue(private)}}, nil
}

package ike

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vpngw/crypto/ike/message"
)

// The rekey of an IKE SA (RFC 7296 §1.3.2, §2.8, §2.18) makes a new one by an exchange
// of the old one. The new SA takes over the children, and ESP does not notice. Who
// asked for the rekey deletes the old SA.

// rekey asks for a rekey of the IKE SA, unless one is due anyway or another SA is to
// replace it.
func (s *sa) rekey() {
	if s.state != saEstablished || s.rekeying || s.expire.isSet() {
		return
	}
	s.rekeying = true
	s.enqueue(task{kind: taskRekeyIKE})
}

// askRekey sends the CREATE_CHILD_SA request for a new IKE SA. A group of 0 means that
// of the SA as it is, which the peer is known to take.
func (s *sa) askRekey(t task) {
	m, p := s.m, s.peer
	prefs := p.preferences()
	o := &offer{group: cmp.Or(t.group, s.suite.group), order: m.tick()}
	var err error
	if o.ikeSPI, err = m.newSPI(); err == nil {
		o.nonce, err = m.random(nonceLen)
	}
	if err == nil {
		o.private, err = o.group.newPrivate(m.cfg.Rand)
	}
	if err != nil {
		s.rekeying = false
		s.rekeyLater()
		p.fail("rekey the IKE SA", err)
		return
	}
	proposal := prefs.ikeProposal()
	proposal.SPI = message.IKESPI(o.ikeSPI)
	s.ask(t, message.ExchangeCreateChildSA, []message.Payload{
		&message.SA{Proposals: []message.Proposal{proposal}},
		&message.Nonce{Data: o.nonce},
		&message.KE{Group: o.group.id(), Data: publicValue(o.private)}}, o)
}

// rekeyLater repeats a rekey that could not be had now.
func (s *sa) rekeyLater() {
	if s.state == saEstablished {
		s.m.timers.set(&s.soft, s.m.now.Add(s.m.busyPause(&s.refusals)))
	}
}

// busyPause is the time after one more TEMPORARY_FAILURE: random, so that two ends that
// are in each other's way do not meet again, and longer each time.
func (m *Machine) busyPause(refusals *int) time.Duration {
	wait := busyWait << min(*refusals, 5)
	*refusals++
	return m.jitter(wait, 0.5)
}

// rekeyResponse takes the answer to askRekey.
func (s *sa) rekeyResponse(r *request, ps []message.Payload) {
	s.rekeying = false
	for n := range message.All[*message.Notify](ps) {
		if n.Type.IsError() {
			s.rekeyError(r, n)
			return
		}
	}
	n, why := s.acceptRekey(r.offer, ps)
	switch {
	case why.Code != ReasonNone:
		s.beginDelete(why)
	case s.state == saDeleting:
		n.beginDelete(s.why) // the peer has moved the children to it
	case s.state != saEstablished:
		// The peer uses its own rekey already, so it refused ours or lets it go.
		n.beginDelete(replacedReason)
	default:
		s.settleIKE(n)
	}
}

// rekeyError takes a refused rekey. If the peer's own rekey went through meanwhile, all
// is well; if it wants another group, it is asked again; if it is busy, later; and
// otherwise a new IKE SA is made beside this one.
func (s *sa) rekeyError(r *request, n *message.Notify) {
	p := s.peer
	p.log.Debug("rekey of the IKE SA refused", "by", n.Type)
	switch {
	case s.state != saEstablished:
		return
	case s.rival != nil:
		theirs := s.rival
		s.handOver(theirs)
		theirs.pump()
		return
	case n.Type == message.NotifyInvalidKEPayload:
		g, ok := wantedGroup(n)
		if ok && r.tries < len(allGroups) && slices.Contains(p.preferences().groups, g) && g != r.offer.group {
			s.rekeying = true
			s.enqueue(task{kind: taskRekeyIKE, group: g, tries: r.tries + 1})
			return
		}
	case n.Type == message.NotifyTemporaryFailure:
		s.rekeyLater()
		return
	}
	p.log.Info("the peer does not rekey the IKE SA: making a new one", "remote", s.remote, "answer", n.Type)
	s.m.timers.set(&s.soft, s.m.now.Add(s.m.jitter(refusedRekey, rekeyJitter)))
	p.start(s.remote, s.local)
}

// acceptRekey checks the answer to an offer of ours and makes the new SA.
func (s *sa) acceptRekey(o *offer, ps []message.Payload) (*sa, Reason) {
	p := s.peer
	bad := func(format string, args ...any) (*sa, Reason) {
		return nil, Reason{ReasonInvalidSyntax, "answer of " + p.RemoteID.String() + " to a rekey of the IKE SA: " + fmt.Sprintf(format, args...)}
	}
	saP, ke, nonce, err := initPayloads(ps)
	if err != nil {
		return bad("%v", err)
	}
	chosen, answer, spiR, ok := p.preferences().chooseRekey(saP)
	if !ok || !single(saP) || answer.Number != 1 {
		return bad("it chose what we did not offer: %s", proposalText(saP))
	}
	if chosen.group != o.group || ke.Group != o.group.id() {
		return bad("it chose group %v, its key is of %s, ours of %v", chosen.group,
			message.TransformName(message.TransformKE, ke.Group), o.group)
	}
	secret, err := o.group.shared(o.private, ke.Data)
	if err != nil {
		return bad("%v", err)
	}
	n, err := s.successor(true, chosen, o.ikeSPI, spiR, secret, o.nonce, nonce.Data)
	if err != nil {
		return nil, p.fail("make the keys of a rekeyed IKE SA", err)
	}
	n.proven = true
	return n, Reason{}
}

// chooseRekey is chooseIKE for a rekey, where each proposal has the SPI of the new SA.
func (w preferences) chooseRekey(sa *message.SA) (chosen suite, answer message.Proposal, spi message.SPI, ok bool) {
	w.mlkem = false // it is of the handshake only
	plain := message.SA{}
	spis := map[uint8]message.SPI{}
	for _, p := range sa.Proposals {
		spi, ok := message.ParseIKESPI(p.SPI)
		if !ok || spi == 0 {
			continue
		}
		spis[p.Number] = spi
		p.SPI = nil
		plain.Proposals = append(plain.Proposals, p)
	}
	chosen, answer, ok = w.chooseIKE(&plain)
	return chosen, answer, spis[answer.Number], ok
}

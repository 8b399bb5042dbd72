package ike

import (
	"bytes"
	"slices"

	"vpngw/crypto/ike/message"
)

const (
	maxChildren = 16 // of one IKE SA, without leaving ones; and two more for each Peer.Extra
	maxLeaving  = 64 // leaving ones of a peer: the oldest is forgotten first
)

func lessNonce(a, b []byte) bool { return bytes.Compare(a, b) < 0 }

// childRequest answers CREATE_CHILD_SA.
func (s *sa) childRequest(d Datagram, ps []message.Payload) {
	s.settledByPeer()
	var refused *refusal
	var old *child
	if isRekey(ps) {
		refused = s.rekeyRequest(ps)
	} else if old, refused = s.admitChild(ps); refused == nil {
		refused = s.makeChild(ps, old)
	}
	if refused != nil {
		s.reject(refused.count, d, refused.detail)
		n := &message.Notify{Type: refused.notify, Data: refused.data}
		if refused.notify == message.NotifyChildSANotFound {
			if rekey := message.FindNotify(ps, message.NotifyRekeySA); rekey != nil {
				n.Protocol, n.SPI = rekey.Protocol, rekey.SPI
			}
		}
		s.respond(message.ExchangeCreateChildSA, []message.Payload{n})
	}
}

// admitChild tells which child is to be rekeyed, if any, or why nothing can be made
// now (RFC 7296 §2.25).
func (s *sa) admitChild(ps []message.Payload) (old *child, refused *refusal) {
	if s.state != saEstablished {
		return nil, &refusal{message.NotifyTemporaryFailure, nil, RejectBusy, "the IKE SA is being deleted"}
	}
	if s.req != nil && s.req.kind == taskRekeyIKE {
		return nil, &refusal{message.NotifyTemporaryFailure, nil, RejectBusy, "the IKE SA is being rekeyed"}
	}
	count := 0
	for _, c := range s.peer.children {
		if c.sa == s && !c.leaving {
			count++
		}
	}
	if count >= maxChildren+2*s.peer.Extra {
		return nil, &refusal{message.NotifyNoAdditionalSAs, nil, RejectBusy, "too many children"}
	}
	rekey := message.FindNotify(ps, message.NotifyRekeySA)
	if rekey == nil {
		return nil, nil
	}
	gone := &refusal{message.NotifyChildSANotFound, nil, RejectUnknownSPI, "no such child"}
	spi, ok := message.ParseChildSPI(rekey.SPI)
	if !ok || rekey.Protocol != message.ProtocolESP {
		return nil, gone
	}
	old = s.childByOutbound(spi)
	switch {
	case old == nil && s.req != nil && s.req.offer != nil:
		// It may be what our own request made, its answer still on the way.
		return nil, &refusal{message.NotifyTemporaryFailure, nil, RejectBusy, "a child is being made"}
	case old == nil || old.leaving:
		return nil, gone
	case old.deleting || old.replacedBy.goesOn() || old.collision.goesOn():
		return nil, &refusal{message.NotifyTemporaryFailure, nil, RejectBusy, "that child is being closed"}
	}
	return old, nil
}

// childByOutbound finds the child that the peer names by its own inbound SPI.
func (s *sa) childByOutbound(spi uint32) *child {
	for _, c := range s.peer.children {
		if c.sa == s && c.out == spi {
			return c
		}
	}
	return nil
}

// makeChild answers with a child. It is used at once only where there is nothing else
// to send on.
func (s *sa) makeChild(ps []message.Payload, old *child) *refusal {
	p := s.peer
	nonce, err := message.One[*message.Nonce](ps)
	if err != nil {
		return &refusal{message.NotifyInvalidSyntax, nil, RejectSyntax, err.Error()}
	}
	var resource int
	var refused *refusal
	if old != nil {
		resource = old.resource
	} else if resource, refused = s.resourceOf(ps); refused != nil {
		return refused
	}
	nr, err := s.m.random(nonceLen)
	if err != nil {
		return &refusal{message.NotifyTemporaryFailure, nil, RejectBusy, p.fail("answer CREATE_CHILD_SA", err).Detail}
	}
	ke := kePossible
	if p.PFS {
		ke = keRequired
	}
	c, in, out, answer, refused := s.buildChild(ps, bytes.Clone(nonce.Data), nr, ke)
	if refused == nil && old == nil {
		refused = s.refuseSecond(c)
	}
	if refused == nil && old == nil && resource > 0 {
		refused = s.refuseUnlike(c)
	}
	if refused != nil {
		return refused
	}
	var lost *child
	if resource > 0 {
		answer = append(answer, resourceInfo(resource))
		lost = s.childOf(resource)
	}
	c.resource = resource
	s.install(c, in, out, old)
	s.respond(message.ExchangeCreateChildSA, answer)
	switch {
	case old == nil && lost != nil:
		lost.replaced(c, crossingWait) // the peer would not ask if it had it
	case old == nil:
	case s.req != nil && s.req.kind == taskRekeyChild && s.req.child == old:
		old.collision = c
	default:
		s.dropTasks(old)
		old.rekeying = false
		old.replaced(c, replacedTime)
	}
	if p.using == nil && resource == 0 {
		c.use()
	}
	return nil
}

// informational answers an INFORMATIONAL request (RFC 7296 §1.4).
func (s *sa) informational(d Datagram, ps []message.Payload) {
	var gone []uint32
	for del := range message.All[*message.Delete](ps) {
		switch del.Protocol {
		case message.ProtocolIKE:
			s.respond(message.ExchangeInformational, nil)
			why := Reason{ReasonDeleted, "DELETE of " + d.Remote.String()}
			if s.state == saDeleting {
				why = s.why
			}
			s.deletedByPeer(why)
			return
		case message.ProtocolESP:
			s.settledByPeer()
			for _, spi := range del.SPIs {
				c := s.childByOutbound(spi)
				switch {
				case c != nil && !slices.Contains(gone, c.in):
					gone = append(gone, s.childDeletedByPeer(c)...)
				case c == nil && s.req != nil && s.req.offer != nil && len(s.req.stillborn) < maxChildren:
					s.req.stillborn = append(s.req.stillborn, spi)
				}
			}
		}
	}
	if message.FindNotify(ps, message.NotifyAuthenticationFailed) != nil {
		s.respond(message.ExchangeInformational, nil)
		s.endedByPeer(Reason{ReasonAuth, s.peer.RemoteID.String() + " does not accept our AUTH or identity " + s.peer.LocalID.String()})
		return
	}
	var answer []message.Payload
	if len(gone) > 0 {
		answer = append(answer, &message.Delete{Protocol: message.ProtocolESP, SPIs: gone})
	}
	s.respond(message.ExchangeInformational, answer)
}

// endedByPeer ends an SA that the peer deleted.
func (s *sa) endedByPeer(why Reason) {
	if !s.hadChild && s.why.Code != ReasonNone {
		why = s.why // the cause of it
	}
	s.end(why, true)
}

// childDeletedByPeer takes the peer's DELETE of a child and gives the SPI to answer with,
// none if our own DELETE of it is under way (RFC 7296 §1.4.1).
func (s *sa) childDeletedByPeer(c *child) []uint32 {
	if c.leaving {
		return nil
	}
	ours := s.req != nil && s.req.kind == taskDeleteChild && s.req.child == c
	s.dropTasks(c)
	// While our rekey of c is under way, the peer's own rekey of it has won.
	if c.replacedBy == nil && c.collision != nil {
		c.replacedBy = c.collision
	}
	c.drop(true)
	if ours {
		return nil
	}
	return []uint32{c.in}
}

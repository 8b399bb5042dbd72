package ike

import (
	"cmp"
	"slices"
	"time"

	"vpngw/crypto/ike/message"
)

// askChild sends the CREATE_CHILD_SA request for a new child or the rekey of one.
func (s *sa) askChild(t task) {
	p := s.peer
	if t.kind == taskRekeyChild && (!t.child.live() || t.child.replacedBy != nil) {
		t.child.rekeying = false
		return
	}
	if t.kind == taskNewChild && s.hasChild() {
		return
	}
	if t.kind == taskExtraChild {
		if t.extra = s.missingExtra(); t.extra == 0 {
			return
		}
	}
	o, err := s.newOffer(t.group)
	if err != nil {
		s.cannotAsk(t, p.fail("ask for a child", err))
		return
	}
	var ps []message.Payload
	if t.kind == taskRekeyChild {
		ps = append(ps, &message.Notify{Protocol: message.ProtocolESP, SPI: message.ChildSPI(t.child.in), Type: message.NotifyRekeySA})
	}
	if k := t.resource(); k > 0 {
		ps = append(ps, resourceInfo(k))
	}
	ps = append(ps,
		&message.SA{Proposals: []message.Proposal{p.preferences().espProposal(o.spi, p.PFS)}},
		&message.Nonce{Data: o.nonce})
	if o.private != nil {
		ps = append(ps, &message.KE{Group: o.group.id(), Data: publicValue(o.private)})
	}
	ps = append(ps,
		&message.TSi{TrafficSelectors: wireSelectors(p.Local)},
		&message.TSr{TrafficSelectors: wireSelectors(p.Remotes)})
	s.ask(t, message.ExchangeCreateChildSA, ps, o)
}

// cannotAsk takes a failure of ours. Without the first child the IKE SA is of no use.
func (s *sa) cannotAsk(t task, why Reason) {
	if t.resource() == 0 {
		s.beginDelete(why)
		return
	}
	if t.child != nil {
		t.child.rekeying = false
	}
	s.extraFailed(&request{task: t}, why)
}

// newOffer draws what a CREATE_CHILD_SA request needs. A group of 0 means the one that
// the peer asked for last, or else our first preference.
func (s *sa) newOffer(group Group) (*offer, error) {
	o := &offer{order: s.m.tick()}
	var err error
	if o.spi, err = s.m.childSPI(); err != nil {
		return nil, err
	}
	if o.nonce, err = s.m.random(nonceLen); err != nil {
		return nil, err
	}
	if s.peer.PFS {
		o.group = cmp.Or(group, s.childGroup, s.peer.preferences().groups[0])
		o.private, err = o.group.newPrivate(s.m.cfg.Rand)
	}
	return o, err
}

// childResponse takes the answer to askChild.
func (s *sa) childResponse(r *request, ps []message.Payload) {
	old := r.child
	if old != nil {
		old.rekeying = false
	}
	for n := range message.All[*message.Notify](ps) {
		if n.Type.IsError() {
			old.rekeyedByPeer()
			s.childError(r, n)
			return
		}
	}
	nonce, err := message.One[*message.Nonce](ps)
	if err != nil {
		s.badChild(r, Reason{ReasonInvalidSyntax, "CREATE_CHILD_SA response: " + err.Error()})
		return
	}
	c, in, out, why := s.acceptChild(r.offer, nonce.Data, ps)
	if why.Code == ReasonNone && r.resource() > 0 {
		why = s.unwanted(c)
	}
	if why.Code != ReasonNone {
		s.badChild(r, why)
		return
	}
	c.resource = r.resource()
	if slices.Contains(r.stillborn, c.out) {
		s.tryLater(r)
		return
	}
	s.install(c, in, out, old)
	switch {
	case old != nil:
		s.settleRekey(old, c)
	case c.resource > 0:
		s.settleExtra(c)
	default:
		s.settleNew(c, r.offer)
	}
}

// rekeyedByPeer takes the peer's rekey of a child, which may be nil, for the one that went
// through: ours, begun at the same time, did not.
func (c *child) rekeyedByPeer() {
	if c != nil && c.collision != nil {
		c.replaced(c.collision, replacedTime)
		c.collision = nil
	}
}

// settleRekey decides which child goes on after a rekey of ours. If the peer rekeyed
// the same child meanwhile, the pair made with the lowest nonce is closed by who made
// it, and who made the other one closes the old child (RFC 7296 §2.8.1).
func (s *sa) settleRekey(old, c *child) {
	theirs := old.collision
	old.collision = nil
	if theirs.goesOn() && lessNonce(c.lowNonce, theirs.lowNonce) {
		old.replaced(theirs, replacedTime)
		c.delete()
		return
	}
	if theirs != nil {
		theirs.replaced(c, replacedTime)
	}
	old.replaced(c, replacedTime)
	c.use()
	old.delete()
}

// settleNew does the same for children that both ends made anew.
func (s *sa) settleNew(c *child, o *offer) {
	for _, other := range slices.Clone(s.peer.children) {
		if other.sa != s || other == c || other.resource > 0 || !other.live() {
			continue
		}
		if !other.initiator && other.order > o.order && lessNonce(c.lowNonce, other.lowNonce) {
			c.delete()
			return
		}
		if other.initiator || other.order < o.order {
			other.replaced(c, replacedTime)
			other.delete()
		} else {
			// The peer deletes it if it knows of ours in time.
			other.replaced(c, crossingWait)
		}
	}
	c.use()
}

// childError takes a refused CREATE_CHILD_SA. Without a child the IKE SA is of no use;
// with one it serves until a new IKE SA, tried beside it, takes over.
func (s *sa) childError(r *request, n *message.Notify) {
	p, old := s.peer, r.child
	p.log.Debug("child refused", "by", n.Type)
	switch n.Type {
	case message.NotifyInvalidKEPayload:
		g, ok := wantedGroup(n)
		if ok && r.tries < len(allGroups) && slices.Contains(p.preferences().groups, g) && g != r.offer.group {
			if old != nil {
				old.rekeying = true
			}
			s.childGroup = g
			s.enqueue(task{kind: r.kind, child: old, group: g, tries: r.tries + 1})
			return
		}
	case message.NotifyTemporaryFailure:
		s.tryLater(r)
		return
	case message.NotifyChildSANotFound:
		// The peer deleted it, and says so or has lost it; or does not have it yet, if
		// the answer that made it is still on its way.
		if old != nil {
			old.delete()
			old.drop(true)
		}
		if r.resource() > 0 {
			s.extraFailed(r, s.childRefused(n.Type))
			return
		}
		s.m.timers.stop(&s.childless)
		s.enqueue(task{kind: taskNewChild})
		return
	}
	if r.resource() > 0 {
		s.extraRefused(r, n.Type)
		return
	}
	why := s.childRefused(n.Type)
	p.log.Info("child refused", "reason", why)
	if !s.hasChild() {
		s.beginDelete(why)
		return
	}
	if old != nil && old.live() {
		s.m.timers.set(&old.timer, s.m.now.Add(s.m.jitter(refusedRekey, rekeyJitter)))
	}
	p.start(s.remote, s.local)
}

// refusedRekey is when a rekey that the peer refused for good is tried again.
const refusedRekey = 60 * time.Second

// tryLater repeats what the peer was too busy for.
func (s *sa) tryLater(r *request) {
	switch old := r.child; {
	case old != nil && old.live() && old.replacedBy == nil:
		s.m.timers.set(&old.timer, s.m.now.Add(s.m.busyPause(&old.refusals)))
	case r.extra > 0:
		s.extras.failures++
		s.tendExtras()
	case !s.hasChild():
		s.m.timers.set(&s.childless, s.m.now.Add(s.m.busyPause(&s.refusals)))
	}
}

package ike

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"vpngw/crypto/ike/message"
)

// Additional child SAs (RFC 9611) have the selectors of the first one, so that each core
// can have keys and sequence numbers of its own. Each has a resource number, 1 and up,
// that both ends know it by; the first one, which carries what no other does, has 0. Who
// began the first IKE SA makes them, one after another, once the first child stands.

// MaxExtra bounds Peer.Extra.
const MaxExtra = 63

// extrasVendor says beside SA_RESOURCE_INFO that its data is a resource number in two
// bytes, for to others it is opaque, that each child may have UDP ports of its own, and that
// a dummy may ask for an answer. Who is behind a NAT says that too: the ports are its to
// open, since from outside only those ports of a NAT can be reached that were opened from
// within.
const (
	extrasVendor    = "vpngw: numbered per-resource child SAs, 2"
	extrasVendorNAT = extrasVendor + ", behind a NAT"
)

const (
	extraFirst   = time.Second // before an additional child is asked for again; doubled at each failure
	extraMax     = 30 * time.Second
	extraMatured = 60 * time.Second // one that lived so long did not fail
)

// extras is what an IKE SA knows of its additional children.
type extras struct {
	agreed   bool // both ends announced them
	opener   bool // their ports are ours to open
	most     int  // the highest resource that both take
	failures int  // in a row
}

// announcement is what IKE_AUTH says of additional children. To a peer that does not know
// them neither payload means anything.
func (s *sa) announcement() []message.Payload {
	if s.peer.Extra == 0 {
		return nil
	}
	vendor := extrasVendor
	if s.behindNAT {
		vendor = extrasVendorNAT
	}
	return []message.Payload{
		&message.VendorID{Data: []byte(vendor)},
		&message.Notify{Type: message.NotifySAResourceInfo}, // the first child is of no resource
	}
}

// agreeExtras takes the peer's announcement, or that there is none.
func (s *sa) agreeExtras(ps []message.Payload) {
	s.extras = extras{most: s.peer.Extra, opener: s.initiator}
	if s.extras.most == 0 || message.FindNotify(ps, message.NotifySAResourceInfo) == nil {
		return
	}
	for v := range message.All[*message.VendorID](ps) {
		nat := string(v.Data) == extrasVendorNAT
		if !nat && string(v.Data) != extrasVendor {
			continue
		}
		s.extras.agreed = true
		if nat != s.behindNAT {
			s.extras.opener = s.behindNAT
		}
	}
}

// resourceInfo goes with each exchange about an additional child.
func resourceInfo(resource int) message.Payload {
	return &message.Notify{Type: message.NotifySAResourceInfo, Data: binary.BigEndian.AppendUint16(nil, uint16(resource))}
}

// resource is the number of the child that an exchange makes.
func (t *task) resource() int {
	if t.child != nil {
		return t.child.resource
	}
	return t.extra
}

// childOf is the live child of a resource, or nil.
func (s *sa) childOf(resource int) *child {
	for _, c := range slices.Backward(s.peer.children) {
		if c.sa == s && c.resource == resource && c.live() {
			return c
		}
	}
	return nil
}

// missingExtra is the lowest resource that is to have a child and has none, or 0.
func (s *sa) missingExtra() int {
	if s.state != saEstablished || !s.extras.agreed || !s.born().initiator || s.expire.isSet() || !s.hasChild() {
		return 0
	}
	for k := 1; k <= s.extras.most; k++ {
		if s.childOf(k) == nil {
			return k
		}
	}
	return 0
}

// tendExtras plans the next additional child, if one is missing: now, or some time after
// a failure.
func (s *sa) tendExtras() {
	if s.more.isSet() || s.req != nil && s.req.kind == taskExtraChild || s.missingExtra() == 0 {
		return
	}
	at := s.m.now
	if n := s.extras.failures; n > 0 {
		at = at.Add(s.m.jitter(min(extraFirst<<min(n-1, 8), extraMax), 0.5))
	}
	s.m.timers.set(&s.more, at)
}

// extraDue asks for the next one: which one that is by then, askChild sees.
func (s *sa) extraDue() {
	if s.missingExtra() > 0 {
		s.enqueue(task{kind: taskExtraChild})
	}
}

// extraEnded notes that an additional child ended, and nothing replaced it.
func (s *sa) extraEnded(c *child) {
	s.extras.failures++
	if s.m.now.Sub(c.created) >= extraMatured {
		s.extras.failures = 0
	}
	s.tendExtras()
}

// extraFailed takes a failure to make an additional child, or to rekey one: the tunnel
// goes on without.
func (s *sa) extraFailed(r *request, why Reason) {
	s.peer.log.Debug("no additional child", "resource", r.resource(), "reason", why)
	if old := r.child; old != nil {
		if old.live() && old.replacedBy == nil {
			s.m.timers.set(&old.timer, s.m.now.Add(s.m.jitter(refusedRekey, rekeyJitter)))
		}
		return
	}
	s.extras.failures++
	s.tendExtras()
}

// extraRefused is extraFailed by a notify of the peer. What it does not want more of is
// not asked for again under this IKE SA (RFC 9611 §5.2).
func (s *sa) extraRefused(r *request, t message.NotifyType) {
	if r.child == nil && (t == message.NotifyTSMaxQueue || t == message.NotifyNoAdditionalSAs) {
		s.extras.most = r.extra - 1 // those before it were there
	}
	s.extraFailed(r, Reason{ReasonRefused, s.peer.RemoteID.String() + " answered " + t.String()})
}

// badChild takes an answer that makes no child for us, although the peer has one now. An
// additional one is closed; without the first one the IKE SA is of no use.
func (s *sa) badChild(r *request, why Reason) {
	if r.resource() == 0 {
		s.beginDelete(why)
		return
	}
	r.child.rekeyedByPeer()
	s.enqueue(task{kind: taskDeleteChild, orphan: r.offer.spi})
	s.extraFailed(r, why)
}

// resourceOf reads which resource a request for a new child is for: 0 if none is named.
func (s *sa) resourceOf(ps []message.Payload) (int, *refusal) {
	n := message.FindNotify(ps, message.NotifySAResourceInfo)
	if n == nil || len(n.Data) == 0 {
		return 0, nil
	}
	refuse := func(t message.NotifyType, count RejectReason, format string, args ...any) (int, *refusal) {
		return 0, &refusal{t, nil, count, s.peer.RemoteID.String() + " wants an additional child: " + fmt.Sprintf(format, args...)}
	}
	if !s.extras.agreed || len(n.Data) != 2 {
		return refuse(message.NotifyTSMaxQueue, RejectBusy, "none was agreed on")
	}
	k := int(binary.BigEndian.Uint16(n.Data))
	switch {
	case k == 0 || k > s.peer.Extra:
		return refuse(message.NotifyTSMaxQueue, RejectBusy, "for resource %d, of %d", k, s.peer.Extra)
	case !s.hasChild():
		return refuse(message.NotifyTemporaryFailure, RejectBusy, "there is no first one")
	}
	return k, nil
}

// likeFirst tells whether a child has the selectors of the first one, if that is there.
func (s *sa) likeFirst(c *child) bool {
	first := s.childOf(0)
	return first == nil || slices.Equal(c.local, first.local) && slices.Equal(c.remote, first.remote)
}

// unwanted tells why an additional child that the peer made for us is not to be used.
func (s *sa) unwanted(c *child) Reason {
	switch {
	case !s.peer.up:
		return Reason{ReasonDeleted, "the tunnel went down meanwhile"}
	case !s.likeFirst(c):
		return Reason{ReasonSelectors, s.peer.RemoteID.String() + " answers other selectors for an additional child than for the first"}
	}
	return Reason{}
}

// refuseUnlike refuses an additional child that does not have the first one's selectors.
func (s *sa) refuseUnlike(c *child) *refusal {
	if s.likeFirst(c) {
		return nil
	}
	return &refusal{message.NotifyTSUnacceptable, nil, RejectSelectors, fmt.Sprintf(
		"%v wants an additional child for %s to %s, other than the first", s.peer.RemoteID, selectorText(c.remote), selectorText(c.local))}
}

// settleExtra uses a new additional child of ours. The peer waits for a sign that we have
// it: the last one is followed by an empty request.
func (s *sa) settleExtra(c *child) {
	c.use()
	if s.missingExtra() == 0 {
		s.enqueue(task{kind: taskProbe})
	}
}

// confirmExtras uses the additional children that our answers made: a new request shows
// that the peer has the answers, for its window is one.
func (s *sa) confirmExtras() {
	for _, c := range slices.Clone(s.peer.children) {
		if c.sa == s && c.resource > 0 && c.pending && c.live() {
			c.use()
		}
	}
}

// deleteExtras tells the peer of the end of all additional children.
func (s *sa) deleteExtras() {
	for _, c := range slices.Clone(s.peer.children) {
		if c.sa == s && c.resource > 0 {
			c.delete()
		}
	}
}

// sendsOn is the child that a resource sends on, or nil.
func (p *peer) sendsOn(resource int) *child {
	if resource == 0 {
		return p.using
	}
	return p.extra[resource-1]
}

func (p *peer) sendOn(resource int, c *child) {
	if resource == 0 {
		p.using = c
	} else {
		p.extra[resource-1] = c
	}
}

package ike

import (
	"slices"
	"time"

	"vpngw/crypto/ike/message"
)

const (
	replacedWait = 10 * time.Second // for the peer to DELETE an SA that a rekey replaced, before we do
	// maxOldSAs bounds the SAs that a peer has beside the one in use, after rekeys. The
	// oldest is forgotten first: it has nothing to do but repeat an answer.
	maxOldSAs = 32
)

var replacedReason = Reason{Code: ReasonReplaced, Detail: "by a rekey"}

// successor makes the SA that rekeys s: authenticated by s, with message IDs from 0.
func (s *sa) successor(initiator bool, chosen suite, spiI, spiR message.SPI, secret, ni, nr []byte) (*sa, error) {
	m, p := s.m, s.peer
	n := m.newSA(initiator, s.local, s.remote)
	n.hs = nil
	n.peer, n.state, n.suite, n.fragments = p, saRival, chosen, s.fragments
	n.suite.mlkem, n.ppk = s.suite.mlkem, s.ppk // their secrets go on in SK_d (RFC 7296 §2.18)
	n.spiI, n.spiR, n.nonceI, n.nonceR = spiI, spiR, ni, nr
	n.behindNAT, n.peerNAT = s.behindNAT, s.peerNAT
	n.established, n.lastHeard, n.establishedAt = m.now, m.now, m.tick()
	born := s.born()
	n.birth = &born
	n.keys = rekeyIKE(s.suite.prf, s.keys.d, chosen, secret, ni, nr, spiI, spiR)
	var err error
	if n.in, n.out, err = n.protect(); err != nil {
		return nil, err
	}
	m.sas[n.spi()] = n
	p.sas = append(p.sas, n)
	p.forgetOld()
	return n, nil
}

// forgetOld keeps to maxOldSAs.
func (p *peer) forgetOld() {
	var old []*sa
	for _, s := range p.sas {
		if s.state != saEstablished {
			old = append(old, s)
		}
	}
	for _, s := range old[:max(0, len(old)-maxOldSAs)] {
		s.close()
	}
}

// handOver makes n go on in place of s, which it rekeys: it gets the children, what
// waits to be asked for them, and what was decided about the SA's end. What waits is
// asked by pump, once the caller has sent what is to come first.
func (s *sa) handOver(n *sa) {
	m, p := s.m, s.peer
	s.rival, n.rivalOf = nil, nil
	n.state = saEstablished
	// A peer that has not heard our answer about a child does not rekey the SA, nor lets it
	// be rekeyed; the sign that it has it may be lost with s.
	s.confirmExtras()
	for _, c := range p.children {
		if c.sa == s {
			c.sa = n
		}
	}
	n.hadChild, n.childGroup = s.hadChild, s.childGroup
	n.extras = s.extras
	n.extras.most = p.Extra
	n.unsummed = s.unsummed
	if s.childless.isSet() {
		m.timers.set(&n.childless, s.childless.at)
	}
	if s.expire.isSet() {
		n.why = s.why
		m.timers.set(&n.expire, s.expire.at)
	}
	n.tasks = slices.DeleteFunc(s.tasks, func(t task) bool { return t.kind == taskProbe || t.kind == taskRekeyIKE })
	s.state, s.tasks, s.rekeying, s.heir = saReplaced, nil, false, n
	s.stopAging()
	s.waitForDelete()
	n.heardFrom()
	n.age()
	n.tendExtras()
	p.log.Debug("IKE SA rekeyed", "spi_i", n.spiI, "spi_r", n.spiR, "suite", n.suite, "initiator", n.initiator)
	if p.up && p.announced == s {
		p.announce(n)
	}
}

// settleIKE decides which SA goes on after a rekey of ours. If the peer rekeyed the same
// SA meanwhile, the new one made with the lowest nonce is deleted by who made it, and
// who made the other one deletes the old SA (RFC 7296 §2.8.2).
func (s *sa) settleIKE(n *sa) {
	theirs := s.rival
	if theirs != nil && lessNonce(n.lowNonce(), theirs.lowNonce()) {
		s.handOver(theirs)
		n.beginDelete(replacedReason)
		theirs.pump()
		return
	}
	s.handOver(n)
	s.beginDelete(replacedReason)
	if theirs != nil {
		theirs.rivalOf = nil
		theirs.waitForDelete()
	}
	n.pump()
}

// waitForDelete leaves it to the peer to delete an SA that does not go on, and does so
// if it does not.
func (s *sa) waitForDelete() {
	s.why = replacedReason
	s.m.timers.set(&s.expire, s.m.now.Add(replacedWait))
}

// replacedDue deletes an SA whose DELETE did not come. If our answer to the rekey may
// still be on its way, it is needed: then the new SA is probed first.
func (s *sa) replacedDue() {
	if n := s.heir; n.state == saEstablished && !n.proven {
		s.waitForDelete()
		n.enqueue(task{kind: taskProbe})
		return
	}
	s.beginDelete(s.why)
}

// settledByPeer takes a request on a rival for the peer's word that it goes on: it has
// nothing else to ask on an SA that does not.
func (s *sa) settledByPeer() {
	if old := s.rivalOf; old != nil {
		old.handOver(s)
		s.pump()
	}
}

// deletedByPeer ends an SA that the peer deleted. If a rekey replaced it, that was to
// come; if our own rekey of it is under way, the peer's has won (RFC 7296 §2.25.2).
func (s *sa) deletedByPeer(why Reason) {
	r := s.rival
	if s.state == saEstablished && r != nil {
		s.handOver(r)
	}
	if s.state != saReplaced && s.state != saRival {
		s.endedByPeer(why)
		return
	}
	if s.heir != nil {
		s.heir.proven = true
	}
	s.fade()
	if r != nil {
		r.pump()
	}
}

// fade ends an SA that the peer deleted after a rekey. It stays to repeat the answer to
// that, since the first may be lost.
func (s *sa) fade() {
	s.closeRival()
	s.state, s.req, s.tasks = saFading, nil, nil
	s.stopTimers()
	s.m.timers.set(&s.expire, s.m.now.Add(closeTimeout))
}

// closeRival unties what ends: without the old SA its rival has no children.
func (s *sa) closeRival() {
	if r := s.rivalOf; r != nil && r.rival == s {
		r.rival = nil
	}
	if r := s.rival; r != nil {
		s.rival = nil
		r.close()
	}
	s.rivalOf = nil
}

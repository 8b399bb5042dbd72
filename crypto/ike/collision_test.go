package ike

import (
	"slices"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// collision is one case of two gateways that rekey, make and close SAs at the same
// time (RFC 7296 §2.8.1, §2.8.2, §2.25). After each there must be one IKE SA and one
// child pair, nothing left over, and all ESP that was sent must have come.
type collision struct {
	name   string
	change func(a, b *Peer)
	run    func(s *script)
	errors string // what the two refuse one another, whatever the nonces
	// fresh tells what is new in the end: "child", "ike", both or neither.
	fresh string
}

var pfs = func(a, b *Peer) { a.PFS, b.PFS = true, true }

// otherGroups makes each end want another group than the other one tries first.
func otherGroups(a, b *Peer) {
	pfs(a, b)
	a.Groups, b.Groups = []Group{X25519, P256}, []Group{P256, X25519}
}

// regroup changes what the ends want after the IKE SA was made.
func regroup(s *script) {
	s.a.m.peers[1].Groups, s.b.m.peers[7].Groups = []Group{P256, X25519}, []Group{P256, X25519}
}

const longTime = 4 * time.Second

var collisions = []collision{
	// Rekeys of a child, without a collision.
	{"child: regular", nil, func(s *script) { s.a.soft() }, "", "child"},
	{"child: regular, by the responder of the IKE SA", nil, func(s *script) { s.b.soft() }, "", "child"},
	{"child: regular, PFS", pfs, func(s *script) { s.a.soft() }, "", "child"},
	{"child: another group wanted", otherGroups, func(s *script) { s.a.soft() }, "b INVALID_KE_PAYLOAD ×1", "child"},
	{"child: twice in a row", nil, func(s *script) { s.a.soft(); s.run(60 * time.Millisecond); s.a.soft() }, "", "child"},
	{"child: from either end in turn", nil, func(s *script) { s.a.soft(); s.run(60 * time.Millisecond); s.b.soft() }, "", "child"},
	{"child: soft limit at the other end before the DELETE", nil, func(s *script) {
		s.hold("a delete")
		old := s.child(s.b).in
		s.a.soft()
		s.wait()
		s.b.step(SoftLimit{7, old})
		s.release("a delete")
	}, "", "child"},
	{"child: hard limit at the other end before the DELETE", nil, func(s *script) {
		s.hold("a delete")
		old := s.child(s.b).in
		s.a.soft()
		s.wait()
		if s.child(s.b).in == old {
			s.noChild() // the rekey was lost, so the limit ends it
		}
		s.b.step(HardLimit{7, old})
		s.release("a delete")
	}, "", "child"},
	{"child: the other end deletes the new one", nil, func(s *script) {
		s.a.soft()
		s.run(200 * time.Millisecond)
		s.deleteChild(s.b)
	}, "", "child"},
	{"child: the other end lost it", nil, func(s *script) {
		s.noChild()
		c := s.child(s.b)
		s.b.inside(func() { c.drop(true) })
		s.a.soft()
	}, "b CHILD_SA_NOT_FOUND ×1", "child"},
	{"child: DELETE is answered without the SPI", nil, func(s *script) {
		s.hold("b re delete")
		s.a.soft()
		s.wait()
		s.wait()
		forge(s, s.b, s.a, "b re delete", nil)
	}, "", "child"},
	{"child: DELETE is answered with another SPI", nil, func(s *script) {
		s.hold("b re delete")
		s.a.soft()
		s.wait()
		s.wait()
		forge(s, s.b, s.a, "b re delete", []uint32{4711})
	}, "", "child"},
	{"child: request lost", nil, func(s *script) { s.lose("a rekey", 2); s.a.soft() }, "", "child"},
	{"child: answer lost", nil, func(s *script) { s.lose("b re rekey", 3); s.a.soft() }, "", "child"},
	{"child: DELETE lost", nil, func(s *script) { s.lose("a delete", 3); s.a.soft() }, "", "child"},
	{"child: DELETE's answer lost", nil, func(s *script) { s.lose("b re delete", 3); s.a.soft() }, "", "child"},

	// Both ends rekey the child.
	{"child/child: at once", nil, both(soft), "", "child"},
	{"child/child: at once, PFS", pfs, both(soft), "", "child"},
	{"child/child: an answer late", nil, func(s *script) {
		s.hold("b re rekey")
		both(soft)(s)
		s.run(200 * time.Millisecond)
		s.release("b re rekey")
	}, "", "child"},
	{"child/child: an answer late, behind the DELETE", nil, func(s *script) {
		s.hold("b re rekey")
		both(soft)(s)
		s.run(200 * time.Millisecond)
		s.run(longTime)
		s.release("b re rekey")
	}, "", "child"},
	{"child/child: both answers late", nil, func(s *script) {
		s.hold("b re rekey", "a re rekey")
		both(soft)(s)
		s.run(longTime)
		s.release("a re rekey", "b re rekey")
	}, "", "child"},
	{"child/child: a request late", nil, func(s *script) {
		s.hold("a rekey")
		both(soft)(s)
		s.run(25 * time.Millisecond) // b's went through, its DELETE is on its way
		s.release("a rekey")
	}, "b TEMPORARY_FAILURE ×1", "child"},
	{"child/child: a request behind the other's DELETE", nil, func(s *script) {
		s.hold("a rekey")
		both(soft)(s)
		s.run(longTime)
		s.release("a rekey")
	}, "b CHILD_SA_NOT_FOUND ×1", "child"},
	{"child/child: a request after the other's DELETE was lost", nil, func(s *script) {
		s.hold("a rekey")
		s.lose("b delete", 3)
		both(soft)(s)
		s.run(100 * time.Millisecond)
		s.release("a rekey")
	}, "b TEMPORARY_FAILURE ×1", "child"},
	{"child/child: DELETE of the redundant one late", nil, func(s *script) {
		s.late("a delete", longTime)
		s.late("b delete", longTime)
		both(soft)(s)
	}, "", "child"},
	{"child/child: both want another group", otherGroups, both(soft), "a INVALID_KE_PAYLOAD ×1, b INVALID_KE_PAYLOAD ×1", "child"},
	{"child/child: both want another group, one retries late", otherGroups, func(s *script) {
		both(soft)(s)
		s.run(15 * time.Millisecond)
		s.hold("a rekey")
		s.run(longTime)
		s.release("a rekey")
	}, "a INVALID_KE_PAYLOAD ×1, b CHILD_SA_NOT_FOUND ×1, b INVALID_KE_PAYLOAD ×1", "child"},
	{"child/child: both answer a DELETE without the SPI", nil, func(s *script) {
		s.hold("a re delete", "b re delete")
		both(soft)(s)
		s.run(200 * time.Millisecond)
		for _, n := range s.nodes {
			if name := n.name + " re delete"; s.held[name] != nil {
				forge(s, n, s.partnerOf(n.addr), name, nil)
			}
		}
		s.rules = nil
	}, "", "child"},
	{"child/child: again during the collision", nil, func(s *script) {
		s.hold("b re rekey")
		both(soft)(s)
		s.run(100 * time.Millisecond)
		s.b.soft()
		s.a.soft()
		s.run(100 * time.Millisecond)
		s.release("b re rekey")
	}, "", "child"},

	// One end rekeys the child that the other one closes.
	{"child/delete: at once", nil, func(s *script) { s.a.soft(); s.deleteChild(s.b) }, "b TEMPORARY_FAILURE ×1", "child"},
	{"child/delete: DELETE late", nil, func(s *script) {
		s.hold("b delete")
		s.deleteChild(s.b)
		s.a.soft()
		s.run(100 * time.Millisecond)
		s.release("b delete")
	}, "b TEMPORARY_FAILURE ×1", "child"},
	{"child/delete: DELETE lost", nil, func(s *script) { s.lose("b delete", 1); s.deleteChild(s.b); s.a.soft() }, "b TEMPORARY_FAILURE ×1", "child"},
	{"child/delete: request late", nil, func(s *script) {
		s.hold("a rekey")
		s.a.soft()
		s.deleteChild(s.b)
		s.run(100 * time.Millisecond)
		s.release("a rekey")
	}, "b CHILD_SA_NOT_FOUND ×1", "child"},
	{"child/delete: request lost", nil, func(s *script) { s.lose("a rekey", 1); s.a.soft(); s.deleteChild(s.b) }, "b CHILD_SA_NOT_FOUND ×1", "child"},
	{"child/delete: answer late", nil, func(s *script) {
		s.hold("b re rekey")
		s.a.soft()
		s.deleteChild(s.b)
		s.run(100 * time.Millisecond)
		s.release("b re rekey")
	}, "b TEMPORARY_FAILURE ×1", "child"},
	{"child/delete: by who rekeys, at once", nil, func(s *script) { s.deleteChild(s.a); s.b.soft(); s.a.soft() }, "a TEMPORARY_FAILURE ×1", "child"},
	{"delete/delete: at once", nil, func(s *script) { s.deleteChild(s.a); s.deleteChild(s.b) }, "", "child"},
	{"delete/delete: one lost", nil, func(s *script) { s.lose("a delete", 2); s.deleteChild(s.a); s.deleteChild(s.b) }, "", "child"},

	// Rekeys of the IKE SA, without a collision.
	{"IKE: regular", nil, func(s *script) { s.a.rekeyIKE() }, "", "ike"},
	{"IKE: regular, by the responder of the IKE SA", nil, func(s *script) { s.b.rekeyIKE() }, "", "ike"},
	{"IKE: another group wanted", nil, func(s *script) { regroup(s); s.a.rekeyIKE() }, "b INVALID_KE_PAYLOAD ×1", "ike"},
	{"IKE: another cipher wanted", nil, func(s *script) {
		s.b.m.peers[7].Ciphers = []Cipher{AES128GCM, ChaCha20Poly1305}
		s.a.rekeyIKE()
	}, "", "ike"},
	{"IKE: another PRF wanted", nil, func(s *script) { s.b.m.peers[7].PRFs = []PRF{PRFSHA512}; s.a.rekeyIKE() }, "", "ike"},
	{"IKE: no common suite, so a new SA is made beside it", nil, func(s *script) {
		prefs := s.b.m.peers[7].Ciphers
		s.b.m.peers[7].Ciphers = []Cipher{AES128GCM}
		s.a.m.peers[1].Ciphers = []Cipher{AES256GCM}
		s.a.rekeyIKE()
		s.until(10*time.Second, "a refusal", func() bool { return s.errors["b NO_PROPOSAL_CHOSEN"] > 0 })
		s.b.m.peers[7].Ciphers = prefs
	}, "b NO_PROPOSAL_CHOSEN ×1", "child ike"},
	{"IKE: twice in a row", nil, func(s *script) { s.a.rekeyIKE(); s.run(60 * time.Millisecond); s.a.rekeyIKE() }, "", "ike"},
	{"IKE: from either end in turn", nil, func(s *script) { s.a.rekeyIKE(); s.run(60 * time.Millisecond); s.b.rekeyIKE() }, "", "ike"},
	{"IKE: asked for twice", nil, func(s *script) { s.a.rekeyIKE(); s.a.rekeyIKE() }, "", "ike"},
	{"IKE: child rekeyed right after", nil, func(s *script) { s.a.rekeyIKE(); s.a.soft() }, "", "child ike"},
	{"IKE: child rekeyed right before", nil, func(s *script) { s.a.soft(); s.a.rekeyIKE() }, "", "child ike"},
	{"IKE: request lost", nil, func(s *script) { s.lose("a rekey-ike", 2); s.a.rekeyIKE() }, "", "ike"},
	{"IKE: answer lost", nil, func(s *script) { s.lose("b re rekey-ike", 3); s.a.rekeyIKE() }, "", "ike"},
	{"IKE: answer lost for longer than the responder waits for the DELETE", nil, func(s *script) {
		s.lose("b re rekey-ike", 10)
		s.a.rekeyIKE()
		s.run(15 * time.Second)
	}, "", "ike"},
	{"IKE: answer lost, and the responder rekeys the child on the new SA", nil, func(s *script) {
		s.lose("b re rekey-ike", 3)
		s.a.rekeyIKE()
		s.wait()
		s.b.soft()
	}, "", "child ike"},
	{"IKE: DELETE lost", nil, func(s *script) { s.lose("a delete-ike", 2); s.a.rekeyIKE() }, "", "ike"},
	{"IKE: every DELETE lost, so the other end deletes", nil, func(s *script) { s.lose("a delete-ike", 20); s.a.rekeyIKE() }, "", "ike"},
	{"IKE: DELETE's answer lost", nil, func(s *script) { s.lose("b re delete-ike", 3); s.a.rekeyIKE() }, "", "ike"},

	// Both ends rekey the IKE SA.
	{"IKE/IKE: at once", nil, both(rekeyOfIKE), "", "ike"},
	{"IKE/IKE: at once, and a child's right after", nil, func(s *script) { both(rekeyOfIKE)(s); both(soft)(s) }, "", "child ike"},
	{"IKE/IKE: both want another group", nil, func(s *script) { regroup(s); both(rekeyOfIKE)(s) },
		"a INVALID_KE_PAYLOAD ×1, b INVALID_KE_PAYLOAD ×1", "ike"},
	{"IKE/IKE: both want another group, one retries late", nil, func(s *script) {
		regroup(s)
		both(rekeyOfIKE)(s)
		s.run(15 * time.Millisecond)
		s.hold("a rekey-ike")
		s.run(longTime)
		s.release("a rekey-ike")
	}, "a INVALID_KE_PAYLOAD ×1, b INVALID_KE_PAYLOAD ×1", "ike"},
	{"IKE/IKE: an answer late", nil, func(s *script) {
		s.hold("b re rekey-ike")
		both(rekeyOfIKE)(s)
		s.run(200 * time.Millisecond)
		s.release("b re rekey-ike")
	}, "", "ike"},
	{"IKE/IKE: an answer late, behind the DELETE", nil, func(s *script) {
		s.hold("b re rekey-ike")
		both(rekeyOfIKE)(s)
		s.run(longTime)
		s.release("b re rekey-ike")
	}, "", "ike"},
	{"IKE/IKE: both answers late", nil, func(s *script) {
		s.hold("a re rekey-ike", "b re rekey-ike")
		both(rekeyOfIKE)(s)
		s.run(longTime)
		s.release("a re rekey-ike", "b re rekey-ike")
	}, "", "ike"},
	{"IKE/IKE: a request lost", nil, func(s *script) { s.lose("a rekey-ike", 1); both(rekeyOfIKE)(s) }, "", "ike"},
	{"IKE/IKE: a request late", nil, func(s *script) {
		s.hold("a rekey-ike")
		both(rekeyOfIKE)(s)
		s.run(25 * time.Millisecond)
		s.release("a rekey-ike")
	}, "b TEMPORARY_FAILURE ×1", "ike"},
	{"IKE/IKE: a request and the DELETE late", nil, func(s *script) {
		s.hold("a rekey-ike", "b delete-ike")
		both(rekeyOfIKE)(s)
		s.run(100 * time.Millisecond)
		s.release("a rekey-ike", "b delete-ike")
	}, "b TEMPORARY_FAILURE ×1", "ike"},
	{"IKE/IKE: a request behind the DELETE", nil, func(s *script) {
		s.hold("a rekey-ike")
		both(rekeyOfIKE)(s)
		s.run(longTime)
		s.release("a rekey-ike")
	}, "", "ike"},
	{"IKE/IKE: DELETE late, child rekeyed on the new SA before", nil, func(s *script) {
		s.hold("a rekey-ike", "b delete-ike")
		both(rekeyOfIKE)(s)
		s.run(100 * time.Millisecond)
		s.b.soft()
		s.run(100 * time.Millisecond)
		s.release("a rekey-ike", "b delete-ike")
	}, "b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE/IKE: child closed on the new SA before the DELETE", nil, func(s *script) {
		s.hold("a rekey-ike", "b delete-ike")
		both(rekeyOfIKE)(s)
		s.run(100 * time.Millisecond)
		s.deleteChild(s.b)
		s.run(100 * time.Millisecond)
		s.release("a rekey-ike", "b delete-ike")
	}, "b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE/IKE: DELETEs lost", nil, func(s *script) {
		s.lose("a delete-ike", 3)
		s.lose("b delete-ike", 3)
		both(rekeyOfIKE)(s)
	}, "", "ike"},

	// One end rekeys the IKE SA, the other one rekeys, makes or closes a child.
	{"IKE/child: at once", nil, func(s *script) { s.a.rekeyIKE(); s.b.soft() },
		"a TEMPORARY_FAILURE ×1, b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE/child: child's request late", nil, func(s *script) {
		s.hold("b rekey")
		s.b.soft()
		s.a.rekeyIKE()
		s.run(100 * time.Millisecond)
		s.release("b rekey")
	}, "b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE/child: child's answer late", nil, func(s *script) {
		s.hold("a re rekey")
		s.b.soft()
		s.wait()
		s.a.rekeyIKE()
		s.run(100 * time.Millisecond)
		s.release("a re rekey")
	}, "b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE/child: IKE SA's request late", nil, func(s *script) {
		s.hold("a rekey-ike")
		s.a.rekeyIKE()
		s.b.soft()
		s.run(100 * time.Millisecond)
		s.release("a rekey-ike")
	}, "a TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE/child: rekeyed by both, and the child by one", nil, func(s *script) { both(rekeyOfIKE)(s); s.a.soft() }, "", "child ike"},
	{"IKE/delete: at once", nil, func(s *script) { s.a.rekeyIKE(); s.deleteChild(s.b) }, "b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE/delete: DELETE's answer late", nil, func(s *script) {
		s.hold("a re delete")
		s.deleteChild(s.b)
		s.wait()
		s.a.rekeyIKE()
		s.run(100 * time.Millisecond)
		s.release("a re delete")
	}, "b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE/delete: after a rekey of the child", nil, func(s *script) {
		s.hold("b delete")
		s.b.soft()
		s.wait()
		s.a.rekeyIKE()
		s.wait()
		s.release("b delete")
	}, "b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE/delete: hard limit while the DELETE waits", nil, func(s *script) {
		s.hold("a rekey-ike")
		s.a.rekeyIKE()
		s.deleteChild(s.a)
		s.a.hard()
		s.run(100 * time.Millisecond)
		s.release("a rekey-ike")
	}, "", "child ike"},
	{"IKE/create: at once", nil, func(s *script) {
		s.deleteChild(s.b)
		s.wait()
		s.a.rekeyIKE()
		s.create(s.b)
	}, "a TEMPORARY_FAILURE ×1, b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE/create: IKE SA's request late", nil, func(s *script) {
		s.deleteChild(s.b)
		s.wait()
		s.hold("a rekey-ike")
		s.a.rekeyIKE()
		s.create(s.b)
		s.run(100 * time.Millisecond)
		s.release("a rekey-ike")
	}, "a TEMPORARY_FAILURE ×1", "child ike"},
	{"create/create: at once", nil, func(s *script) {
		s.deleteChild(s.b)
		s.wait()
		s.create(s.a)
		s.create(s.b)
	}, "", "child"},
	{"create/create: an answer late", nil, func(s *script) {
		s.deleteChild(s.b)
		s.wait()
		s.hold("b re create")
		s.create(s.a)
		s.create(s.b)
		s.run(300 * time.Millisecond)
		s.release("b re create")
	}, "", "child"},

	// One end closes the IKE SA.
	{"IKE delete/child: at once", nil, func(s *script) { s.a.soft(); s.deleteIKE(s.b) }, "b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE delete/child: answer late", nil, func(s *script) {
		s.hold("b re rekey")
		s.a.soft()
		s.wait()
		s.deleteIKE(s.b)
		s.run(100 * time.Millisecond)
		s.release("b re rekey")
	}, "", "child ike"},
	{"IKE delete/IKE: at once", nil, func(s *script) { s.a.rekeyIKE(); s.deleteIKE(s.b) }, "b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE delete/IKE: request late", nil, func(s *script) {
		s.hold("a rekey-ike")
		s.a.rekeyIKE()
		s.deleteIKE(s.b)
		s.run(100 * time.Millisecond)
		s.release("a rekey-ike")
	}, "", "child ike"},
	{"IKE delete/IKE: DELETE late", nil, func(s *script) {
		s.hold("b delete-ike")
		s.deleteIKE(s.b)
		s.a.rekeyIKE()
		s.run(100 * time.Millisecond)
		s.release("b delete-ike")
	}, "b TEMPORARY_FAILURE ×1", "child ike"},
	{"IKE delete/IKE: by who rekeys, before the answer", nil, func(s *script) {
		s.hold("b re rekey-ike")
		s.a.rekeyIKE()
		s.wait()
		s.deleteIKE(s.a)
		s.release("b re rekey-ike")
	}, "", "child ike"},
	{"IKE delete/delete: at once", nil, func(s *script) { s.deleteIKE(s.a); s.deleteIKE(s.b) }, "", "child ike"},
	{"IKE delete/delete: one lost", nil, func(s *script) { s.lose("a delete-ike", 2); s.deleteIKE(s.a); s.deleteIKE(s.b) }, "", "child ike"},
}

func soft(n *node)       { n.soft() }
func rekeyOfIKE(n *node) { n.rekeyIKE() }

// both does the same at both ends, within the time that a message takes.
func both(do func(n *node)) func(s *script) {
	return func(s *script) { do(s.a); do(s.b) }
}

// TestCollisions runs the table with several seeds, so that either end's nonces are the
// lower ones, and holds it to what is refused.
func TestCollisions(t *testing.T) {
	if len(collisions) < 48 {
		t.Fatalf("%d cases", len(collisions))
	}
	for i, c := range collisions {
		t.Run(c.name, func(t *testing.T) {
			if slices.ContainsFunc(collisions[:i], func(o collision) bool { return o.name == c.name }) {
				t.Fatal("the name is there twice")
			}
			winners := map[bool]int{}
			for seed := uint64(1); seed <= 6; seed++ {
				s := newScript(t, seed, c.change)
				winners[c.play(s)]++
				if got := s.said(); got != c.errors {
					s.failf("refused: %q, want %q", got, c.errors)
				}
			}
			if c.name == "IKE/IKE: at once" && len(winners) != 2 {
				t.Errorf("always the same end won: %v", winners)
			}
		})
	}
}

// play runs a case, checks its end and tells whether a is the IKE SA's initiator.
func (c *collision) play(s *script) bool {
	s.t.Helper()
	child, ike := s.a.using[1], s.a.ikeSPI()
	s.logf("case %s", c.name)
	c.run(s)
	s.finish()
	fresh := ""
	if s.a.using[1] != child {
		fresh = "child"
	}
	if s.a.ikeSPI() != ike {
		fresh += map[bool]string{true: " "}[fresh != ""] + "ike"
	}
	if fresh != c.fresh {
		s.failf("new is %q, want %q", fresh, c.fresh)
	}
	return s.sa(s.a).initiator
}

// forge answers a's or b's DELETE of a child in n's name with these SPIs, in place of the
// answer that is held.
func forge(s *script, n, to *node, name string, spis []uint32) {
	s.t.Helper()
	s.rules = nil
	if s.held[name] == nil && s.touch != touchNone {
		return
	}
	h, err := message.ParseHeader(s.held[name].ike)
	if err != nil {
		s.t.Fatal(err)
	}
	var ps []message.Payload
	if spis != nil {
		ps = append(ps, &message.Delete{Protocol: message.ProtocolESP, SPIs: spis})
	}
	first, plain, err := message.MarshalPayloads(ps)
	if err != nil {
		s.t.Fatal(err)
	}
	to.step(Datagram{Local: to.addr, Remote: n.addr, Bytes: sealAs(s.t, n, h, first, plain)})
}

// TestSecondRivalOfChild has a peer that rekeys a child again while its first rekey of it
// collides with ours: the first must not be forgotten.
func TestSecondRivalOfChild(t *testing.T) {
	s := newScript(t, 1, nil)
	s.hold("b re rekey")
	both(soft)(s)
	s.run(11 * time.Millisecond) // each has the other's request
	old := s.child(s.a)
	first := old.collision
	if first == nil {
		s.failf("no collision")
	}
	x := s.sa(s.b)
	h := x.header(message.ExchangeCreateChildSA, false, x.nextID)
	p := &s.b.m.peers[7].Peer
	kind, plain, err := message.MarshalPayloads([]message.Payload{
		&message.Notify{Protocol: message.ProtocolESP, SPI: message.ChildSPI(old.out), Type: message.NotifyRekeySA},
		&message.SA{Proposals: []message.Proposal{p.preferences().espProposal(4711, false)}},
		&message.Nonce{Data: make([]byte, nonceLen)},
		&message.TSi{TrafficSelectors: wireSelectors(p.Local)}, &message.TSr{TrafficSelectors: wireSelectors(p.Remotes)}})
	if err != nil {
		t.Fatal(err)
	}
	s.a.step(Datagram{Local: s.a.addr, Remote: s.b.addr, Bytes: sealOn(t, x, h, kind, plain)})
	if got := s.said(); got != "a TEMPORARY_FAILURE ×1" || old.collision != first || len(s.a.children) != 2 {
		s.failf("refused: %q, %d children", got, len(s.a.children))
	}
}

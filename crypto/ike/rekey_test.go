package ike

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

func (n *node) rekeyIKE() {
	if n.alive {
		n.w.logf("%s: rekey of the IKE SA", n.name)
		n.step(Rekey{ID: n.peers[0].ID, IKE: true})
	}
}

func (n *node) ikeSPI() uint64 { return n.m.Status(n.peers[0].ID).InitiatorSPI }

// TestIKERekeyUnderLoss rekeys the IKE SA from either side and from both, with ESP both
// ways on one child, which stays: no packet may meet an SA that is not there.
func TestIKERekeyUnderLoss(t *testing.T) {
	for seed := uint64(1); seed <= 120; seed++ {
		w := newWorld(t, seed)
		w.delayMax = []time.Duration{10, 100, 300}[seed%3] * time.Millisecond
		a, b := pair(w, func(a, b *Peer) {
			if seed%2 == 0 {
				b.Groups = []Group{P384, X25519}
			}
		})
		a.connect()
		w.run(5 * time.Second)
		w.quiet()
		w.strict = true
		a.traffic, b.traffic = true, seed%5 > 0
		w.loss = []float64{0, 0.1, 0.2}[seed/3%3]
		w.dup = 0.05
		child := a.using[1]
		for i := range 6 {
			before := a.ikeSPI()
			if seed%4 != 0 {
				a.rekeyIKE()
			}
			if seed%4 != 1 {
				w.run(time.Duration(i*7) * time.Millisecond)
				b.rekeyIKE()
			}
			w.until(30*time.Second, "rekey", func() bool { return a.ikeSPI() != before && b.ikeSPI() == a.ikeSPI() })
			w.run(time.Duration(seed%7) * time.Second)
		}
		w.loss = 0
		w.run(50 * time.Second)
		w.quiet()
		if a.using[1] != child || len(a.downs)+len(b.downs) != 0 {
			w.failf("the child did not last")
		}
	}
}

// TestIKELifetime rekeys by time, within ±10 %, and a new SA's time runs anew.
func TestIKELifetime(t *testing.T) {
	w := newWorld(t, 5)
	a, b := pair(w, func(a, b *Peer) {
		a.IKELifetime, b.IKELifetime = time.Hour, 10*time.Hour
		a.ChildLifetime, b.ChildLifetime = 100*time.Hour, 100*time.Hour
	})
	a.connect()
	w.run(time.Second)
	child := a.using[1]
	for i := range 3 {
		before := a.ikeSPI()
		w.run(53*time.Minute + 58*time.Second)
		if a.ikeSPI() != before {
			t.Errorf("%d: rekeyed too early", i)
		}
		took := w.until(13*time.Minute, "rekey", func() bool { return a.ikeSPI() != before })
		w.run(20 * time.Second) // the old SA repeats its answer for a while
		w.quiet()
		t.Logf("rekeyed after %v", 54*time.Minute+took)
	}
	if a.using[1] != child || a.ups != 4 || b.ups != 4 || len(a.downs)+len(b.downs) != 0 {
		w.failf("the child did not last, or %d and %d times up", a.ups, b.ups)
	}
}

// TestLastCall has a peer that is always too busy for a rekey: shortly before the hard
// lifetime a new SA is made beside the old one, and the tunnel is never down.
func TestLastCall(t *testing.T) {
	w := newWorld(t, 1)
	w.strict = true
	a, b := pair(w, func(a, b *Peer) { a.IKELifetime = time.Hour })
	a.connect()
	w.run(time.Second)
	a.traffic, b.traffic = true, true
	w.espEvery = time.Second
	old := b.m.peers[7].sas[0]
	old.req = &request{task: task{kind: taskDeleteChild}} // for ever
	before := a.ikeSPI()
	w.run(70 * time.Minute)
	if n := b.m.Status(7).Counters.Rejected[RejectBusy]; n < 10 || n > 40 || a.ikeSPI() != before {
		t.Fatalf("asked %d times, or a new SA already", n)
	}
	w.until(5*time.Minute, "a new SA", func() bool { return old.state == saClosed })
	if age := w.now.Sub(old.established); age > 75*time.Minute {
		t.Errorf("the old one lasted %v", age)
	}
	w.run(10 * time.Second)
	w.quiet()
	if len(a.downs)+len(b.downs) != 0 {
		t.Errorf("down: %v %v", a.downs, b.downs)
	}
}

// TestHardLifetime has a peer that neither rekeys nor lets us in again: the keys end all
// the same.
func TestHardLifetime(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) { a.IKELifetime = time.Hour })
	a.connect()
	w.run(time.Second)
	b.m.peers[7].sas[0].req = &request{task: task{kind: taskDeleteChild}}
	b.m.peers[7].Auth.PSK = []byte("another battery staple, 128 bits")
	took := w.until(2*time.Hour, "Down", func() bool { return len(a.downs) > 0 })
	if took < 74*time.Minute || took > 76*time.Minute || a.downs[0].Reason.Code != ReasonExpired || len(a.children) != 0 {
		t.Errorf("after %v: %v, %d children", took, a.downs[0].Reason, len(a.children))
	}
	b.m.peers[7].Auth.PSK = testPSK
	w.until(time.Minute, "up again", func() bool { return a.ready() && b.ready() })
	w.run(30 * time.Second)
	w.quiet()
}

// TestChildHardLifetime has a peer that is always too busy for a rekey of the child.
func TestChildHardLifetime(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) { a.ChildLifetime, b.ChildLifetime = time.Hour, 100*time.Hour })
	a.connect()
	w.run(time.Second)
	first := a.using[1]
	s := b.m.peers[7].sas[0]
	s.req = &request{task: task{kind: taskRekeyIKE}}
	took := w.until(2*time.Hour, "the end", func() bool { return a.children[first] == nil })
	if took < 74*time.Minute || took > 76*time.Minute {
		t.Errorf("the child ended after %v", took)
	}
	s.req = nil
	w.until(10*time.Second, "a new child", func() bool { return a.ready() && b.ready() })
	w.run(20 * time.Second)
	w.quiet()
	if len(a.downs)+len(b.downs) != 0 {
		t.Errorf("down: %v %v", a.downs, b.downs)
	}
}

// TestManyRekeys rekeys one tunnel as fast as it goes, without any pause: none may be
// refused, and what is left over stays bounded.
func TestManyRekeys(t *testing.T) {
	w := newWorld(t, 1)
	w.strict = true
	w.delayMin, w.delayMax = time.Millisecond, time.Millisecond
	w.espEvery = 5 * time.Millisecond
	a, b := pair(w, nil)
	a.connect()
	w.run(time.Second)
	a.traffic, b.traffic = true, true
	for i := range 1000 {
		before := a.using[1]
		a.soft()
		w.until(100*time.Millisecond, "rekey of the child", func() bool { return a.using[1] != before && a.m.Status(1).State == StateUp })
		if i%10 == 0 {
			before := a.ikeSPI()
			a.rekeyIKE()
			w.until(100*time.Millisecond, "rekey of the IKE SA", func() bool { return a.ikeSPI() != before })
		}
		for _, n := range w.nodes {
			if len(n.children) > maxLeaving+3 || len(n.m.sas) > maxOldSAs+2 {
				w.failf("%s has %d children, %d IKE SAs", n.name, len(n.children), len(n.m.sas))
			}
		}
	}
	w.run(20 * time.Second)
	w.quiet()
	for _, n := range w.nodes {
		if c := n.m.Status(n.peers[0].ID).Counters; c.Rejected != [RejectCount]uint64{} || c.Retransmits != 0 || len(n.downs) != 0 {
			t.Errorf("%s: rejected %v, %d retransmissions, down %v", n.name, c.Rejected, c.Retransmits, n.downs)
		}
	}
}

// TestRivalHasHigherNonce holds colliding rekeys to RFC 7296 §2.8.2: of the four nonces
// the lowest is of the SA that goes.
func TestRivalHasHigherNonce(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		w := newWorld(t, seed)
		w.delayMin, w.delayMax = 10*time.Millisecond, 10*time.Millisecond
		a, b := pair(w, nil)
		a.connect()
		w.run(time.Second)
		a.rekeyIKE()
		b.rekeyIKE()
		w.run(11 * time.Millisecond)
		byB, byA := a.m.peers[1].sas[0].rival, b.m.peers[7].sas[0].rival
		if byA == nil || byB == nil {
			w.failf("no collision")
		}
		want := byA
		if lessNonce(byA.lowNonce(), byB.lowNonce()) {
			want = byB
		}
		w.run(20 * time.Second)
		w.quiet()
		if got := b.m.peers[7].sas[0]; got.spiI != want.spiI || got.spiR != want.spiR {
			w.failf("the one with the lowest nonce stayed")
		}
	}
}

// TestRekeySchedule computes the keys of a rekeyed SA by the formulas of RFC 7296 §2.18,
// with the PRF of the old SA where that is to be used.
func TestRekeySchedule(t *testing.T) {
	d, secret := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	ni, nr := bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, 48)
	mac := func(h func() hash.Hash, key []byte, parts ...[]byte) []byte {
		m := hmac.New(h, key)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	seed := mac(sha256.New, d, secret, ni, nr)
	var all, last []byte
	for i := byte(1); len(all) < 3*64+2*36; i++ {
		last = mac(sha512.New, seed, last, ni, nr, unhex("00000000000000050000000000000006"), []byte{i})
		all = append(all, last...)
	}
	k := rekeyIKE(PRFSHA256, d, suite{cipher: AES256GCM, prf: PRFSHA512, group: X25519}, secret, ni, nr, 5, 6)
	if got := bytes.Join([][]byte{k.d, k.ei, k.er, k.pi, k.pr}, nil); !bytes.Equal(got, all[:3*64+2*36]) {
		t.Errorf("keys are %x", got)
	}
}

// TestRekeyRefusals asks for a new IKE SA as no good peer would.
func TestRekeyRefusals(t *testing.T) {
	good := func() (p message.Proposal, nonce *message.Nonce, ke *message.KE) {
		p = (&Peer{}).preferences().ikeProposal()
		p.SPI = message.IKESPI(9)
		return p, &message.Nonce{Data: make([]byte, nonceLen)}, &message.KE{Group: X25519.id(), Data: bytes.Repeat([]byte{9}, 32)}
	}
	for name, tt := range map[string]struct {
		change func(p *message.Proposal, ke *message.KE)
		want   message.NotifyType
	}{
		"no SPI":           {func(p *message.Proposal, _ *message.KE) { p.SPI = nil }, message.NotifyNoProposalChosen},
		"SPI of zero":      {func(p *message.Proposal, _ *message.KE) { p.SPI = message.IKESPI(0) }, message.NotifyNoProposalChosen},
		"no cipher":        {func(p *message.Proposal, _ *message.KE) { p.Transforms = p.Transforms[3:] }, message.NotifyNoProposalChosen},
		"another group":    {func(_ *message.Proposal, ke *message.KE) { ke.Group = P384.id() }, message.NotifyInvalidKEPayload},
		"a bad point":      {func(_ *message.Proposal, ke *message.KE) { ke.Data = make([]byte, 32) }, message.NotifyInvalidSyntax},
		"a short point":    {func(_ *message.Proposal, ke *message.KE) { ke.Data = ke.Data[1:] }, message.NotifyInvalidSyntax},
		"all as it should": {func(*message.Proposal, *message.KE) {}, 0},
	} {
		w := newWorld(t, 1)
		a, b := pair(w, nil)
		a.connect()
		w.run(time.Second)
		p, nonce, ke := good()
		tt.change(&p, ke)
		first, plain, err := message.MarshalPayloads([]message.Payload{&message.SA{Proposals: []message.Proposal{p}}, nonce, ke})
		if err != nil {
			t.Fatal(err)
		}
		h := only(a).header(message.ExchangeCreateChildSA, false, only(a).nextID)
		var answer []byte
		w.filter = func(p *packet) bool {
			if answer == nil { // behind it may come a DELETE
				answer = p.ike
			}
			return false
		}
		b.step(Datagram{Local: b.addr, Remote: a.addr, Bytes: sealAs(t, a, h, first, plain)})
		if answer == nil {
			t.Errorf("%s: no answer", name)
			continue
		}
		_, ps := opened(t, a, answer)
		if n := message.FindNotify(ps, tt.want); (n == nil) != (tt.want == 0) || (len(b.m.sas) == 1) != (tt.want != 0) {
			t.Errorf("%s: answered %s, %d SAs", name, outline(ps), len(b.m.sas))
		}
	}
}

// TestRemoveDuringRekey takes the tunnel away from one end at every moment of a rekey of
// the IKE SA by that end, by the other one and by both: no SA may be left anywhere.
func TestRemoveDuringRekey(t *testing.T) {
	for _, who := range []string{"a", "b", "ab"} {
		for ms := range 60 {
			for _, ev := range []Event{RemovePeer{1}, Shutdown{}} {
				w := newWorld(t, uint64(ms+1))
				w.delayMin, w.delayMax = 10*time.Millisecond, 10*time.Millisecond
				a, b := pair(w, func(_, b *Peer) { b.Remote = netip.AddrPort{} })
				a.connect()
				w.run(5 * time.Second)
				if strings.Contains(who, "a") {
					a.rekeyIKE()
				}
				if strings.Contains(who, "b") {
					b.rekeyIKE()
				}
				w.run(time.Duration(ms) * time.Millisecond)
				a.step(ev)
				w.run(45 * time.Second)
				if len(a.children)+len(b.children)+len(a.m.sas)+len(b.m.sas) != 0 || len(b.downs) == 0 || b.up[7] {
					w.failf("%T %d ms into a rekey by %s: %d and %d SAs, %d children, down %v", ev, ms, who,
						len(a.m.sas), len(b.m.sas), len(b.children), b.downs)
				}
			}
		}
	}
}

package ike

import (
	"crypto/ed25519"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// answerAs lets the responder, who has the right secret, send another IKE_AUTH answer
// than it did, and gives the initiator's end.
func answerAs(t *testing.T, keys bool, change func(b *peer, ps []message.Payload) []message.Payload) *node {
	st := hold(t, message.ExchangeIKEAuth, true, keys)
	h, ps := opened(t, st.a, st.held)
	first, plain, err := message.MarshalPayloads(change(st.b.m.peers[7], ps))
	if err != nil {
		t.Fatal(err)
	}
	st.a.step(Datagram{Local: st.a.addr, Remote: st.b.addr, Bytes: sealAs(t, st.b, h, first, plain)})
	return st.a
}

// TestInitiatorChecksIdentity gives the initiator a valid AUTH for another identity:
// whoever has the PSK of one tunnel is not thereby the peer of another.
func TestInitiatorChecksIdentity(t *testing.T) {
	st := hold(t, message.ExchangeIKEAuth, false, false)
	p := st.b.m.peers[7]
	half := only(st.b)
	initR, nonceI := half.hs.initR, half.nonceI
	p.LocalID = mustID("gw-evil.example")
	idr := &message.IDr{Identification: payload(p.LocalID)}
	auth, err := p.Auth.sign(half.suite.prf, allHashes, signedOctets(half.suite.prf, initR, nonceI, half.keys.pr, idr.Body()))
	if err != nil {
		t.Fatal(err)
	}
	p.LocalID = mustID("gw-b.example")
	var answer []byte
	st.w.filter = func(pk *packet) bool { answer = pk.ike; return false }
	st.b.step(Datagram{Local: st.b.addr, Remote: st.a.addr, Bytes: st.held})
	h, ps := opened(t, st.a, answer)
	ps[0], ps[1] = idr, auth
	first, plain, err := message.MarshalPayloads(ps)
	if err != nil {
		t.Fatal(err)
	}
	st.a.step(Datagram{Local: st.a.addr, Remote: st.b.addr, Bytes: sealAs(t, st.b, h, first, plain)})
	if len(st.a.children) != 0 || len(st.a.downs) != 1 || st.a.downs[0].Reason.Code != ReasonAuth ||
		!strings.Contains(st.a.downs[0].Reason.Detail, "gw-evil.example") {
		t.Errorf("%d children, %v", len(st.a.children), st.a.downs)
	}
}

// TestSentKeyMustBeTheConfiguredOne sends another raw public key beside a good AUTH.
func TestSentKeyMustBeTheConfiguredOne(t *testing.T) {
	a := answerAs(t, true, func(_ *peer, ps []message.Payload) []message.Payload { return ps })
	if len(a.children) != 1 {
		t.Fatal("the true answer is refused")
	}
	a = answerAs(t, true, func(_ *peer, ps []message.Payload) []message.Payload {
		for c := range message.All[*message.CERT](ps) {
			c.Data = rawPublicKey(ed25519.PublicKey(make([]byte, 32)))
		}
		return ps
	})
	if len(a.children) != 0 || len(a.downs) != 1 || a.downs[0].Reason.Code != ReasonAuth {
		t.Errorf("%d children, %v", len(a.children), a.downs)
	}
}

// TestAnswerMustStayWithinOffer lets the responder answer with more traffic, other
// algorithms or two of a kind.
func TestAnswerMustStayWithinOffer(t *testing.T) {
	for name, tt := range map[string]struct {
		code   ReasonCode
		change func(ps []message.Payload)
	}{
		"wider selectors": {ReasonSelectors, func(ps []message.Payload) {
			ts, _ := message.One[*message.TSr](ps)
			ts.TrafficSelectors = wireSelectors(selectors("10.0.0.0/8"))
		}},
		"one selector too many": {ReasonSelectors, func(ps []message.Payload) {
			ts, _ := message.One[*message.TSi](ps)
			ts.TrafficSelectors = wireSelectors(selectors("10.1.0.0/16", "10.5.0.0/16"))
		}},
		"a reserved SPI": {ReasonInvalidSyntax, func(ps []message.Payload) {
			sa, _ := message.One[*message.SA](ps)
			sa.Proposals[0].SPI = message.ChildSPI(255)
		}},
		"two ciphers": {ReasonInvalidSyntax, func(ps []message.Payload) {
			sa, _ := message.One[*message.SA](ps)
			sa.Proposals[0].Transforms = append(sa.Proposals[0].Transforms, AES128GCM.transform())
		}},
		"a group in IKE_AUTH": {ReasonInvalidSyntax, func(ps []message.Payload) {
			sa, _ := message.One[*message.SA](ps)
			sa.Proposals[0].Transforms = append(sa.Proposals[0].Transforms, P256.transform())
		}},
		"proposal 2": {ReasonInvalidSyntax, func(ps []message.Payload) {
			sa, _ := message.One[*message.SA](ps)
			sa.Proposals[0].Number = 2
		}},
	} {
		a := answerAs(t, false, func(_ *peer, ps []message.Payload) []message.Payload { tt.change(ps); return ps })
		if len(a.children) != 0 || len(a.downs) != 1 || a.downs[0].Reason.Code != tt.code {
			t.Errorf("%s: %d children, %v", name, len(a.children), a.downs)
		}
	}
}

// TestSuiteIsBoundToPeer has two peers behind addresses not known before: what one of
// them may use does not help the other.
func TestSuiteIsBoundToPeer(t *testing.T) {
	w := newWorld(t, 1)
	pa, pb := pairConfig()
	pa.PRFs = []PRF{PRFSHA512}
	strict := pb
	strict.Remote, strict.PRFs = netip.AddrPort{}, []PRF{PRFSHA256}
	loose := strict
	loose.ID, loose.RemoteID, loose.PRFs = 8, mustID("gw-c.example"), []PRF{PRFSHA512}
	b := w.add("b", addrB, strict, loose)
	a := w.add("a", addrA, pa)
	a.connect()
	w.run(time.Second)
	if len(a.children)+len(b.children) != 0 || b.m.Status(7).Reason.Code != ReasonProposal {
		t.Errorf("%d children, reason %v", len(b.children), b.m.Status(7).Reason)
	}
}

// TestInitialContact is sent in the first handshake with a peer and not beside another.
func TestInitialContact(t *testing.T) {
	st := hold(t, message.ExchangeIKEAuth, false, false)
	if _, ps := opened(t, st.b, st.held); message.FindNotify(ps, message.NotifyInitialContact) == nil {
		t.Error("not sent in the first handshake")
	}
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	contacts := 0
	w.filter = func(p *packet) bool {
		if p.ike != nil && p.ike[18] == 35 && p.ike[19]&0x20 == 0 {
			for _, s := range b.m.sas {
				if s.state == saHalfOpen && uint64(s.spiI) == a.initiatorSPI(p.ike) {
					in, _, _ := s.protect()
					msg, _ := message.Parse(p.ike)
					ps, err := message.OpenEncrypted(p.ike, msg.Payloads[0].(*message.Encrypted), overhead, in.open)
					if err == nil && message.FindNotify(ps, message.NotifyInitialContact) != nil {
						contacts++
					}
				}
			}
		}
		return true
	}
	a.connect()
	w.run(5 * time.Second)
	p := a.m.peers[1]
	p.start(p.Remote, p.local)
	a.step(Tick{}) // start was outside of Step, so its first request is lost
	w.run(15 * time.Second)
	w.quiet()
	if contacts != 1 || a.ups != 2 {
		t.Errorf("INITIAL_CONTACT %d times, %d SAs", contacts, a.ups)
	}
}

// TestCollisionKeepsHigherNonce holds a simultaneous rekey to RFC 7296 §2.8.1: the
// child made with the lowest of the four nonces goes.
func TestCollisionKeepsHigherNonce(t *testing.T) {
	byInitiator := map[bool]int{}
	for seed := uint64(1); seed <= 30; seed++ {
		w := newWorld(t, seed)
		w.delayMax = w.delayMin
		a, b := pair(w, nil)
		a.connect()
		w.run(5 * time.Second)
		a.soft()
		b.soft()
		w.run(20 * time.Millisecond)
		list := slices.DeleteFunc(slices.Clone(a.m.peers[1].children), func(c *child) bool { return len(c.lowNonce) == 0 })
		if len(list) != 3 {
			w.failf("%d children: no collision", len(list))
		}
		want := list[1]
		if lessNonce(want.lowNonce, list[2].lowNonce) {
			want = list[2]
		}
		w.run(10 * time.Second)
		w.quiet()
		if a.using[1] != want.in {
			w.failf("%08x goes on, not %08x", a.using[1], want.in)
		}
		byInitiator[want.initiator]++
	}
	if len(byInitiator) != 2 {
		t.Errorf("always the same end won: %v", byInitiator)
	}
}

// TestProbe follows our own new address at once, and finds out that nobody is there.
func TestProbe(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	a.connect()
	w.run(5 * time.Second)
	a.addr = netip.MustParseAddrPort("198.51.100.7:4500")
	a.step(Probe{ID: 1, Local: a.addr})
	w.until(100*time.Millisecond, "the peer follows", func() bool { return b.endpoint[7] == a.addr })
	w.run(10 * time.Second)
	w.quiet()
	b.kill()
	sent := a.sentIKE
	a.step(Probe{ID: 1})
	w.run(450 * time.Millisecond)
	if n := a.sentIKE - sent; n != 3 {
		t.Errorf("probed %d times, not at 0, 200 and 400 ms", n)
	}
	w.until(time.Second, "a new attempt", func() bool { return a.m.peers[1].attempt != nil })
	if len(a.downs) != 0 || !a.ready() {
		t.Error("the old SA did not stay")
	}
}

// TestUnknownSPIProbes takes ESP with an SPI that nobody has as a hint, rarely.
func TestUnknownSPIProbes(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	a.connect()
	w.run(10 * time.Second)
	before := a.sentIKE
	for range 50 {
		a.step(UnknownSPI{Local: a.addr, Remote: b.addr, SPI: 0x1234567})
		w.run(50 * time.Millisecond)
	}
	if n := a.sentIKE - before; n < 2 || n > 5 {
		t.Errorf("%d messages for 50 hints in 2.5 s", n)
	}
	w.run(10 * time.Second)
	w.quiet()
	if a.ups != 1 || b.ups != 1 {
		t.Error("a hint changed the SA")
	}
}

// TestUnknownSPIKeepsBackOff: hints, which anybody can forge, start an attempt with a
// peer that refuses us no more often than once in hintPause.
func TestUnknownSPIKeepsBackOff(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) { b.Auth.PSK = []byte("not what the other end has") })
	a.connect()
	w.run(30 * time.Second) // the back-off is long by now
	before := a.sentIKE
	for range 100 {
		a.step(UnknownSPI{Local: a.addr, Remote: b.addr, SPI: 0x1234567})
		w.run(100 * time.Millisecond)
	}
	attempts := (a.sentIKE - before - 10) / 2 // INIT and AUTH each; a notify a second
	if attempts < 1 || attempts > 4 {
		t.Errorf("%d attempts in 10 s of hints", attempts)
	}
}

// initiatorSPI reads a header.
func (n *node) initiatorSPI(b []byte) uint64 {
	h, err := message.ParseHeader(b)
	if err != nil {
		return 0
	}
	return uint64(h.InitiatorSPI)
}

package ike

import (
	"bytes"
	"crypto/hmac"
	"crypto/mlkem"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

func hybrid(a, b *Peer) { a.NoMLKEM, b.NoMLKEM = false, false }

// TestMLKEM has it on either side, both or none, with and without fragments, by both
// kinds of authentication, over each group.
func TestMLKEM(t *testing.T) {
	for i := range 48 {
		noA, noB, keys, size := i&1 != 0, i&2 != 0, i&4 != 0, []int{1281, 576}[i>>3&1] // 1280 are one too few for the request
		group := allGroups[i>>4]
		w := newWorld(t, uint64(i+1))
		a, b := pair(w, func(a, b *Peer) {
			a.NoMLKEM, b.NoMLKEM = noA, noB
			a.Groups, b.Groups = []Group{group}, []Group{group}
			if keys {
				a.Auth, b.Auth = keyAuths()
			}
		})
		for _, n := range []*node{a, b} {
			n.packet = size
			n.boot()
		}
		exchanges, fragments := map[message.ExchangeType]int{}, 0
		w.filter = func(p *packet) bool {
			if p.ike != nil {
				exchanges[message.ExchangeType(p.ike[18])]++
			}
			if isFragment(p) {
				fragments++
			}
			return true
		}
		a.connect()
		w.until(time.Second, "up", func() bool { return a.ready() && b.ready() })
		both := !noA && !noB
		if (exchanges[message.ExchangeIKEIntermediate] > 0) != both || (fragments > 0) != (both && size == 576) {
			t.Errorf("case %d: %v, %d fragments", i, exchanges, fragments)
		}
		a.soft()
		b.soft()
		w.run(10 * time.Second)
		w.quiet()
		want := suite{AES256GCM, PRFSHA256, group, both}.String()
		if a.m.Status(1).Suite != want || b.m.Status(7).Suite != want {
			t.Errorf("case %d: %s and %s, want %s", i, a.m.Status(1).Suite, b.m.Status(7).Suite, want)
		}
	}
	if got := (suite{AES256GCM, PRFSHA256, X25519, true}).String(); got != "aes256gcm16-prfsha256-x25519-mlkem768" {
		t.Error(got)
	}
}

// TestMLKEMLoss loses each datagram of a handshake in fragments once, and then many at
// random. The IKE_INTERMEDIATE request that comes again is sealed with keys that the
// responder uses no more.
func TestMLKEMLoss(t *testing.T) {
	for lost := range 14 {
		w := newWorld(t, 1)
		a, b := pair(w, hybrid)
		a.packet, b.packet = 576, 576
		a.boot()
		b.boot()
		n := 0
		w.filter = func(p *packet) bool {
			n++
			return n-1 != lost
		}
		a.connect()
		w.until(2*time.Second, fmt.Sprint("up without datagram ", lost), func() bool { return a.ready() && b.ready() })
		w.run(10 * time.Second)
		w.quiet()
	}
	for seed := range uint64(20) {
		w := newWorld(t, seed)
		w.loss, w.dup, w.delayMax = 0.3, 0.2, 100*time.Millisecond
		a, b := small(w)
		a.peers[0].NoMLKEM, b.peers[0].NoMLKEM = false, false
		a.boot()
		b.boot()
		a.connect()
		w.until(2*time.Minute, "up", func() bool { return a.ready() && b.ready() })
		w.loss = 0
		w.run(30 * time.Second)
		w.quiet()
	}
}

// TestMLKEMWithCookieAndGroup has the responder demand a cookie and another group
// before the handshake with both extensions.
func TestMLKEMWithCookieAndGroup(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) {
		hybrid(a, b)
		manySelectors(a, b)
		b.Groups = []Group{P384}
	})
	a.packet, b.packet = 576, 576
	b.limits = Limits{CookieFrom: 1}
	a.boot()
	b.boot()
	b.m.halfOpen.open++ // somebody else's
	a.connect()
	w.until(2*time.Second, "up", func() bool { return a.ready() && b.ready() })
	b.m.halfOpen.open--
	w.run(10 * time.Second)
	w.quiet()
	c := b.m.strangers.Rejected
	if c[RejectCookie] == 0 || c[RejectKE] != 1 || a.m.Status(1).Suite != "aes256gcm16-prfsha256-ecp384-mlkem768" {
		t.Errorf("%d cookies, %d other groups, %s", c[RejectCookie], c[RejectKE], a.m.Status(1).Suite)
	}
}

// TestIntermediateKeys computes the keys after IKE_INTERMEDIATE and what AUTH covers of
// it anew, as RFC 9370 §2.2.2 and RFC 9242 §3.3.2 have it, from what went over the wire
// and the secrets of IKE_SA_INIT; in one datagram and in fragments.
func TestIntermediateKeys(t *testing.T) {
	for _, size := range []int{0, 576, 1500} {
		w := newWorld(t, 1)
		a, b := pair(w, hybrid)
		a.packet, b.packet = size, size
		a.boot()
		b.boot()
		var request, response [][]byte
		var before ikeKeys
		var private *mlkem.DecapsulationKey768
		done := false
		w.filter = func(p *packet) bool {
			if p.ike == nil || message.ExchangeType(p.ike[18]) != message.ExchangeIKEIntermediate {
				done = done || p.ike != nil && message.ExchangeType(p.ike[18]) == message.ExchangeIKEAuth
				return !done
			}
			if p.ike[19]&0x20 == 0 {
				request = append(request, p.ike)
				before, private = only(a).keys, only(a).hs.mlkem
			} else {
				response = append(response, p.ike)
			}
			return true
		}
		a.connect()
		w.until(time.Second, "IKE_AUTH", func() bool { return done })
		ends := []*sa{only(a), only(b)}
		nonceI, nonceR, spiI, spiR := ends[0].nonceI, ends[0].nonceR, ends[0].spiI, ends[0].spiR

		prf := func(key []byte, data ...[]byte) []byte {
			h := hmac.New(sha256.New, key)
			h.Write(bytes.Join(data, nil))
			return h.Sum(nil)
		}
		// The message anew: header and SK header with the lengths that it would have
		// without IV, pad length and ICV, and the plaintext.
		rebuilt := func(raws [][]byte, key []byte) (octets, ke []byte) {
			in, err := newProtection(AES256GCM, key)
			if err != nil {
				t.Fatal(err)
			}
			var plain []byte
			for _, raw := range raws {
				aad := 32
				if len(raws) > 1 {
					aad = 36
				}
				text, err := in.open(raw[:aad], raw[aad:aad+8], raw[aad+8:])
				if err != nil {
					t.Fatal(err)
				}
				plain = append(plain, text[:len(text)-1]...)
			}
			octets = bytes.Clone(raws[0][:16])
			octets = append(octets, 46, 0x20, 43, raws[0][19])
			octets = binary.BigEndian.AppendUint32(octets, 1)
			octets = binary.BigEndian.AppendUint32(octets, uint32(32+len(plain)))
			octets = append(octets, 34, 0)
			octets = binary.BigEndian.AppendUint16(octets, uint16(4+len(plain)))
			return append(octets, plain...), plain[8:]
		}
		octetsI, publicKey := rebuilt(request, before.ei)
		octetsR, ciphertext := rebuilt(response, before.er)
		if len(publicKey) != 1184 || len(ciphertext) != 1088 || !bytes.Equal(private.EncapsulationKey().Bytes(), publicKey) {
			t.Fatalf("key of %d bytes, ciphertext of %d", len(publicKey), len(ciphertext))
		}
		secret, err := private.Decapsulate(ciphertext)
		if err != nil {
			t.Fatal(err)
		}
		seed := prf(before.d, secret, nonceI, nonceR)
		var expanded, last []byte
		for i := byte(1); len(expanded) < 3*32+2*36; i++ {
			spis := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(spiI)), uint64(spiR))
			last = prf(seed, last, nonceI, nonceR, spis, []byte{i})
			expanded = append(expanded, last...)
		}
		wantAuth := slices.Concat(prf(before.pi, octetsI), prf(before.pr, octetsR), []byte{0, 0, 0, 2})
		for _, s := range ends {
			k := s.keys
			if !bytes.Equal(slices.Concat(k.d, k.ei, k.er, k.pi, k.pr), expanded[:3*32+2*36]) {
				t.Errorf("packet %d: the keys of initiator=%v differ", size, s.initiator)
			}
			if !bytes.Equal(s.hs.intAuth, wantAuth) {
				t.Errorf("packet %d: IntAuth of initiator=%v differs", size, s.initiator)
			}
			if s.hs.mlkem != nil {
				t.Errorf("packet %d: the ML-KEM key is kept", size)
			}
		}
	}
}

// TestIntermediateOutOfPlace sends IKE_INTERMEDIATE where none is due, and IKE_AUTH where
// one is.
func TestIntermediateOutOfPlace(t *testing.T) {
	key, err := mlkem.GenerateKey768()
	if err != nil {
		t.Fatal(err)
	}
	first, plain, err := message.MarshalPayloads([]message.Payload{mlkemPayload(key.EncapsulationKey().Bytes())})
	if err != nil {
		t.Fatal(err)
	}
	send := func(st *stage, x message.ExchangeType, id uint32) {
		st.b.receive(st.a, sealAs(t, st.a, only(st.a).header(x, false, id), first, plain))
	}
	wanted := func(name string, b *node, why RejectReason, sent int) {
		t.Helper()
		if b.m.strangers.Rejected[why] != 1 || b.sentIKE != sent || len(b.children) != 0 {
			t.Errorf("%s: %v, %d answers", name, b.m.strangers.Rejected, b.sentIKE-sent)
		}
	}

	st := hold(t, message.ExchangeIKEAuth, false, false)
	sent := st.b.sentIKE
	send(st, message.ExchangeIKEIntermediate, 1)
	wanted("none negotiated", st.b, RejectExchange, sent)

	st = holdHybrid(t, message.ExchangeIKEAuth, false)
	sent = st.b.sentIKE
	send(st, message.ExchangeIKEIntermediate, 2)
	wanted("a second one", st.b, RejectExchange, sent)
	st.b.receive(st.a, st.held)
	if len(st.b.children) != 1 {
		t.Error("the right IKE_AUTH does not work after that")
	}
	// On an SA that stands it is answered like any exchange that is not known.
	send(st, message.ExchangeIKEIntermediate, 3)
	if c := st.b.m.peers[7].counters; c.Rejected[RejectExchange] != 1 || only(st.b).state != saDeleting {
		t.Errorf("after authentication: %v, %v", c.Rejected, only(st.b).state)
	}

	st = holdHybrid(t, message.ExchangeIKEIntermediate, false)
	sent = st.b.sentIKE
	send(st, message.ExchangeIKEAuth, 1)
	wanted("IKE_AUTH before it", st.b, RejectExchange, sent)
	send(st, message.ExchangeIKEIntermediate, 2)
	wanted("the wrong message ID", st.b, RejectMessageID, sent)
}

func holdHybrid(t testing.TB, x message.ExchangeType, response bool) *stage {
	w := newWorld(t, 1)
	st := &stage{w: w}
	w.filter = func(p *packet) bool {
		if p.ike == nil || message.ExchangeType(p.ike[18]) != x || (p.ike[19]&0x20 != 0) != response {
			return true
		}
		if st.held == nil {
			st.held = p.ike
		}
		return false
	}
	st.a, st.b = pair(w, hybrid)
	st.a.packet, st.b.packet = 1500, 1500
	st.a.boot()
	st.b.boot()
	st.a.connect()
	w.run(200 * time.Millisecond)
	if st.held == nil {
		t.Fatal("no such message")
	}
	w.filter = nil
	return st
}

// protection is what seals IKE_INTERMEDIATE: a has not changed its keys yet, b may have.
func (st *stage) protection(t testing.TB, response bool) *protection {
	key := only(st.a).keys.ei
	if response {
		key = only(st.a).keys.er
	}
	p, err := newProtection(AES256GCM, key)
	if err != nil {
		t.Fatal(err)
	}
	p.iv = 1 << 40
	return p
}

func (st *stage) opened(t testing.TB, response bool) (message.Header, []message.Payload) {
	msg, err := message.Parse(st.held)
	if err != nil {
		t.Fatal(err)
	}
	ps, err := message.OpenEncrypted(st.held, msg.Payloads[0].(*message.Encrypted), overhead, st.protection(t, response).open)
	if err != nil {
		t.Fatal(err)
	}
	return msg.Header, ps
}

// TestIntermediateContents gives both ends an IKE_INTERMEDIATE message with everything
// that can be wrong in one.
func TestIntermediateContents(t *testing.T) {
	for _, response := range []bool{false, true} {
		_, good := holdHybrid(t, message.ExchangeIKEIntermediate, response).opened(t, response)
		data := good[0].(*message.KE).Data
		for name, tt := range map[string]struct {
			why RejectReason
			ps  []message.Payload
		}{
			"nothing":       {RejectKE, nil},
			"two keys":      {RejectKE, []message.Payload{good[0], good[0]}},
			"another group": {RejectKE, []message.Payload{&message.KE{Group: message.KEMLKEM1024, Data: data}}},
			"group 31":      {RejectKE, []message.Payload{&message.KE{Group: message.KECurve25519, Data: data}}},
			"short":         {RejectKE, []message.Payload{mlkemPayload(data[1:])}},
			"long":          {RejectKE, []message.Payload{mlkemPayload(append(bytes.Clone(data), 0))}},
			"one byte":      {RejectKE, []message.Payload{mlkemPayload([]byte{1})}},
		} {
			st := holdHybrid(t, message.ExchangeIKEIntermediate, response)
			from, to := st.a, st.b
			if response {
				from, to = st.b, st.a
			}
			h, _ := st.opened(t, response)
			first, plain, err := message.MarshalPayloads(tt.ps)
			if err != nil {
				t.Fatal(err)
			}
			b := sealIn(t, st.protection(t, response), h, &message.Encrypted{First: first}, plain)
			to.receive(from, b)
			c := to.m.strangers
			if response {
				c = to.m.peers[1].counters
			}
			if c.Rejected[tt.why] != 1 || len(to.children) != 0 {
				t.Errorf("response %v, %s: %v", response, name, c.Rejected)
			}
			if response {
				if len(to.downs) != 1 || to.downs[0].Reason.Code != ReasonInvalidSyntax {
					t.Errorf("%s: %v", name, to.downs)
				}
				continue
			}
			if s := only(to); s.state != saRefused {
				t.Errorf("%s: the SA is %v", name, s.state)
			}
		}
	}
}

// TestMLKEMDowngrade takes the proposal with ML-KEM, or the notify, out of the request on
// its way: the handshake begins without it, and AUTH shows the change.
func TestMLKEMDowngrade(t *testing.T) {
	for name, change := range map[string]func(m *message.Message){
		"proposal": func(m *message.Message) {
			sa := m.Payloads[0].(*message.SA)
			sa.Proposals = sa.Proposals[1:]
		},
		"notify": func(m *message.Message) {
			m.Payloads = slices.DeleteFunc(m.Payloads, func(p message.Payload) bool {
				n, ok := p.(*message.Notify)
				return ok && n.Type == message.NotifyIntermediateExchangeSupported
			})
		},
	} {
		w := newWorld(t, 1)
		a, b := pair(w, hybrid)
		w.filter = func(p *packet) bool {
			if message.ExchangeType(p.ike[18]) != message.ExchangeIKESAInit || p.from != a.addr {
				return true
			}
			m, err := message.Parse(p.ike)
			if err != nil {
				t.Fatal(err)
			}
			change(m)
			if p.ike, err = message.Marshal(m); err != nil {
				t.Fatal(err)
			}
			return true
		}
		a.connect()
		w.run(time.Second)
		if len(a.children)+len(b.children) != 0 || b.m.strangers.Rejected[RejectAuth] != 1 {
			t.Errorf("%s: %d children, %v", name, len(b.children), b.m.strangers.Rejected)
		}
	}
}

// TestMLKEMAnswers gives the initiator IKE_SA_INIT responses that choose what it did not
// offer: none of them makes it go on.
func TestMLKEMAnswers(t *testing.T) {
	for name, change := range map[string]func(p *message.Proposal, m *message.Message){
		"ML-KEM in the proposal without":  func(p *message.Proposal, _ *message.Message) { p.Number = 2 },
		"no ML-KEM in the proposal with":  func(p *message.Proposal, _ *message.Message) { p.Transforms = p.Transforms[:3] },
		"NONE":                            func(p *message.Proposal, _ *message.Message) { p.Transforms[3].ID = message.KENone },
		"ML-KEM-1024":                     func(p *message.Proposal, _ *message.Message) { p.Transforms[3].ID = message.KEMLKEM1024 },
		"a second exchange":               func(p *message.Proposal, _ *message.Message) { p.Transforms[3].Type = message.TransformADDKE2 },
		"a proposal that is not there":    func(p *message.Proposal, _ *message.Message) { p.Number = 3 },
		"no INTERMEDIATE_EXCHANGE notify": func(_ *message.Proposal, m *message.Message) { m.Payloads = m.Payloads[:3] },
	} {
		st := holdHybrid(t, message.ExchangeIKESAInit, true)
		m, err := message.Parse(st.held)
		if err != nil {
			t.Fatal(err)
		}
		p := &m.Payloads[0].(*message.SA).Proposals[0]
		if len(p.Transforms) != 4 || p.Transforms[3].Type != message.TransformADDKE1 || p.Transforms[3].ID != message.KEMLKEM768 {
			t.Fatalf("the responder chose %v", p.Transforms)
		}
		change(p, m)
		raw, err := message.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		st.a.receive(st.b, raw)
		if s := only(st.a); s.state != saInit || st.a.m.peers[1].counters.Rejected[RejectSyntax] != 1 {
			t.Errorf("%s: the initiator is in %v", name, s.state)
		}
		st.a.receive(st.b, st.held)
		st.w.until(2*time.Second, name+", then the true response", func() bool { return st.a.ready() && st.b.ready() })
	}
}

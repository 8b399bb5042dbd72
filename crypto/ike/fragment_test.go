package ike

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// manySelectors make IKE_AUTH and CREATE_CHILD_SA too long for a packet of 576 bytes,
// both ways.
func manySelectors(a, b *Peer) {
	var left, right []string
	for i := range 16 {
		left = append(left, fmt.Sprintf("2001:db8:1:%x::/64", i))
		right = append(right, fmt.Sprintf("2001:db8:2:%x::/64", i))
	}
	a.Local, a.Remotes = selectors(left...), selectors(right...)
	b.Local, b.Remotes = a.Remotes, a.Local
}

// small is a pair whose IKE_AUTH needs three fragments either way.
func small(w *world) (a, b *node) {
	a, b = pair(w, manySelectors)
	for _, n := range []*node{a, b} {
		n.packet = 576
		n.boot()
	}
	return a, b
}

func isFragment(p *packet) bool {
	return p.ike != nil && message.PayloadType(p.ike[16]) == message.PayloadSKF
}

// TestFragments sets a tunnel up and rekeys it in packets of several sizes, over both
// address families: no datagram is longer than was asked, and shorter ones are as long
// as they may be.
func TestFragments(t *testing.T) {
	for _, tt := range []struct {
		addrA, addrB string
		packet       int
		limit        int // of the IKE message
		auth         int // fragments of both IKE_AUTH messages
	}{
		{addrA, addrB, 576, 544, 6},
		{addrA, addrB, 100, 544, 6}, // less than any host takes
		{addrA, addrB, 0, 1248, 4},
		{addrA, addrB, 1600, 1568, 0},
		{"[2001:db8::1]:4500", "[2001:db8::2]:4500", 576, 524, 8},
		{"[2001:db8::1]:4500", "[2001:db8::2]:4500", 0, 1228, 4},
	} {
		w := newWorld(t, 1)
		pa, pb := pairConfig()
		manySelectors(&pa, &pb)
		pa.Remote, pb.Remote = netip.MustParseAddrPort(tt.addrB), netip.MustParseAddrPort(tt.addrA)
		a, b := w.add("a", tt.addrA, pa), w.add("b", tt.addrB, pb)
		for _, n := range []*node{a, b} {
			n.packet = tt.packet
			n.boot()
		}
		fragments, longest := map[message.ExchangeType]int{}, 0
		w.filter = func(p *packet) bool {
			if p.ike != nil && len(p.ike) > tt.limit {
				t.Errorf("packet %d: a message of %d bytes", tt.packet, len(p.ike))
			}
			if isFragment(p) {
				fragments[message.ExchangeType(p.ike[18])]++
				longest = max(longest, len(p.ike))
			}
			return true
		}
		a.connect()
		w.until(time.Second, "up", func() bool { return a.ready() && b.ready() })
		a.soft()
		w.run(10 * time.Second)
		w.quiet()
		full := min(tt.auth, 1) * tt.limit
		if fragments[message.ExchangeIKEAuth] != tt.auth || (fragments[message.ExchangeCreateChildSA] > 0) != (tt.auth > 0) || longest != full {
			t.Errorf("packet %d: fragments %v, the longest of %d bytes", tt.packet, fragments, longest)
		}
		if a.m.Status(1).Counters.Rejected[RejectFragment]+b.m.Status(7).Counters.Rejected[RejectFragment] != 0 {
			t.Errorf("packet %d: fragments rejected", tt.packet)
		}
	}
}

// TestFragmentLoss loses each fragment of the handshake once, and then every other
// datagram at random.
func TestFragmentLoss(t *testing.T) {
	for lost := range 6 {
		w := newWorld(t, 1)
		a, b := small(w)
		n := 0
		w.filter = func(p *packet) bool {
			if !isFragment(p) {
				return true
			}
			n++
			return n-1 != lost
		}
		a.connect()
		w.until(2*time.Second, "up", func() bool { return a.ready() && b.ready() })
		w.run(10 * time.Second)
		w.quiet()
	}
	for seed := range uint64(20) {
		w := newWorld(t, seed)
		w.loss, w.dup, w.delayMax = 0.3, 0.2, 100*time.Millisecond
		a, b := small(w)
		a.connect()
		w.until(time.Minute, "up", func() bool { return a.ready() && b.ready() })
		w.loss = 0
		w.run(30 * time.Second)
		w.quiet()
	}
}

// fragmented holds the fragments of IKE_AUTH back, the request's or the response's.
func fragmented(t testing.TB, response bool) (w *world, a, b *node, held [][]byte) {
	w = newWorld(t, 1)
	a, b = small(w)
	w.filter = func(p *packet) bool {
		if !isFragment(p) || (p.ike[19]&0x20 != 0) != response {
			return true
		}
		if len(held) < 3 {
			held = append(held, p.ike)
		}
		return false
	}
	a.connect()
	w.run(200 * time.Millisecond)
	if len(held) != 3 {
		t.Fatalf("%d fragments", len(held))
	}
	w.filter = nil
	return w, a, b, held
}

func (n *node) receive(from *node, b []byte) {
	n.step(Datagram{Local: n.addr, Remote: from.addr, Bytes: bytes.Clone(b)})
}

// resealed makes fragments of n out of any parts, with any numbers.
func resealed(t testing.TB, n *node, x message.ExchangeType, id uint32, first message.PayloadType, number, total uint16, part []byte) []byte {
	s := only(n)
	_, out, err := s.protect()
	if err != nil {
		t.Fatal(err)
	}
	out.iv = 1<<41 + uint64(number)<<16 + uint64(total)
	return sealIn(t, out, s.header(x, !s.initiator, id), &message.EncryptedFragment{First: first, Number: number, Total: total}, part)
}

// sealIn makes a protected message with any plaintext in p, which has no Body yet.
func sealIn(t testing.TB, out *protection, h message.Header, p message.Payload, plain []byte) []byte {
	body := make([]byte, len(plain)+1+ivLen+icvLen)
	switch p := p.(type) {
	case *message.Encrypted:
		p.Body = body
	case *message.EncryptedFragment:
		p.Body = body
	}
	b, err := message.Marshal(&message.Message{Header: h, Payloads: []message.Payload{p}})
	if err != nil {
		t.Fatal(err)
	}
	aad := len(b) - len(body)
	sealed, _ := out.seal(b[:aad:aad], b[aad:aad+ivLen], append(bytes.Clone(plain), 0))
	copy(b[aad+ivLen:], sealed)
	return b
}

// TestFragmentOrder delivers the fragments of the request, then of the response, in
// every order, and each twice.
func TestFragmentOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}, {2, 2, 1, 1, 0, 0}} {
		for _, response := range []bool{false, true} {
			w, a, b, held := fragmented(t, response)
			from, to := a, b
			if response {
				from, to = b, a
			}
			for _, i := range order {
				to.receive(from, held[i])
			}
			if len(to.children) != 1 {
				t.Errorf("order %v, response %v: %d children", order, response, len(to.children))
			}
			w.run(10 * time.Second)
			w.quiet()
		}
	}
}

// TestAnswerOnceToFragments gives an answered request again: fragment 1 is answered
// with all of the answer, the others with nothing (RFC 7383 §2.6.1).
func TestAnswerOnceToFragments(t *testing.T) {
	w, a, b, held := fragmented(t, false)
	var out [][]byte
	w.filter = func(p *packet) bool { out = append(out, p.ike); return false }
	for _, f := range held {
		b.receive(a, f)
	}
	first := out
	out = nil
	forged := bytes.Clone(held[0])
	forged[len(forged)-1] ^= 1
	for _, f := range [][]byte{held[1], held[2], forged} {
		b.receive(a, f)
	}
	if len(first) != 3 || len(out) != 0 {
		t.Fatalf("%d datagrams, %d to what is not fragment 1", len(first), len(out))
	}
	b.receive(a, held[0])
	if len(out) != 3 || !bytes.Equal(bytes.Join(out, nil), bytes.Join(first, nil)) {
		t.Errorf("%d datagrams to fragment 1, the same: %v", len(out), bytes.Equal(bytes.Join(out, nil), bytes.Join(first, nil)))
	}
}

// TestWrongFragments gives a half-open responder what does not fit: each is dropped and
// counted, and the right fragments still make the message.
func TestWrongFragments(t *testing.T) {
	big := make([]byte, maxUnproven/2)
	auth := message.ExchangeIKEAuth
	for name, tt := range map[string]struct {
		why    RejectReason
		before int // right fragments that come before
		make   func(a *node, held [][]byte) [][]byte
	}{
		"again": {RejectFragment, 1, func(_ *node, held [][]byte) [][]byte { return held[:1] }},
		"altered": {RejectDecrypt, 1, func(_ *node, held [][]byte) [][]byte {
			f := bytes.Clone(held[1])
			f[len(f)-1] ^= 1
			return [][]byte{f}
		}},
		"another number": {RejectDecrypt, 1, func(_ *node, held [][]byte) [][]byte {
			f := bytes.Clone(held[1])
			f[33]++
			return [][]byte{f}
		}},
		"a lower total": {RejectFragment, 2, func(a *node, _ [][]byte) [][]byte {
			return [][]byte{resealed(t, a, auth, 1, 0, 2, 2, []byte("x"))}
		}},
		"number 0": {RejectMalformed, 1, func(_ *node, held [][]byte) [][]byte {
			f := bytes.Clone(held[1])
			f[32], f[33] = 0, 0
			return [][]byte{f}
		}},
		"number above total": {RejectMalformed, 1, func(_ *node, held [][]byte) [][]byte {
			f := bytes.Clone(held[1])
			f[33] = 4
			return [][]byte{f}
		}},
		"total 0": {RejectMalformed, 1, func(_ *node, held [][]byte) [][]byte {
			f := bytes.Clone(held[1])
			f[34], f[35] = 0, 0
			return [][]byte{f}
		}},
		"payload type in fragment 2": {RejectMalformed, 1, func(_ *node, held [][]byte) [][]byte {
			f := bytes.Clone(held[1])
			f[28] = 35
			return [][]byte{f}
		}},
		"65 fragments": {RejectFragment, 2, func(a *node, _ [][]byte) [][]byte {
			return [][]byte{resealed(t, a, auth, 1, 0, 2, maxFragments+1, []byte("x"))}
		}},
		"too many bytes in one": {RejectFragment, 2, func(a *node, _ [][]byte) [][]byte {
			return [][]byte{resealed(t, a, auth, 1, 0, 2, 4, append(big, big...))}
		}},
		"another exchange": {RejectExchange, 2, func(a *node, _ [][]byte) [][]byte {
			return [][]byte{resealed(t, a, message.ExchangeInformational, 1, 0, 3, 3, []byte("x"))}
		}},
		"the next message": {RejectMessageID, 2, func(a *node, _ [][]byte) [][]byte {
			return [][]byte{resealed(t, a, auth, 2, 0, 3, 3, []byte("x"))}
		}},
	} {
		w, a, b, held := fragmented(t, false)
		for _, f := range held[:tt.before] {
			b.receive(a, f)
		}
		sent := b.sentIKE
		for _, f := range tt.make(a, held) {
			b.receive(a, f)
		}
		c := b.m.strangers
		if c.Rejected[tt.why] != 1 || b.sentIKE != sent || len(b.children) != 0 {
			t.Errorf("%s: %d counted as %v, %d answers", name, c.Rejected[tt.why], tt.why, b.sentIKE-sent)
		}
		for _, f := range held[tt.before:] {
			b.receive(a, f)
		}
		if len(b.children) != 1 {
			t.Errorf("%s: the right fragments do not make the message any more", name)
		}
		w.run(10 * time.Second)
		w.quiet()
	}
}

// TestFragmentBudget sends a half-open responder as much as it takes and a fragment
// more.
func TestFragmentBudget(t *testing.T) {
	_, a, b, _ := fragmented(t, false)
	part := make([]byte, 1000)
	kept := 0
	for i := range uint16(maxFragments) {
		before := b.m.strangers.Rejected[RejectFragment]
		b.receive(a, resealed(t, a, message.ExchangeIKEAuth, 1, 0, i+1, maxFragments, part))
		if b.m.strangers.Rejected[RejectFragment] == before {
			kept++
		}
	}
	s := only(b)
	if want := maxUnproven / (1000 + 1 + ivLen + icvLen); kept != want || s.parts.held > maxUnproven {
		t.Errorf("%d fragments kept, want %d; %d bytes", kept, want, s.parts.held)
	}
	// More fragments than before replace the set.
	b.receive(a, resealed(t, a, message.ExchangeIKEAuth, 1, 0, 2, 5, part))
	if s.parts.missing != maxFragments-kept {
		t.Errorf("%d missing after a fragment of fewer", s.parts.missing)
	}
}

// TestMoreFragmentsReplace begins with one way to cut the message and goes on with a
// finer one, as a sender does that looks for the path's MTU (RFC 7383 §2.5.2).
func TestMoreFragmentsReplace(t *testing.T) {
	w, a, b, held := fragmented(t, false)
	b.receive(a, held[0])
	b.receive(a, held[1])
	plain, first := plaintext(t, b, held)
	for i := range 5 {
		part := plain[i*len(plain)/5 : (i+1)*len(plain)/5]
		f := message.PayloadNone
		if i == 0 {
			f = first
		}
		b.receive(a, resealed(t, a, message.ExchangeIKEAuth, 1, f, uint16(i+1), 5, part))
		if i == 0 && only(b).parts.missing != 4 {
			t.Errorf("%d missing after the first of five", only(b).parts.missing)
		}
	}
	if len(b.children) != 1 {
		t.Error("five fragments do not make the message")
	}
	w.run(10 * time.Second)
	w.quiet()
}

// plaintext opens fragments on their way to n.
func plaintext(t testing.TB, n *node, held [][]byte) (plain []byte, first message.PayloadType) {
	in, _, err := only(n).protect()
	if err != nil {
		t.Fatal(err)
	}
	for i, raw := range held {
		msg, err := message.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		f := msg.Payloads[0].(*message.EncryptedFragment)
		part, err := message.OpenFragment(raw, f, overhead, in.open)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = f.First
		}
		plain = append(plain, part...)
	}
	return plain, first
}

// TestWholeAmongFragments sends the message in one piece while fragments of it are
// there, and one fragment as all of it.
func TestWholeAmongFragments(t *testing.T) {
	for name, whole := range map[string]func(a *node, first message.PayloadType, plain []byte) []byte{
		"SK": func(a *node, first message.PayloadType, plain []byte) []byte {
			return sealAs(t, a, only(a).header(message.ExchangeIKEAuth, false, 1), first, plain)
		},
		"one fragment": func(a *node, first message.PayloadType, plain []byte) []byte {
			return resealed(t, a, message.ExchangeIKEAuth, 1, first, 1, 1, plain)
		},
	} {
		for before := range 3 {
			if name == "one fragment" && before > 0 {
				continue // a lower total
			}
			w, a, b, held := fragmented(t, false)
			for _, f := range held[:before] {
				b.receive(a, f)
			}
			plain, first := plaintext(t, b, held)
			b.receive(a, whole(a, first, plain))
			if len(b.children) != 1 || only(b).parts.parts != nil || only(b).stale.isSet() {
				t.Errorf("%s after %d fragments: %d children", name, before, len(b.children))
			}
			b.receive(a, held[2]) // late
			w.run(10 * time.Second)
			w.quiet()
		}
	}
}

// TestFragmentsNotNegotiated has an initiator that does not offer it: nothing is
// fragmented then, either way, and no fragment is taken.
func TestFragmentsNotNegotiated(t *testing.T) {
	w := newWorld(t, 1)
	a, b := small(w)
	w.filter = func(p *packet) bool { return false }
	a.connect()
	w.filter = func(p *packet) bool {
		if isFragment(p) {
			t.Error("a fragment that was not negotiated")
		}
		return true
	}
	hs := only(a).hs
	msg, err := message.Parse(hs.initI)
	if err != nil {
		t.Fatal(err)
	}
	isOffer := func(p message.Payload) bool {
		n, ok := p.(*message.Notify)
		return ok && n.Type == message.NotifyFragmentationSupported
	}
	msg.Payloads = slices.DeleteFunc(msg.Payloads, isOffer)
	if hs.initI, err = message.Marshal(msg); err != nil {
		t.Fatal(err)
	}
	b.receive(a, hs.initI)
	if s := only(b); s.fragments || bytes.Contains(s.hs.initR, []byte{0x40, 0x2e}) {
		t.Errorf("the responder answers with an offer: %v", s.fragments)
	}
	w.until(time.Second, "up", func() bool { return a.ready() && b.ready() })
	s := only(b)
	for _, id := range []uint32{s.expectID, s.expectID - 1} {
		b.receive(a, resealed(t, a, message.ExchangeIKEAuth, id, 0, 1, 2, []byte("x")))
	}
	if n := s.peer.counters.Rejected[RejectFragment]; n != 2 || s.parts.parts != nil {
		t.Errorf("%d rejected, set %v", n, s.parts.parts)
	}
}

// TestFragmentsAreForgotten leaves a message unfinished: what is there goes when the
// half-open SA ends, with the SA's DELETE, and of an established SA after a while.
func TestFragmentsAreForgotten(t *testing.T) {
	w, a, b, held := fragmented(t, false)
	b.receive(a, held[0])
	half := only(b)
	a.alive = false
	w.run(15 * time.Second)
	if len(b.m.sas) != 0 || half.parts.parts != nil || half.stale.isSet() {
		t.Errorf("%d SAs, fragments %v", len(b.m.sas), half.parts.parts != nil)
	}

	for name, end := range map[string]func(w *world, b *node){
		"time":     func(w *world, b *node) { w.run(staleTime + time.Second) },
		"removal":  func(w *world, b *node) { b.step(RemovePeer{7}); w.run(time.Second) },
		"shutdown": func(w *world, b *node) { b.step(Shutdown{}) },
		"the peer's DELETE": func(w *world, b *node) {
			// It is the message that the fragment claims to be part of.
			w.nodes[0].step(RemovePeer{1})
			w.run(time.Second)
		},
	} {
		w := newWorld(t, 1)
		a, b := small(w)
		a.connect()
		w.until(time.Second, "up", func() bool { return a.ready() && b.ready() })
		s := only(b)
		b.receive(a, resealed(t, a, message.ExchangeInformational, s.expectID, 0, 2, 3, []byte("part")))
		if s.parts.missing != 2 || !s.stale.isSet() {
			t.Fatalf("%s: the fragment was not kept", name)
		}
		end(w, b)
		if s.parts.parts != nil || s.stale.isSet() {
			t.Errorf("%s: %d missing, timer %v", name, s.parts.missing, s.stale.isSet())
		}
	}
}

// TestPayloadsInFragments gives an established responder a request of 0 to
// MaxPayloads+1 payloads in 1 to maxFragments+1 fragments.
func TestPayloadsInFragments(t *testing.T) {
	for _, fragments := range []int{1, 2, 63, 64, 65} {
		for _, payloads := range []int{0, 1, 2, 63, 64, 65} {
			w := newWorld(t, 1)
			a, b := small(w)
			a.connect()
			w.until(time.Second, "up", func() bool { return a.ready() && b.ready() })
			s := only(b)
			var plain []byte
			first := message.PayloadNone
			for i := range payloads {
				first = message.PayloadVendorID
				next := byte(message.PayloadVendorID)
				if i == payloads-1 {
					next = 0
				}
				plain = append(plain, next, 0, 0, 8, 1, 2, 3, 4)
			}
			var out [][]byte
			w.filter = func(p *packet) bool { out = append(out, p.ike); return false }
			for i := range fragments {
				part := plain[i*len(plain)/fragments : (i+1)*len(plain)/fragments]
				if i > 0 {
					first = message.PayloadNone
				}
				b.receive(a, resealed(t, a, message.ExchangeInformational, s.expectID, first, uint16(i+1), uint16(fragments), part))
			}
			if s.parts.parts != nil && fragments <= maxFragments {
				t.Errorf("%d fragments of %d payloads: not whole", fragments, payloads)
			}
			if want := fragments <= maxFragments; (len(out) > 0) != want {
				t.Errorf("%d fragments of %d payloads: %d answers", fragments, payloads, len(out))
			} else if !want {
				continue
			}
			_, ps := opened(t, a, out[0])
			refused := message.FindNotify(ps, message.NotifyInvalidSyntax) != nil
			if refused != (payloads > message.MaxPayloads) {
				t.Errorf("%d fragments of %d payloads: refused %v", fragments, payloads, refused)
			}
		}
	}
}

// TestUnknownSPIInFragments is told of as for any other message.
func TestUnknownSPIInFragments(t *testing.T) {
	w, a, b, held := fragmented(t, false)
	b.kill()
	b.boot()
	var out []string
	w.filter = func(p *packet) bool { out = append(out, headline(p.ike)); return false }
	b.receive(a, held[1])
	b.receive(a, held[0])
	if len(out) != 1 || !strings.HasPrefix(out[0], "exchange 35") {
		t.Errorf("answers: %v", out)
	}
}

// TestTooLongToSend makes messages that no fragments carry, and one that may not be
// fragmented: it goes out whole or not at all.
func TestTooLongToSend(t *testing.T) {
	for _, tt := range []struct {
		fragments   bool
		vendorBytes int
		want        int // datagrams; 0: an error
	}{
		{true, 60 * (544 - 65), 60},
		{true, 65 * (544 - 65), 0},
		{false, 65000, 1},
		{false, 65500, 0},
	} {
		w := newWorld(t, 1)
		a, _ := small(w)
		a.connect()
		w.run(time.Second)
		s := only(a)
		s.fragments = tt.fragments
		msgs, err := s.seal(message.ExchangeInformational, false, 9, []message.Payload{&message.VendorID{Data: make([]byte, tt.vendorBytes-4)}})
		if (err != nil) != (tt.want == 0) || err == nil && len(msgs) != tt.want {
			t.Errorf("%+v: %d datagrams, %v", tt, len(msgs), err)
		}
	}
}

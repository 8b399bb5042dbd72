package ike

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// stage is a handshake of a with b, held before a message of the given exchange and
// direction is delivered.
type stage struct {
	w    *world
	a, b *node
	held []byte // that message
}

func hold(t testing.TB, exchange message.ExchangeType, response bool, keys bool) *stage {
	w := newWorld(t, 1)
	st := &stage{w: w}
	w.filter = func(p *packet) bool {
		if p.ike == nil || message.ExchangeType(p.ike[18]) != exchange || (p.ike[19]&0x20 != 0) != response {
			return true
		}
		if st.held == nil {
			st.held = p.ike
		}
		return false
	}
	st.a, st.b = pair(w, func(a, b *Peer) {
		if keys {
			a.Auth, b.Auth = keyAuths()
		}
	})
	st.a.log, st.b.log = traceLogger(), traceLogger()
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

func only(n *node) *sa {
	for _, s := range n.m.sas {
		return s
	}
	return nil
}

// sealAs makes a protected message of n with any plaintext.
func sealAs(t testing.TB, n *node, h message.Header, first message.PayloadType, plain []byte) []byte {
	_, out, err := only(n).protect()
	if err != nil {
		t.Fatal(err)
	}
	out.iv = 1 << 40
	body := len(plain) + 1 + ivLen + icvLen
	b, err := message.Marshal(&message.Message{Header: h, Payloads: []message.Payload{
		&message.Encrypted{First: first, Body: make([]byte, body)}}})
	if err != nil {
		t.Fatal(err)
	}
	aad := len(b) - body
	sealed, _ := out.seal(b[:aad:aad], b[aad:aad+ivLen], append(bytes.Clone(plain), 0))
	copy(b[aad+ivLen:], sealed)
	return b
}

// opened gives header and payloads of a message that goes to n.
func opened(t testing.TB, n *node, raw []byte) (message.Header, []message.Payload) {
	msg, err := message.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	sk, ok := msg.Payloads[0].(*message.Encrypted)
	if !ok {
		return msg.Header, msg.Payloads
	}
	in, _, err := only(n).protect()
	if err != nil {
		t.Fatal(err)
	}
	ps, err := message.OpenEncrypted(raw, sk, overhead, in.open)
	if err != nil {
		t.Fatal(err)
	}
	return msg.Header, ps
}

type mutation struct {
	name     string
	payload  message.Payload // the one that it is about
	payloads []message.Payload
}

// mutations leaves each payload out, doubles it, empties it, zeroes it and cuts it.
func mutations(t testing.TB, ps []message.Payload) []mutation {
	var out []mutation
	for i, p := range ps {
		with := func(name string, replace ...message.Payload) {
			list := append([]message.Payload{}, ps[:i]...)
			list = append(append(list, replace...), ps[i+1:]...)
			out = append(out, mutation{fmt.Sprintf("%v (%d) %s", p.PayloadType(), i, name), p, list})
		}
		_, body, err := message.MarshalPayloads([]message.Payload{p})
		if err != nil {
			t.Fatal(err)
		}
		body = body[message.GenericLen:]
		raw := func(b []byte) message.Payload { return &message.Raw{Type: p.PayloadType(), Body: b} }
		with("omitted")
		with("doubled", p, p)
		with("empty", raw(nil))
		with("zeroed", raw(make([]byte, len(body))))
		with("zeroed behind its head", raw(append(bytes.Clone(body[:min(8, len(body))]), make([]byte, len(body)-min(8, len(body)))...)))
		with("cut", raw(body[:len(body)-1]))
		with("last byte changed", raw(append(bytes.Clone(body[:len(body)-1]), body[len(body)-1]^1)))
		for n := range min(12, len(body)) {
			b := bytes.Clone(body)
			b[n] = ^b[n]
			with(fmt.Sprintf("byte %d inverted", n), raw(b))
		}
	}
	return out
}

// TestPayloadMutations gives every payload of both exchanges a bad time, both ways. No
// panic may come of it, and no state where the payload matters.
func TestPayloadMutations(t *testing.T) {
	for _, keys := range []bool{false, true} {
		for _, x := range []message.ExchangeType{message.ExchangeIKESAInit, message.ExchangeIKEAuth} {
			for _, response := range []bool{false, true} {
				st := hold(t, x, response, keys)
				to := st.b
				if response {
					to = st.a
				}
				_, ps := opened(t, to, st.held)
				list := mutations(t, ps)
				if len(list) < 50 {
					t.Fatalf("only %d mutations", len(list))
				}
				for i := range list {
					mutate(t, x, response, keys, i)
				}
			}
		}
	}
}

// harmless tells whether a message may still be good for its own exchange. What was
// changed in IKE_SA_INIT shows in IKE_AUTH at the latest.
func (m *mutation) harmless(x message.ExchangeType, response bool) bool {
	inverted := strings.Contains(m.name, "inverted") || strings.Contains(m.name, "last byte")
	switch m.payload.PayloadType() {
	case message.PayloadNotify:
		return true
	case message.PayloadCERT, message.PayloadTSi, message.PayloadTSr, message.PayloadSA:
		return inverted || m.payload.PayloadType() == message.PayloadCERT // AUTH covers none of these
	case message.PayloadIDr:
		return !response && !strings.Contains(m.name, "doubled")
	case message.PayloadAUTH:
		return strings.HasSuffix(m.name, "byte 1 inverted") || strings.HasSuffix(m.name, "byte 2 inverted") ||
			strings.HasSuffix(m.name, "byte 3 inverted") // reserved
	case message.PayloadNonce:
		return !strings.Contains(m.name, "omitted") && !strings.Contains(m.name, "doubled") && !strings.Contains(m.name, "empty")
	case message.PayloadKE:
		return inverted || strings.Contains(m.name, "behind")
	}
	return false
}

func mutate(t *testing.T, x message.ExchangeType, response, keys bool, i int) {
	st := hold(t, x, response, keys)
	from, to := st.a, st.b
	if response {
		from, to = st.b, st.a
	}
	h, ps := opened(t, to, st.held)
	m := mutations(t, ps)[i]
	first, plain, err := message.MarshalPayloads(m.payloads)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	if x == message.ExchangeIKEAuth {
		b = sealAs(t, from, h, first, plain)
	} else if b, err = message.Marshal(&message.Message{Header: h, Payloads: m.payloads}); err != nil {
		t.Fatal(err)
	}
	sent := to.sentIKE
	st.w.filter = func(p *packet) bool {
		if !response && x == message.ExchangeIKESAInit && p.from == to.addr && len(p.ike) > len(b) {
			t.Errorf("%s: the answer of %d bytes is longer than the request of %d", m.name, len(p.ike), len(b))
		}
		return false
	}
	to.step(Datagram{Local: to.addr, Remote: from.addr, Bytes: b})

	name := fmt.Sprintf("%v response=%v keys=%v: %s", x, response, keys, m.name)
	if m.harmless(x, response) {
		return
	}
	if len(to.children) > 0 || to.ups > 0 {
		t.Errorf("%s: there is a child", name)
	}
	if x == message.ExchangeIKESAInit && !response && len(to.m.sas) != 0 {
		t.Errorf("%s: there is a half-open SA", name)
	}
	if x == message.ExchangeIKESAInit && response && (to.sentIKE != sent || only(to) == nil || only(to).state != saInit) {
		t.Errorf("%s: the initiator went on", name)
	}
}

// TestIdentityLengths sends identities of every length before authentication.
func TestIdentityLengths(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 1024, 65000} {
		st := hold(t, message.ExchangeIKEAuth, false, false)
		h, ps := opened(t, st.b, st.held)
		ps[0] = &message.IDi{Identification: message.Identification{Type: message.IDFQDN, Data: bytes.Repeat([]byte{'x'}, n)}}
		first, plain, err := message.MarshalPayloads(ps)
		if err != nil {
			t.Fatal(err)
		}
		st.b.step(Datagram{Local: st.b.addr, Remote: st.a.addr, Bytes: sealAs(t, st.a, h, first, plain)})
		if len(st.b.children) != 0 || st.b.m.strangers.Rejected[RejectAuth] != 1 {
			t.Errorf("identity of %d bytes: %d children, %v", n, len(st.b.children), st.b.m.strangers.Rejected)
		}
	}
}

// TestTransformIDs offers every 16-bit number of every transform type, alone and as
// the group of the key.
func TestTransformIDs(t *testing.T) {
	st := hold(t, message.ExchangeIKESAInit, false, false)
	msg, err := message.Parse(st.held)
	if err != nil {
		t.Fatal(err)
	}
	good := msg.Payloads[0].(*message.SA).Proposals[0]
	accepted := map[message.TransformType]int{}
	for _, kind := range []message.TransformType{1, 2, 3, 4, 5, 6, 13} {
		for id := range 1 << 16 {
			p := good
			p.Transforms = []message.Transform{{Type: kind, ID: message.TransformID(id)}}
			for _, tr := range good.Transforms {
				if tr.Type != kind {
					p.Transforms = append(p.Transforms, tr)
				}
			}
			_, _, err := st.b.m.chooseForStranger(Datagram{Remote: st.a.addr},
				&message.SA{Proposals: []message.Proposal{p}}, &message.KE{Group: message.TransformID(id), Data: []byte{1}})
			if err == nil {
				accepted[kind]++
			}
		}
	}
	// The key is of group id, so nothing but a group of ours can be good; the other
	// types are to be refused for the key at the latest, and never to panic.
	for kind, n := range accepted {
		if kind != message.TransformKE && !(n == 1 && kind <= message.TransformPRF) {
			t.Errorf("%v: %d numbers accepted", kind, n)
		}
	}
	if n := accepted[message.TransformKE]; n != len(allGroups) {
		t.Errorf("%d groups accepted", n)
	}
}

// TestJunkChangesNothing replays, cuts and flips everything that was ever sent, and
// forges every notify, at two ends that are up.
func TestJunkChangesNothing(t *testing.T) {
	w := newWorld(t, 4)
	var seen [][]byte
	w.filter = func(p *packet) bool {
		if p.ike != nil {
			seen = append(seen, p.ike)
		}
		return true
	}
	a, b := pair(w, nil)
	a.connect()
	w.run(5 * time.Second)
	a.soft()
	w.run(12 * time.Second)
	w.quiet()
	recorded := seen
	for _, raw := range recorded {
		for range 60 {
			bad := bytes.Clone(raw)
			switch w.rng.IntN(3) {
			case 0:
				bad = bad[:w.rng.IntN(len(bad))]
			case 1:
				bad[w.rng.IntN(len(bad))] ^= byte(1 + w.rng.IntN(255))
			}
			a.step(Datagram{Local: a.addr, Remote: b.addr, Bytes: bytes.Clone(bad)})
			b.step(Datagram{Local: b.addr, Remote: a.addr, Bytes: bad})
		}
	}
	s := a.m.peers[1].sas[0]
	c := a.m.peers[1].using
	for n := range message.NotifyType(64) {
		for _, flags := range []message.Flags{0, message.FlagInitiator, message.FlagResponse, message.FlagInitiator | message.FlagResponse} {
			for _, x := range []message.ExchangeType{34, 35, 36, 37} {
				for _, id := range []uint32{0, s.nextID - 1, s.nextID, s.expectID} {
					for _, note := range []*message.Notify{{Type: n}, {Type: n, Data: message.ChildSPI(c.out)}, {Type: n, Data: message.ChildSPI(c.in)}} {
						raw, err := message.Marshal(&message.Message{Header: message.Header{InitiatorSPI: s.spiI, ResponderSPI: s.spiR,
							Version: message.Version2, Exchange: x, Flags: flags, MessageID: id}, Payloads: []message.Payload{note}})
						if err != nil {
							t.Fatal(err)
						}
						a.step(Datagram{Local: a.addr, Remote: b.addr, Bytes: raw})
						b.step(Datagram{Local: b.addr, Remote: a.addr, Bytes: bytes.Clone(raw)})
					}
				}
			}
		}
	}
	w.run(20 * time.Second)
	w.quiet()
	if a.m.peers[1].using != c || a.m.peers[1].sas[0] != s || a.ups != 1 || len(a.downs)+len(b.downs) != 0 {
		w.failf("the tunnel did not stay as it was")
	}
}

// TestForgedHandshakeNotifies answers IKE_SA_INIT and IKE_AUTH with every unprotected
// notify before the true answer comes: the handshake goes on.
func TestForgedHandshakeNotifies(t *testing.T) {
	for _, x := range []message.ExchangeType{message.ExchangeIKESAInit, message.ExchangeIKEAuth} {
		st := hold(t, x, true, false)
		h, err := message.ParseHeader(st.held)
		if err != nil {
			t.Fatal(err)
		}
		for n := range message.NotifyType(64) {
			for _, spi := range []message.SPI{0, h.ResponderSPI} {
				g := h
				g.ResponderSPI = spi
				raw, err := message.Marshal(&message.Message{Header: g, Payloads: []message.Payload{&message.Notify{Type: n, Data: []byte{0, 31}}}})
				if err != nil {
					t.Fatal(err)
				}
				st.a.step(Datagram{Local: st.a.addr, Remote: st.b.addr, Bytes: raw})
			}
		}
		if len(st.a.downs) != 0 {
			t.Errorf("%v: a forged notify ended it: %v", x, st.a.downs)
		}
		st.a.step(Datagram{Local: st.a.addr, Remote: st.b.addr, Bytes: st.held})
		st.w.run(15 * time.Second)
		st.w.quiet()
		if len(st.a.downs) != 0 {
			t.Errorf("%v: down: %v", x, st.a.downs)
		}
	}
}

// TestErrorAnswers checks the notify that each kind of wrong message is answered with.
func TestErrorAnswers(t *testing.T) {
	var got []byte
	st := hold(t, message.ExchangeIKESAInit, false, false)
	st.w.filter = func(p *packet) bool {
		if p.from == st.b.addr {
			got = p.ike
		}
		return false
	}
	send := func(raw []byte) *message.Notify {
		got = nil
		st.w.run(2 * time.Second) // the limiter of hints
		st.b.step(Datagram{Local: st.b.addr, Remote: netip.MustParseAddrPort("203.0.113.5:500"), Bytes: raw})
		if got == nil {
			return nil
		}
		if len(got) > len(raw) {
			t.Errorf("answer of %d bytes to %d", len(got), len(raw))
		}
		msg, err := message.Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		return message.FindNotify(msg.Payloads, msg.Payloads[0].(*message.Notify).Type)
	}
	expect := func(what string, raw []byte, want message.NotifyType) {
		t.Helper()
		if n := send(raw); n == nil || n.Type != want {
			t.Errorf("%s: answer %v, want %v", what, n, want)
		}
	}
	version := bytes.Clone(st.held)
	version[17] = 0x30
	expect("major version 3", version, message.NotifyInvalidMajorVersion)

	h, err := message.ParseHeader(st.held)
	if err != nil {
		t.Fatal(err)
	}
	critical, err := message.Marshal(&message.Message{Header: h, Payloads: []message.Payload{
		&message.Raw{Generic: message.Generic{Critical: true}, Type: 200, Body: make([]byte, 200)}}})
	if err != nil {
		t.Fatal(err)
	}
	expect("critical payload", critical, message.NotifyUnsupportedCriticalPayload)

	empty, err := message.Marshal(&message.Message{Header: h, Payloads: []message.Payload{&message.VendorID{Data: make([]byte, 100)}}})
	if err != nil {
		t.Fatal(err)
	}
	expect("no SA", empty, message.NotifyInvalidSyntax)

	h.Exchange, h.ResponderSPI = message.ExchangeInformational, 77
	unknown, err := message.Marshal(&message.Message{Header: h, Payloads: []message.Payload{&message.Encrypted{Body: make([]byte, 40)}}})
	if err != nil {
		t.Fatal(err)
	}
	expect("unknown IKE SPI", unknown, message.NotifyInvalidIKESPI)
	h.Flags |= message.FlagResponse
	response, err := message.Marshal(&message.Message{Header: h, Payloads: []message.Payload{&message.Encrypted{Body: make([]byte, 40)}}})
	if err != nil {
		t.Fatal(err)
	}
	if n := send(response); n != nil {
		t.Errorf("a response was answered with %v", n.Type)
	}
}

// TestProtectedErrors sends an authenticated message that is wrong, to an SA that stays.
func TestProtectedErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		exchange message.ExchangeType
		payloads []message.Payload
		want     message.NotifyType
	}{
		"critical":         {message.ExchangeInformational, []message.Payload{&message.Raw{Generic: message.Generic{Critical: true}, Type: 201}}, message.NotifyUnsupportedCriticalPayload},
		"short nonce":      {message.ExchangeCreateChildSA, []message.Payload{&message.Raw{Type: message.PayloadNonce, Body: []byte{1}}}, message.NotifyInvalidSyntax},
		"empty child":      {message.ExchangeCreateChildSA, nil, message.NotifyInvalidSyntax},
		"unknown exchange": {message.ExchangeType(99), nil, message.NotifyInvalidSyntax},
		"IKE rekey": {message.ExchangeCreateChildSA, []message.Payload{&message.SA{Proposals: []message.Proposal{{Number: 1, Protocol: message.ProtocolIKE,
			SPI: message.IKESPI(9), Transforms: []message.Transform{AES256GCM.transform()}}}}}, message.NotifyNoAdditionalSAs},
		"rekey of nothing": {message.ExchangeCreateChildSA, []message.Payload{&message.Notify{Protocol: message.ProtocolESP, SPI: message.ChildSPI(4711),
			Type: message.NotifyRekeySA}}, message.NotifyChildSANotFound},
	} {
		w := newWorld(t, 1)
		a, b := pair(w, nil)
		a.connect()
		w.run(time.Second)
		s := only(a)
		h := s.header(tt.exchange, false, s.nextID)
		first, plain, err := message.MarshalPayloads(tt.payloads)
		if err != nil {
			t.Fatal(err)
		}
		raw := sealAs(t, a, h, first, plain)
		var answer []byte
		w.filter = func(p *packet) bool { answer = p.ike; return false }
		b.step(Datagram{Local: b.addr, Remote: a.addr, Bytes: raw})
		if answer == nil {
			t.Errorf("%s: no answer", name)
			continue
		}
		_, ps := opened(t, a, answer)
		if message.FindNotify(ps, tt.want) == nil {
			t.Errorf("%s: answered %s", name, outline(ps))
		}
		if len(b.downs) != 0 || len(b.children) != 1 {
			t.Errorf("%s ended something", name)
		}
	}
}

// TestFloodIsBounded sends a hundred thousand IKE_SA_INIT requests from as many
// addresses, and half-opens as many as can be.
func TestFloodIsBounded(t *testing.T) {
	st := hold(t, message.ExchangeIKESAInit, false, false)
	var reply []byte
	st.w.filter = func(p *packet) bool { reply = p.ike; return false }
	m := st.b.m
	st.b.log = nil
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	junk := bytes.Clone(st.held)
	from := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 4500)
	}
	before := heap()
	for i := range 100000 {
		binary.BigEndian.PutUint64(junk, uint64(i+1))
		for _, a := range m.Step(st.w.now, Datagram{Remote: from(i), Bytes: junk}) {
			if s, ok := a.(Send); ok && len(s.Bytes) > len(junk) {
				t.Fatalf("answer of %d bytes to %d", len(s.Bytes), len(junk))
			}
		}
	}
	if m.halfOpen.open != 30 || m.strangers.Rejected[RejectCookie] != 100000-30 {
		t.Errorf("%d half-open, %v", m.halfOpen.open, m.strangers.Rejected)
	}
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("%d bytes more after junk without cookies", grown)
	}

	// Now initiators that do send their cookie back.
	before = heap()
	h, _ := message.ParseHeader(junk)
	for i := range 2000 {
		msg, err := message.Parse(st.held)
		if err != nil {
			t.Fatal(err)
		}
		msg.InitiatorSPI = message.SPI(1<<32 + i)
		raw, _ := message.Marshal(msg)
		reply = nil
		st.b.step(Datagram{Remote: from(1<<20 + i), Bytes: raw})
		answer, err := message.Parse(reply)
		if err != nil {
			break // no answer: the table is full
		}
		n := message.FindNotify(answer.Payloads, message.NotifyCookie)
		if n == nil {
			break
		}
		msg.Payloads = append([]message.Payload{n}, msg.Payloads...)
		raw, _ = message.Marshal(msg)
		st.b.step(Datagram{Remote: from(1<<20 + i), Bytes: raw})
		_ = h
	}
	if m.halfOpen.open != 1024 {
		t.Errorf("%d half-open, want 1024", m.halfOpen.open)
	}
	each := (int64(heap()) - int64(before)) / 994
	t.Logf("%d bytes for each half-open SA", each)
	if each > 4096 {
		t.Errorf("%d bytes for each half-open SA", each)
	}
	st.w.trace.Reset()
	st.w.run(11 * time.Second)
	if m.halfOpen.open != 0 || len(m.halfOpen.byInit) != 0 || len(m.sas) != 0 || len(m.halfOpen.perAddr) != 0 {
		t.Errorf("left after their life: %d half-open, %d SAs", m.halfOpen.open, len(m.sas))
	}
}

// TestShortRequestNeedsCookie gives a request that is shorter than its answer a cookie
// first, for each suite with the answer's length known before it is made.
func TestShortRequestNeedsCookie(t *testing.T) {
	for _, c := range allCiphers {
		for _, g := range allGroups {
			w := newWorld(t, 1)
			st := &stage{w: w}
			longest := 0
			w.filter = func(p *packet) bool {
				if st.held == nil {
					st.held = p.ike
					return false
				}
				if p.from.String() == addrB {
					longest = max(longest, len(p.ike))
				}
				return false
			}
			st.a, st.b = pair(w, func(a, b *Peer) {
				a.Ciphers, a.Groups, a.PRFs = []Cipher{c}, []Group{g}, []PRF{PRFSHA512}
				b.Ciphers, b.Groups = a.Ciphers, a.Groups
			})
			st.a.connect()
			msg, err := message.Parse(st.held)
			if err != nil {
				t.Fatal(err)
			}
			_, answer, _ := st.b.m.strangerPreferences(st.a.addr.Addr()).chooseIKE(msg.Payloads[0].(*message.SA))
			want := initAnswerLen(answer, g)
			st.b.step(Datagram{Local: st.b.addr, Remote: st.a.addr, Bytes: st.held})
			if longest != want || longest > len(st.held) {
				t.Errorf("%v %v: answer of %d bytes, expected %d; request %d", c, g, longest, want, len(st.held))
			}
			longest = 0
			msg.Payloads = msg.Payloads[:3] // no notifies
			short, err := message.Marshal(msg)
			if err != nil {
				t.Fatal(err)
			}
			st.b.step(Datagram{Local: st.b.addr, Remote: netip.MustParseAddrPort("203.0.113.5:500"), Bytes: short})
			if n := st.b.m.strangers.Rejected[RejectCookie]; n != 1 || longest > len(short) || longest == 0 {
				t.Errorf("%v %v: %d cookies, answer of %d bytes to %d", c, g, n, longest, len(short))
			}
		}
	}
}

// TestHalfOpenPerAddress lets one address have three.
func TestHalfOpenPerAddress(t *testing.T) {
	st := hold(t, message.ExchangeIKESAInit, false, false)
	for i := range 10 {
		raw := bytes.Clone(st.held)
		binary.BigEndian.PutUint64(raw, uint64(i+1))
		for range 3 { // retransmissions do not count
			st.b.step(Datagram{Local: st.b.addr, Remote: netip.AddrPortFrom(netip.MustParseAddr("203.0.113.5"), uint16(1000+i)), Bytes: raw})
		}
	}
	if n := st.b.m.halfOpen.open; n != 3 {
		t.Errorf("%d half-open, want 3", n)
	}
	if n := st.b.m.strangers.Rejected[RejectHalfOpenAddr]; n != 21 {
		t.Errorf("%d rejected, want 21", n)
	}
}

// TestCookieRotation accepts the cookies of this secret and of the last one only.
func TestCookieRotation(t *testing.T) {
	w := newWorld(t, 1)
	_, b := pair(w, nil)
	m := b.m
	m.now = w.now
	nonce, from := []byte("nonce"), netip.MustParseAddrPort(addrA)
	if err := m.cookies.rotate(m); err != nil {
		t.Fatal(err)
	}
	c := cookie(m.cookies.current, nonce, from, 1)
	for i, want := range []bool{true, true, false} {
		if err := m.cookies.rotate(m); err != nil {
			t.Fatal(err)
		}
		if got := m.cookies.check(c, nonce, from, 1); got != want {
			t.Errorf("after %d rotations: %v", i, got)
		}
		m.now = m.now.Add(cookieLife)
	}
	c = cookie(m.cookies.current, nonce, from, 1)
	if m.cookies.check(c, []byte("other"), from, 1) || m.cookies.check(c, nonce, netip.MustParseAddrPort(addrB), 1) ||
		m.cookies.check(c, nonce, netip.AddrPortFrom(from.Addr(), 1), 1) || m.cookies.check(c, nonce, from, 2) ||
		m.cookies.check(nil, nonce, from, 1) {
		t.Error("a cookie is good for more than what it was made for")
	}
}

// TestNoSecretsOutside looks for keys and PSK in logs, strings and status.
func TestNoSecretsOutside(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, 1)
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: LevelTrace}))
	pa, pb := pairConfig()
	a := &node{w: w, name: "a", addr: netip.MustParseAddrPort(addrA), peers: []Peer{pa}, log: logger}
	b := &node{w: w, name: "b", addr: netip.MustParseAddrPort(addrB), peers: []Peer{pb}, log: logger}
	w.nodes = []*node{a, b}
	a.boot()
	b.boot()
	a.connect()
	w.run(time.Second)
	keyA, _ := keyAuths()
	s := only(a)
	child := a.children[a.using[1]]
	text := log.String() + w.trace.String() + fmt.Sprintf("%v %+v %#v %v %+v %#v %+v", pa, pa, pa.Auth, keyA, &keyA, keyA, a.m.Status(1)) +
		fmt.Sprintf("%v %+v %v %#v", InstallChild{Child: *child}, child, s.keys, s.keys)
	if log.Len() < 1000 {
		t.Fatalf("only %d bytes of log", log.Len())
	}
	for name, secret := range map[string][]byte{"PSK": testPSK, "SK_d": s.keys.d, "SK_ei": s.keys.ei, "SK_pr": s.keys.pr,
		"KEYMAT": child.Inbound.Keymat, "private key": keyA.Private.Seed()} {
		for _, form := range []string{string(secret), hex.EncodeToString(secret[:12]), base64.StdEncoding.EncodeToString(secret[:12]),
			strings.Trim(fmt.Sprint(secret[:8]), "[]")} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows as %q", name, form)
			}
		}
	}
}

// TestRandomFails lets the random source fail at every read in turn: no panic, no
// handshake with half of its randomness, and recovery afterwards.
func TestRandomFails(t *testing.T) {
	for at := 1; at < 14; at++ {
		w := newWorld(t, 1)
		a, b := pair(w, nil)
		for _, n := range []*node{a, b} {
			n.m.cfg.Rand = &failing{Reader: n.m.cfg.Rand, at: at}
		}
		a.connect()
		w.run(time.Second)
		a.soft()
		w.run(90 * time.Second)
		w.quiet()
	}
}

type failing struct {
	io.Reader
	at int
}

func (f *failing) Read(b []byte) (int, error) {
	if f.at--; f.at == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return f.Reader.Read(b)
}

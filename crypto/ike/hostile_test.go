package ike

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
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
	return sealOn(t, only(n), h, first, plain)
}

func sealOn(t testing.TB, s *sa, h message.Header, first message.PayloadType, plain []byte) []byte {
	_, out, err := s.protect()
	if err != nil {
		t.Fatal(err)
	}
	out.iv = 1 << 40
	return sealIn(t, out, h, &message.Encrypted{First: first}, plain)
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
				&message.SA{Proposals: []message.Proposal{p}}, &message.KE{Group: message.TransformID(id), Data: []byte{1}}, true)
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
		"KEYMAT": child.Inbound.Keymat, "private key": keyA.Private.(ed25519.PrivateKey).Seed()} {
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
		a, b := pair(w, hybrid)
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

package ike

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

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

// TestProtectedErrors sends an authenticated message that is wrong. The SA stays, unless
// the message breaks the syntax: the peer is then sent a DELETE behind the answer
// (RFC 7296 §2.21.3).
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
			SPI: message.IKESPI(9), Transforms: []message.Transform{AES256GCM.transform()}}}}}, message.NotifyInvalidSyntax},
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
		var sent [][]byte
		w.filter = func(p *packet) bool { sent = append(sent, p.ike); return true }
		b.step(Datagram{Local: b.addr, Remote: a.addr, Bytes: raw})
		if len(sent) == 0 {
			t.Errorf("%s: no answer", name)
			continue
		}
		_, ps := opened(t, a, sent[0])
		if message.FindNotify(ps, tt.want) == nil {
			t.Errorf("%s: answered %s", name, outline(ps))
		}
		if tt.want != message.NotifyInvalidSyntax {
			if len(b.downs) != 0 || len(b.children) != 1 || len(sent) != 1 {
				t.Errorf("%s ended something", name)
			}
			continue
		}
		if len(b.downs) != 1 || b.downs[0].Reason.Code != ReasonInvalidSyntax || len(sent) != 2 {
			t.Errorf("%s: %v, %d messages", name, b.downs, len(sent))
		}
		w.run(10 * time.Second) // a takes the tunnel up again
		w.quiet()
	}
}

// TestForgedRetransmission sends a message with the id of the last request that is
// not that request: nothing may be sent for it.
func TestForgedRetransmission(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	a.connect()
	w.run(5 * time.Second)
	a.soft()
	w.run(time.Second)
	s := only(b)
	h := only(a).header(message.ExchangeInformational, false, s.expectID-1)
	raw, err := message.Marshal(&message.Message{Header: h, Payloads: []message.Payload{&message.Encrypted{Body: make([]byte, 60)}}})
	if err != nil || s.answer == nil {
		t.Fatal(err, s.answer)
	}
	if acts := b.m.Step(w.now, Datagram{Local: b.addr, Remote: a.addr, Bytes: raw}); len(acts) != 0 {
		t.Errorf("it caused %v", acts)
	}
	good := sealAs(t, a, h, message.PayloadNone, nil)
	if acts := b.m.Step(w.now, Datagram{Local: b.addr, Remote: a.addr, Bytes: good}); len(acts) != 1 || !bytes.Equal(acts[0].(Send).Bytes, s.answer[0]) {
		t.Errorf("an authentic one caused %v, not the same answer again", acts)
	}
}

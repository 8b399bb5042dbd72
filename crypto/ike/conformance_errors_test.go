package ike

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// TestConformanceHints reads the two notifies that are sent outside of every IKE SA.
func TestConformanceHints(t *testing.T) {
	w, a, b := settled(t)
	h := message.Header{InitiatorSPI: 0x1111, ResponderSPI: 0x2222, Version: message.Version2, Exchange: message.ExchangeCreateChildSA, Flags: message.FlagInitiator, MessageID: 77}
	request := marshalled(t, &message.Message{Header: h, Payloads: []message.Payload{&message.Encrypted{Body: make([]byte, 60)}}})
	answer := giveRaw(w, a, b, request)
	if answer == nil {
		t.Fatal("no INVALID_IKE_SPI")
	}
	m := parsed(t, answer)
	if n := onlyOne[*message.Notify](t, m.Payloads); n.Type != message.NotifyInvalidIKESPI || len(n.Data)+len(n.SPI) != 0 || n.Protocol != 0 {
		t.Errorf("INVALID_IKE_SPI is %+v", n)
	}
	if m.InitiatorSPI != h.InitiatorSPI || m.ResponderSPI != h.ResponderSPI || m.MessageID != h.MessageID || !m.Flags.Response() ||
		m.Version != message.Version2 || m.Exchange != h.Exchange {
		t.Errorf("INVALID_IKE_SPI has the header %+v", m.Header)
	}

	w.run(3 * time.Second)
	var sent []byte
	w.filter = func(p *packet) bool {
		if p.ike != nil && p.ike[16] == byte(message.PayloadNotify) {
			sent = p.ike
		}
		return true
	}
	b.step(UnknownSPI{Local: b.addr, Remote: a.addr, SPI: 0xdecafbad})
	if sent == nil {
		t.Fatal("no INVALID_SPI")
	}
	m = parsed(t, sent)
	if m.Exchange != message.ExchangeInformational || m.Flags != message.FlagInitiator || m.MessageID != 0 {
		t.Errorf("INVALID_SPI has the header %+v", m.Header)
	}
	if n := onlyOne[*message.Notify](t, m.Payloads); n.Type != message.NotifyInvalidSPI || binary.BigEndian.Uint32(n.Data) != 0xdecafbad || len(n.Data) != 4 {
		t.Errorf("INVALID_SPI is %+v", n)
	}
	w.run(10 * time.Second)
	w.quiet()
}

// TestConformanceHintOfEveryExchange tells an end whose rekey meets a peer that lost its
// state so: it probes at once, and soon has a new SA.
func TestConformanceHintOfEveryExchange(t *testing.T) {
	for _, x := range []message.ExchangeType{message.ExchangeCreateChildSA, message.ExchangeInformational} {
		w, a, _ := settled(t)
		w.filter = func(p *packet) bool { return false }
		h := only(a).header(x, true, only(a).nextID)
		h.Flags &^= message.FlagInitiator
		before := a.sentIKE
		a.step(Datagram{Local: a.addr, Remote: only(a).remote, Bytes: marshalled(t, &message.Message{Header: h,
			Payloads: []message.Payload{&message.Notify{Type: message.NotifyInvalidIKESPI}}})})
		if a.sentIKE == before {
			t.Errorf("%v: INVALID_IKE_SPI causes no probe", x)
		}
		w.filter = nil
		w.run(15 * time.Second)
		w.quiet()
		if a.ups != 1 {
			t.Errorf("%v: the peer lives, and a hint made %d SAs", x, a.ups)
		}
	}
}

// TestConformanceHintsAreNotAnswered: a response is never answered, whatever its SPIs,
// and neither are the hints themselves.
func TestConformanceHintsAreNotAnswered(t *testing.T) {
	for _, n := range []message.NotifyType{message.NotifyInvalidIKESPI, message.NotifyInvalidSPI, message.NotifyInvalidMajorVersion, message.NotifyInvalidSyntax} {
		for _, x := range []message.ExchangeType{message.ExchangeIKESAInit, message.ExchangeIKEAuth, message.ExchangeCreateChildSA, message.ExchangeInformational} {
			for _, version := range []message.Version{message.Version2, 0x30} {
				w, a, b := settled(t)
				h := message.Header{InitiatorSPI: 0x1111, ResponderSPI: 0x2222, Version: version, Exchange: x, Flags: message.FlagResponse}
				for _, ps := range [][]message.Payload{{&message.Notify{Type: n, Data: message.ChildSPI(0x12345)}}, {&message.Encrypted{Body: make([]byte, 60)}}} {
					if answer := giveRaw(w, a, b, marshalled(t, &message.Message{Header: h, Payloads: ps})); answer != nil {
						t.Errorf("a response with %v in %v, version %x, is answered by %x", n, x, version, answer)
					}
				}
			}
		}
	}
}

// TestConformanceCriticalInAuth puts a critical payload of an unknown type into either
// message of IKE_AUTH: the request is refused by its type, the answer ends the attempt.
func TestConformanceCriticalInAuth(t *testing.T) {
	critical := &message.Raw{Generic: message.Generic{Critical: true}, Type: 211, Body: []byte("what")}
	st, answer := inAuth(t, func(ps []message.Payload) []message.Payload { return append(ps, critical) })
	n := message.FindNotify(answer, message.NotifyUnsupportedCriticalPayload)
	if n == nil || !bytes.Equal(n.Data, []byte{211}) || len(st.b.children) != 0 || st.b.ups != 0 {
		t.Errorf("answered %s, %d children", outline(answer), len(st.b.children))
	}
	a := answerAs(t, false, func(_ *peer, ps []message.Payload) []message.Payload { return append(ps, critical) })
	if len(a.children) != 0 || a.ups != 0 || len(a.downs) != 1 || a.downs[0].Reason.Code != ReasonInvalidSyntax {
		t.Errorf("the initiator has %d children, %v", len(a.children), a.downs)
	}
	// A known type may say that it is critical.
	st, answer = inAuth(t, func(ps []message.Payload) []message.Payload {
		return append(ps, &message.VendorID{Generic: message.Generic{Critical: true}, Data: []byte("v")})
	})
	if len(st.b.children) != 1 {
		t.Errorf("a critical vendor ID is answered by %s", outline(answer))
	}
}

// TestConformanceNeverCritical: no payload that we send says that it is critical.
func TestConformanceNeverCritical(t *testing.T) {
	w := newWorld(t, 3)
	seen := map[message.PayloadType]bool{}
	w.filter = func(p *packet) bool {
		if p.ike != nil {
			for _, pl := range append(parsed(t, p.ike).Payloads, sealedBy(w.nodeAt(p.from), p.ike)...) {
				seen[pl.PayloadType()] = true
				if pl.IsCritical() {
					t.Errorf("%v is critical in %s", pl.PayloadType(), headline(p.ike))
				}
			}
		}
		return true
	}
	a, b := pair(w, func(a, b *Peer) { a.Auth, b.Auth = keyAuths(); a.PFS, b.PFS = true, true })
	a.connect()
	w.run(5 * time.Second)
	a.soft()
	w.run(5 * time.Second)
	b.hard()
	w.run(15 * time.Second)
	w.quiet()
	if len(seen) < 12 {
		t.Errorf("only payloads %v", seen)
	}
}

// TestConformanceAuthenticationFailed: a responder whose AUTH is wrong is told so in an
// exchange of its own, and then has no SA.
func TestConformanceAuthenticationFailed(t *testing.T) {
	keyA, keyB := keyAuths()
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) { a.Auth, b.Auth = keyA, keyB; a.Auth.PeerPublic = keyB.PeerPublic })
	told := 0
	w.filter = func(p *packet) bool {
		if p.from == a.addr && p.ike != nil && p.ike[18] == byte(message.ExchangeInformational) {
			told++
			if p.ike[16] != byte(message.PayloadSK) || p.ike[19]&0x20 != 0 {
				t.Errorf("told by %x", p.ike)
			}
			s := only(b)
			if s == nil || s.state != saEstablished {
				t.Error("the responder does not think that the SA stands: the test has no sense")
			}
		}
		return true
	}
	a.connect()
	w.run(120 * time.Millisecond)
	if told != 1 || len(b.m.sas)+len(b.using) != 0 || a.ups != 0 || len(b.downs) != 1 || b.downs[0].Reason.Code != ReasonAuth {
		t.Errorf("told %d times; the responder has %d SAs, down %v", told, len(b.m.sas), b.downs)
	}
}

// TestConformanceUnknownErrors: an error that nobody knows fails a request that it
// answers, and a status does not.
func TestConformanceUnknownErrors(t *testing.T) {
	for _, code := range []message.NotifyType{8191, 16383} {
		a := answerAs(t, false, func(_ *peer, ps []message.Payload) []message.Payload {
			return append(ps, &message.Notify{Type: code})
		})
		if len(a.children) != 0 || len(a.downs) != 1 {
			t.Errorf("error %d in IKE_AUTH: %d children, %v", code, len(a.children), a.downs)
		}
	}
	a := answerAs(t, false, func(_ *peer, ps []message.Payload) []message.Payload {
		return append(ps, &message.Notify{Type: 16384 + 9999}, &message.Notify{Type: 65535}, &message.Raw{Type: 222})
	})
	if len(a.children) != 1 {
		t.Errorf("status in IKE_AUTH: %d children, %v", len(a.children), a.downs)
	}

	w, a, b := settled(t)
	using := a.using[1]
	w.filter = func(p *packet) bool { return p.ike == nil || p.ike[18] != byte(message.ExchangeCreateChildSA) }
	a.soft()
	s := only(b)
	giveRaw(w, b, a, sealAs(t, b, s.header(message.ExchangeCreateChildSA, true, s.expectID), message.PayloadNotify,
		[]byte{0, 0, 0, 8, 0, 0, 0x1f, 0xff}))
	s.expectID++
	if a.using[1] != using || len(a.children) != 1 || len(a.downs) > 0 {
		t.Errorf("error 8191 in CREATE_CHILD_SA: %d children, %v", len(a.children), a.downs)
	}
}

// TestConformanceIgnoredInInit: an IKE_SA_INIT request may hold what nobody knows.
func TestConformanceIgnoredInInit(t *testing.T) {
	for name, more := range map[string]message.Payload{
		"a payload":          &message.Raw{Type: 140, Body: []byte("what")},
		"a status":           &message.Notify{Type: 33333, Data: []byte("what")},
		"an error":           &message.Notify{Type: 9999},
		"a vendor ID":        &message.VendorID{Data: []byte("vendor")},
		"a certificate wish": &message.CERTREQ{Encoding: message.CertX509Signature},
	} {
		for _, response := range []bool{false, true} {
			st := hold(t, message.ExchangeIKESAInit, response, false)
			from, to := st.a, st.b
			if response {
				if _, isNotify := more.(*message.Notify); isNotify && name == "an error" {
					continue // in a response an unknown error is a refusal
				}
				from, to = st.b, st.a
			}
			m := parsed(t, st.held)
			m.Payloads = append(m.Payloads, more, more)
			answer := giveRaw(st.w, from, to, marshalled(t, m))
			if answer == nil || parsed(t, answer).NextPayload == message.PayloadNotify {
				t.Errorf("%s, response %v: answered %x", name, response, answer)
			}
		}
	}
}

// TestConformanceRefusedInit: what is wrong with an IKE_SA_INIT request is said in the
// clear, with the request's SPI and id, and leaves no state.
func TestConformanceRefusedInit(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(m *message.Message)
		want   message.NotifyType
		data   []byte
	}{
		"no proposal in common": {func(m *message.Message) {
			onlyOne[*message.SA](t, m.Payloads).Proposals = []message.Proposal{ikeOffer(1, strange, sha256T, x25519T)}
		}, message.NotifyNoProposalChosen, nil},
		"another group": {func(m *message.Message) {
			onlyOne[*message.KE](t, m.Payloads).Group = message.KEECP256
		}, message.NotifyInvalidKEPayload, []byte{0, 31}},
		"a critical payload": {func(m *message.Message) {
			m.Payloads = append(m.Payloads, &message.Raw{Generic: message.Generic{Critical: true}, Type: 99})
		}, message.NotifyUnsupportedCriticalPayload, []byte{99}},
		"no nonce": {func(m *message.Message) {
			for i, p := range m.Payloads {
				if p.PayloadType() == message.PayloadNonce {
					m.Payloads[i] = &message.VendorID{}
				}
			}
		}, message.NotifyInvalidSyntax, nil},
		"a key that is too short": {func(m *message.Message) {
			ke := onlyOne[*message.KE](t, m.Payloads)
			ke.Data = ke.Data[1:]
		}, message.NotifyInvalidSyntax, nil},
		"a key of zeros": {func(m *message.Message) { clear(onlyOne[*message.KE](t, m.Payloads).Data) }, message.NotifyInvalidSyntax, nil},
	} {
		st, request := initStage(t)
		m := parsed(t, request)
		tt.change(m)
		m.Payloads = append(m.Payloads, &message.VendorID{Data: make([]byte, 200)})
		answer := giveRaw(st.w, st.a, st.b, marshalled(t, m))
		if answer == nil {
			t.Errorf("%s: no answer", name)
			continue
		}
		got := parsed(t, answer)
		n := onlyOne[*message.Notify](t, got.Payloads)
		if n.Type != tt.want || !bytes.Equal(n.Data, tt.data) {
			t.Errorf("%s: answered %v %x, want %v %x", name, n.Type, n.Data, tt.want, tt.data)
		}
		if got.InitiatorSPI != m.InitiatorSPI || got.ResponderSPI != 0 || got.MessageID != 0 || got.Flags != message.FlagResponse || got.Exchange != message.ExchangeIKESAInit {
			t.Errorf("%s: header %+v", name, got.Header)
		}
		if len(st.b.m.sas) != 0 {
			t.Errorf("%s: it left an SA", name)
		}
	}
}

// TestConformanceAuthPayloads reads who says what in IKE_AUTH: with a PSK and with keys.
func TestConformanceAuthPayloads(t *testing.T) {
	for _, keys := range []bool{false, true} {
		st := hold(t, message.ExchangeIKEAuth, false, keys)
		_, request := opened(t, st.b, st.held)
		_, answer := opened(t, st.a, giveRaw(st.w, st.a, st.b, st.held))
		for name, ps := range map[string][]message.Payload{"request": request, "answer": answer} {
			auth := onlyOne[*message.AUTH](t, ps)
			cert, err := message.AtMostOne[*message.CERT](ps)
			if err != nil {
				t.Fatal(err)
			}
			if !keys {
				if auth.Method != message.AuthSharedKey || len(auth.Data) != PRFSHA256.size() || cert != nil {
					t.Errorf("PSK, %s: %v with %d bytes, certificate %v", name, auth.Method, len(auth.Data), cert)
				}
				continue
			}
			// RFC 7427 §3: a length, the AlgorithmIdentifier, the signature; RFC 8420 §2.
			want := []byte{7, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70}
			if auth.Method != message.AuthDigitalSignature || !bytes.HasPrefix(auth.Data, want) || len(auth.Data) != len(want)+64 {
				t.Errorf("keys, %s: %v %x", name, auth.Method, auth.Data)
			}
			if cert == nil || cert.Encoding != message.CertRawPublicKey || len(cert.Data) != 44 || !bytes.HasPrefix(cert.Data, []byte{0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70}) {
				t.Errorf("keys, %s: certificate %+v", name, cert)
			}
		}
		idi, idr := onlyOne[*message.IDi](t, request), onlyOne[*message.IDr](t, answer)
		if idi.Type != message.IDFQDN || string(idi.Data) != "gw-a.example" || idr.Type != message.IDFQDN || string(idr.Data) != "gw-b.example" ||
			idi.Reserved != [3]byte{} || idr.Reserved != [3]byte{} {
			t.Errorf("%+v and %+v", idi, idr)
		}
	}
}

// TestConformanceSignatureHashes: both IKE_SA_INIT messages say, in two-octet numbers,
// that the Identity hash is understood (5), once.
func TestConformanceSignatureHashes(t *testing.T) {
	st, request := initStage(t)
	for name, raw := range map[string][]byte{"request": request, "answer": giveRaw(st.w, st.a, st.b, request)} {
		count, identity := 0, false
		for n := range message.All[*message.Notify](parsed(t, raw).Payloads) {
			if n.Type != message.NotifySignatureHashAlgorithms {
				continue
			}
			count++
			if len(n.Data)%2 != 0 || n.Protocol != 0 || len(n.SPI) != 0 {
				t.Errorf("%s: %+v", name, n)
			}
			for i := 0; i+1 < len(n.Data); i += 2 {
				identity = identity || binary.BigEndian.Uint16(n.Data[i:]) == 5
			}
		}
		if count != 1 || !identity {
			t.Errorf("%s: %d notifies, Identity %v", name, count, identity)
		}
	}
}

package ike

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// raised sets every bit of a list of payloads that a receiver has to ignore: those of
// the generic headers (RFC 7296 §3.2), and in SA, KE, AUTH, TS and ID those that are
// marked RESERVED. critical also sets the critical bit, which counts for unknown types
// only (§2.5).
func raised(first message.PayloadType, plain []byte, critical bool) []byte {
	b := bytes.Clone(plain)
	for off, kind := 0, first; off < len(b); {
		next, n := message.PayloadType(b[off]), int(b[off+2])<<8|int(b[off+3])
		b[off+1] |= 0x7f
		if critical {
			b[off+1] |= 0x80
		}
		body := b[off+4 : off+n]
		switch kind {
		case message.PayloadKE:
			body[2], body[3] = 0xff, 0xff
		case message.PayloadAUTH, message.PayloadTSi, message.PayloadTSr:
			body[1], body[2], body[3] = 0xff, 0xff, 0xff
		case message.PayloadSA:
			for p := 0; p < len(body); {
				body[p+1] = 0xff
				size, t := int(body[p+2])<<8|int(body[p+3]), p+8+int(body[p+6])
				for t < p+size {
					body[t+1], body[t+5] = 0xff, 0xff
					t += int(body[t+2])<<8 | int(body[t+3])
				}
				p += size
			}
		}
		off, kind = off+n, next
	}
	return b
}

// TestReservedBits sets them in every message of the handshake, with minor version 15,
// and in a request after it.
func TestReservedBits(t *testing.T) {
	for _, critical := range []bool{false, true} {
		w := newWorld(t, 1)
		a, b := pair(w, nil)
		header := func(raw []byte) {
			raw[17], raw[19] = 0x2f, raw[19]|0xc7|0x10
		}
		n := 0
		w.filter = func(p *packet) bool {
			from, to := a, b
			if p.from == b.addr {
				from, to = b, a
			}
			n++
			if message.ExchangeType(p.ike[18]) == message.ExchangeIKESAInit {
				raw := append(bytes.Clone(p.ike[:28]), raised(message.PayloadType(p.ike[16]), p.ike[28:], critical)...)
				header(raw)
				// AUTH is to cover it so.
				if from == a {
					only(a).hs.initI = raw
				} else {
					only(b).hs.initR = raw
				}
				p.ike = raw
				return true
			}
			h, ps := opened(t, to, p.ike)
			first, plain, err := message.MarshalPayloads(ps)
			if err != nil {
				t.Fatal(err)
			}
			p.ike = sealRaised(t, from, h, first, raised(first, plain, critical))
			return true
		}
		a.connect()
		w.until(time.Second, "up", func() bool { return a.ready() && b.ready() })
		a.soft()
		w.run(time.Second)
		w.filter = nil
		w.run(9 * time.Second)
		w.quiet()
		if n < 8 {
			t.Errorf("only %d messages", n)
		}
	}
}

// sealRaised is sealAs with what is to be ignored set in the headers as well.
func sealRaised(t *testing.T, n *node, h message.Header, first message.PayloadType, plain []byte) []byte {
	_, out, err := only(n).protect()
	if err != nil {
		t.Fatal(err)
	}
	out.iv = 1<<40 + uint64(h.MessageID)<<8 + uint64(h.Exchange)
	b := sealIn(t, out, h, &message.Encrypted{First: first}, nil)
	aad := b[:prefixLen]
	aad[17], aad[19], aad[29] = 0x2f, aad[19]|0xc7|0x10, 0x7f
	size := prefixLen + ivLen + len(plain) + 1 + icvLen
	aad[26], aad[27] = byte(size>>8), byte(size)
	aad[30], aad[31] = byte((size-28)>>8), byte(size-28)
	iv := make([]byte, ivLen)
	sealed, err := out.seal(aad, iv, append(bytes.Clone(plain), 0))
	if err != nil {
		t.Fatal(err)
	}
	return append(append(aad, iv...), sealed...)
}

// TestUnknownPayloads puts a payload of a type that nobody knows into every request:
// without the critical bit it changes nothing, with it the request is refused with the
// type in the notify (RFC 7296 §2.5).
func TestUnknownPayloads(t *testing.T) {
	const strange = 203
	for _, x := range []message.ExchangeType{message.ExchangeIKESAInit, message.ExchangeIKEIntermediate, message.ExchangeIKEAuth,
		message.ExchangeCreateChildSA, message.ExchangeInformational} {
		for _, critical := range []bool{false, true} {
			name := fmt.Sprintf("%v, critical %v", x, critical)
			unknown := &message.Raw{Generic: message.Generic{Critical: critical}, Type: strange, Body: []byte("what is this?")}
			var st *stage
			if x == message.ExchangeCreateChildSA || x == message.ExchangeInformational {
				st = fuzzState(t, 4)
				st.w.filter = func(p *packet) bool {
					if st.held == nil && message.ExchangeType(p.ike[18]) == x {
						st.held = p.ike
					}
					return false
				}
				if x == message.ExchangeInformational {
					st.a.step(Probe{ID: 1})
				} else {
					st.a.soft()
				}
			} else if x == message.ExchangeIKEIntermediate {
				st = holdHybrid(t, x, false)
			} else {
				st = hold(t, x, false, false)
			}
			h, ps := opened(t, st.b, st.held)
			ps = append([]message.Payload{unknown}, ps...)
			var raw []byte
			if x == message.ExchangeIKESAInit {
				b, err := message.Marshal(&message.Message{Header: h, Payloads: ps})
				if err != nil {
					t.Fatal(err)
				}
				raw = b
			} else {
				first, plain, err := message.MarshalPayloads(ps)
				if err != nil {
					t.Fatal(err)
				}
				raw = sealAs(t, st.a, h, first, plain)
			}
			var answer []byte
			st.w.filter = func(p *packet) bool {
				if answer == nil {
					answer = p.ike
				}
				return false
			}
			before := only(st.b)
			var in *protection // of a, for the answer, before its keys change
			if before != nil && x != message.ExchangeIKESAInit {
				in, _, _ = only(st.a).protect()
			}
			st.b.receive(st.a, raw)
			if answer == nil {
				t.Errorf("%s: no answer", name)
				continue
			}
			msg, err := message.Parse(answer)
			if err != nil {
				t.Fatal(err)
			}
			got := msg.Payloads
			if in != nil {
				if got, err = message.OpenEncrypted(answer, got[0].(*message.Encrypted), overhead, in.open); err != nil {
					t.Fatal(err)
				}
			}
			n := message.FindNotify(got, message.NotifyUnsupportedCriticalPayload)
			if (n != nil) != critical || n != nil && !bytes.Equal(n.Data, []byte{strange}) {
				t.Errorf("%s: answered %s", name, outline(got))
			}
			if s := only(st.b); critical && (x == message.ExchangeIKESAInit && s != nil ||
				(x == message.ExchangeIKEAuth || x == message.ExchangeIKEIntermediate) && s.state != saRefused ||
				x == message.ExchangeInformational && s.state != saEstablished) {
				t.Errorf("%s: the SA is %v", name, s)
			}
			if len(st.b.downs) != 0 {
				t.Errorf("%s: %v", name, st.b.downs)
			}
		}
	}
}

// TestDoubledPayloads sends each payload of CREATE_CHILD_SA twice that may stand there
// once.
func TestDoubledPayloads(t *testing.T) {
	w := newWorld(t, 1)
	a, _ := pair(w, func(a, b *Peer) { a.PFS, b.PFS = true, true })
	a.connect()
	w.until(time.Second, "up", func() bool { return a.ready() && len(only(a).tasks) == 0 })
	w.run(time.Second)
	var request []byte
	w.filter = func(p *packet) bool {
		if request == nil {
			request = p.ike
		}
		return false
	}
	a.soft()
	_, ps := opened(t, w.nodes[1], request)
	doubled := 0
	for i, p := range ps {
		if p.PayloadType() == message.PayloadNotify {
			continue
		}
		doubled++
		st := fuzzState(t, 4)
		var answer []byte
		st.w.filter = func(p *packet) bool {
			if answer == nil {
				answer = p.ike
			}
			return false
		}
		first, plain, err := message.MarshalPayloads(append(append([]message.Payload{}, ps[i]), ps[1:]...))
		if err != nil {
			t.Fatal(err)
		}
		st.b.receive(st.a, sealAs(t, st.a, only(st.a).header(message.ExchangeCreateChildSA, false, only(st.b).expectID), first, plain))
		_, got := opened(t, st.a, answer)
		if message.FindNotify(got, message.NotifyInvalidSyntax) == nil || only(st.b).state != saDeleting {
			t.Errorf("%v twice: answered %s, the SA is %v", p.PayloadType(), outline(got), only(st.b).state)
		}
	}
	if doubled != 5 {
		t.Errorf("%d payloads, want SA, KE, Nonce, TSi and TSr", doubled)
	}
}

// TestUnexpectedPayloads puts one of every kind into INFORMATIONAL, where they mean
// nothing.
func TestUnexpectedPayloads(t *testing.T) {
	st := fuzzState(t, 4)
	init := hold(t, message.ExchangeIKESAInit, false, false)
	_, ps := opened(t, init.b, init.held)
	auth := hold(t, message.ExchangeIKEAuth, false, true)
	_, more := opened(t, auth.b, auth.held)
	first, plain, err := message.MarshalPayloads(append(ps, more...))
	if err != nil {
		t.Fatal(err)
	}
	var answer []byte
	st.w.filter = func(p *packet) bool { answer = p.ike; return false }
	st.b.receive(st.a, sealAs(t, st.a, only(st.a).header(message.ExchangeInformational, false, only(st.b).expectID), first, plain))
	_, got := opened(t, st.a, answer)
	if len(got) != 0 || len(st.b.children) != 1 || only(st.b).state != saEstablished {
		t.Errorf("answered %s; %d children", outline(got), len(st.b.children))
	}
}

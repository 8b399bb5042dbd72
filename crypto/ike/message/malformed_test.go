package message

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// bodyCut lists, for each payload type, the lengths that a body may be cut to
// and still be well formed: everything from min on, but not less.
var bodyCut = map[PayloadType]int{
	PayloadKE: 5, PayloadIDi: 4, PayloadCERT: 1, PayloadCERTREQ: 1, PayloadAUTH: 5,
	PayloadNotify: 4, PayloadVendorID: 0, PayloadSK: 0, PayloadSKF: 4, PayloadCP: 0, PayloadEAP: 0, 200: 0,
}

// TestTruncatedBody cuts the body of every sample at every byte, with the
// lengths around it made right. Either the result is an error of that payload,
// or the payload is one whose end is open.
func TestTruncatedBody(t *testing.T) {
	for _, s := range samples {
		kind := s.payload.PayloadType()
		shortest, open := bodyCut[kind]
		if n, ok := s.payload.(*Notify); ok {
			shortest += len(n.SPI)
		}
		for n := range len(s.body) {
			m, err := Parse(one(kind, nextOf(s.payload), s.body[:n]))
			if open && n >= shortest {
				if err != nil || m.Payloads[0].PayloadType() != kind {
					t.Errorf("%v cut to %d bytes: %v", kind, n, err)
				}
				continue
			}
			var e *Error
			if !errors.As(err, &e) || e.Payload != kind {
				t.Errorf("%v cut to %d bytes: %v", kind, n, err)
			} else if e.Offset < HeaderLen || e.Offset > HeaderLen+GenericLen+n {
				t.Errorf("%v cut to %d bytes: offset %d is outside the payload", kind, n, e.Offset)
			}
		}
	}
}

// TestZeroedBody replaces the body of every sample by zeros.
func TestZeroedBody(t *testing.T) {
	wellFormed := map[PayloadType]bool{
		PayloadKE: true, PayloadIDi: true, PayloadIDr: true, PayloadCERT: true, PayloadCERTREQ: true, PayloadAUTH: true,
		PayloadNonce: true, PayloadNotify: true, PayloadVendorID: true, PayloadSK: true, PayloadCP: true, PayloadEAP: true, 200: true,
	}
	for _, s := range samples {
		kind := s.payload.PayloadType()
		_, err := Parse(one(kind, nextOf(s.payload), strings.Repeat("\x00", len(s.body))))
		var e *Error
		if wellFormed[kind] != (err == nil) || err != nil && (!errors.As(err, &e) || e.Payload != kind) {
			t.Errorf("%v of zeros: %v", kind, err)
		}
	}
}

func plainSamples() []Payload {
	var ps []Payload
	for _, s := range samples {
		if _, encrypted := firstInside(s.payload); !encrypted {
			ps = append(ps, s.payload)
		}
	}
	return ps
}

// TestTruncatedMessage cuts a message that holds every payload at every byte,
// once as it is and once with the length in the header made right.
func TestTruncatedMessage(t *testing.T) {
	whole, err := Marshal(&Message{Header: Header{Version: Version2}, Payloads: plainSamples()})
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		b := append([]byte(nil), whole[:n]...)
		if m, err := Parse(b); err == nil {
			t.Errorf("cut to %d of %d bytes: parsed %+v", n, len(whole), m)
		}
		if n < HeaderLen {
			continue
		}
		binary.BigEndian.PutUint32(b[24:], uint32(n))
		var e *Error
		if _, err := Parse(b); !errors.As(err, &e) || e.Offset > n {
			t.Errorf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
	}
	if _, err := Parse(append(whole, 0)); err == nil {
		t.Error("a byte behind the message was accepted")
	}
}

// TestOmittedAndDoubled takes each payload away and puts it in twice: form is
// fine, One and AtMostOne are what tells.
func TestOmittedAndDoubled(t *testing.T) {
	t.Run("SA", func(t *testing.T) { testCount[*SA](t, PayloadSA) })
	t.Run("KE", func(t *testing.T) { testCount[*KE](t, PayloadKE) })
	t.Run("IDi", func(t *testing.T) { testCount[*IDi](t, PayloadIDi) })
	t.Run("IDr", func(t *testing.T) { testCount[*IDr](t, PayloadIDr) })
	t.Run("CERT", func(t *testing.T) { testCount[*CERT](t, PayloadCERT) })
	t.Run("CERTREQ", func(t *testing.T) { testCount[*CERTREQ](t, PayloadCERTREQ) })
	t.Run("AUTH", func(t *testing.T) { testCount[*AUTH](t, PayloadAUTH) })
	t.Run("Nonce", func(t *testing.T) { testCount[*Nonce](t, PayloadNonce) })
	t.Run("VendorID", func(t *testing.T) { testCount[*VendorID](t, PayloadVendorID) })
	t.Run("TSi", func(t *testing.T) { testCount[*TSi](t, PayloadTSi) })
	t.Run("TSr", func(t *testing.T) { testCount[*TSr](t, PayloadTSr) })
}

func testCount[P Payload](t *testing.T, kind PayloadType) {
	for copies := range 3 {
		var want []Payload
		for _, p := range plainSamples() {
			n := 1
			if p.PayloadType() == kind {
				n = copies
			}
			for range n {
				want = append(want, p)
			}
		}
		first, b, err := MarshalPayloads(want)
		if err != nil {
			t.Fatal(err)
		}
		ps, err := ParsePayloads(first, b)
		if err != nil || !reflect.DeepEqual(ps, want) {
			t.Fatalf("%d copies: %v", copies, err)
		}
		p, err := One[P](ps)
		var e *Error
		switch {
		case copies == 1 && (err != nil || p.PayloadType() != kind):
			t.Errorf("one copy: %v", err)
		case copies != 1 && (!errors.As(err, &e) || e.Payload != kind):
			t.Errorf("%d copies: One says %v", copies, err)
		}
		if _, err := AtMostOne[P](ps); (err == nil) != (copies < 2) {
			t.Errorf("%d copies: AtMostOne says %v", copies, err)
		}
	}
}

func TestCriticalBit(t *testing.T) {
	for kind := range 256 {
		kind := PayloadType(kind)
		if kind == PayloadNone {
			continue
		}
		body := "no such payload"
		var next PayloadType
		for _, s := range samples {
			if s.payload.PayloadType() == kind {
				body, next = s.body, nextOf(s.payload)
			}
		}
		b := one(kind, next, body)
		b[HeaderLen+1] = 0x7f // reserved bits, to be ignored
		m, err := Parse(b)
		if err != nil || m.Payloads[0].IsCritical() {
			t.Errorf("%v, not critical: %v", kind, err)
		}
		b[HeaderLen+1] = 0x80
		m, err = Parse(b)
		if kind.Known() {
			if err != nil || !m.Payloads[0].IsCritical() {
				t.Errorf("%v, critical: %v", kind, err)
			}
			continue
		}
		var u *UnsupportedCriticalError
		if !errors.As(err, &u) || u.Payload != kind || u.Offset != HeaderLen {
			t.Errorf("%v, critical: %v", kind, err)
		}
	}
}

func TestReservedFieldsIgnored(t *testing.T) {
	for kind, body := range map[PayloadType]string{
		PayloadKE:    "\x00\x13\xff\xffdata",
		PayloadAUTH:  "\x02\xff\xff\xffmac",
		PayloadTSi:   "\x01\xff\xff\xff\x0a\x00\x00\x04",
		PayloadSA:    "\x00\xff\x00\x10\x01\x01\x00\x01\x00\xff\x00\x08\x01\xff\x00\x14",
		PayloadNonce: "sixteen bytes ..",
	} {
		b := one(kind, 0, body)
		b[19] |= 0xc7 // flags that have no meaning yet
		m, err := Parse(b)
		if err != nil {
			t.Errorf("%v: %v", kind, err)
			continue
		}
		if m.Flags != FlagInitiator {
			t.Errorf("%v: flags %#x", kind, m.Flags)
		}
		out, err := Marshal(m)
		if err != nil || len(out) != len(b) || strings.Contains(string(out), "\xff") || out[19] != uint8(FlagInitiator) {
			t.Errorf("%v: reserved fields were not zeroed: %x, %v", kind, out, err)
		}
	}
}

func TestPayloadCount(t *testing.T) {
	for n := MaxPayloads - 1; n <= MaxPayloads+1; n++ {
		ps := make([]Payload, n)
		for i := range ps {
			ps[i] = &VendorID{}
		}
		_, err := Marshal(&Message{Header: Header{Version: Version2}, Payloads: ps})
		if (err == nil) != (n <= MaxPayloads) {
			t.Errorf("marshal %d payloads: %v", n, err)
		}
		b := Header{Version: Version2, NextPayload: PayloadVendorID, Length: uint32(HeaderLen + 4*n)}.append(nil)
		for i := range n {
			next := uint8(PayloadVendorID)
			if i == n-1 {
				next = 0
			}
			b = append(b, next, 0, 0, 4)
		}
		if _, err := Parse(b); (err == nil) != (n <= MaxPayloads) {
			t.Errorf("parse %d payloads: %v", n, err)
		}
	}
}

package message

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// fuzzBody fuzzes the body of payload type kind, seeded with the samples of
// that type and with seeds.
func fuzzBody(f *testing.F, kind PayloadType, seeds ...string) {
	for _, s := range samples {
		if s.payload.PayloadType() == kind {
			f.Add(uint8(nextOf(s.payload)), []byte(s.body))
		}
	}
	for _, s := range seeds {
		f.Add(uint8(0), []byte(s))
	}
	f.Fuzz(func(t *testing.T, next uint8, body []byte) {
		if kind != PayloadSK && kind != PayloadSKF {
			next = 0 // a single payload, and so the last
		}
		if HeaderLen+GenericLen+len(body) > MaxLength {
			return
		}
		checkParse(t, one(kind, PayloadType(next), string(body)))
	})
}

// checkParse parses b, which may be anything. An error must be one of the two
// types, with an offset inside b; what parses must survive a round trip, and b
// must be unchanged.
func checkParse(t *testing.T, b []byte) {
	before := bytes.Clone(b)
	m, err := Parse(b)
	if !bytes.Equal(b, before) {
		t.Fatal("Parse changed its input")
	}
	if err != nil {
		checkError(t, err, len(b))
		return
	}
	checkAliases(t, reflect.ValueOf(m.Payloads), b)
	for _, p := range m.Payloads {
		logPayload(p)
	}
	if m.Version.Major() == 0 {
		return // cannot be sent
	}
	out, err := Marshal(m)
	if err != nil {
		t.Fatalf("marshal what was parsed: %v", err)
	}
	if len(out) != len(b) {
		t.Fatalf("marshalled %d bytes of %d", len(out), len(b))
	}
	again, err := Parse(out)
	if err != nil || !reflect.DeepEqual(again, m) {
		t.Fatalf("parsed %+v, %v, want %+v", again, err, m)
	}
	if out2, err := Marshal(again); err != nil || !bytes.Equal(out2, out) {
		t.Fatalf("second marshalling differs: %v", err)
	}
}

func checkError(t *testing.T, err error, n int) {
	t.Helper()
	var e *Error
	var u *UnsupportedCriticalError
	switch {
	case errors.As(err, &e):
		if e.Offset < 0 || e.Offset > n || e.Problem == "" {
			t.Fatalf("error %+v about %d bytes", e, n)
		}
	case errors.As(err, &u):
		if u.Payload.Known() || u.Offset < 0 || u.Offset > n-GenericLen {
			t.Fatalf("error %+v about %d bytes", u, n)
		}
	default:
		t.Fatalf("error of type %T", err)
	}
	if err.Error() == "" {
		t.Fatal("error without a text")
	}
}

// logPayload makes the texts and looks at the contents that a log at its most
// talkative may show of a message that is about to be rejected; none may panic.
func logPayload(p Payload) {
	_ = summary([]Payload{p})
	switch p := p.(type) {
	case *IDi:
		_, _ = p.Addr()
	case *AUTH:
		_, _, _ = SplitSignature(p.Data)
	case *Notify:
		_ = p.Protocol.String()
		_, _ = ParseChildSPI(p.SPI)
		_, _ = ParseHashAlgorithms(p.Data)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range samples {
		f.Add(one(s.payload.PayloadType(), nextOf(s.payload), s.body))
	}
	for _, b := range transcript(f) {
		f.Add(b)
	}
	f.Fuzz(checkParse)
}

func FuzzParsePayloads(f *testing.F) {
	first, b, err := MarshalPayloads(plainSamples())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(first), b)
	f.Add(uint8(PayloadNone), []byte{})
	f.Fuzz(func(t *testing.T, first uint8, b []byte) {
		ps, err := ParsePayloads(PayloadType(first), b)
		if err != nil {
			checkError(t, err, len(b))
			return
		}
		if len(b) > MaxLength {
			return
		}
		gotFirst, out, err := MarshalPayloads(ps)
		if err != nil || gotFirst != PayloadType(first) || len(out) != len(b) {
			t.Fatalf("marshalled %d bytes of %d, %v", len(out), len(b), err)
		}
	})
}

// FuzzOpenEncrypted opens with a cipher that lets everything pass, so that
// what the fuzzer writes is what stands inside.
func FuzzOpenEncrypted(f *testing.F) {
	_, b, err := MarshalPayloads([]Payload{&Nonce{Data: make([]byte, 16)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(PayloadNonce), append(append(make([]byte, 8), b...), make([]byte, 17)...))
	f.Add(uint8(PayloadNone), make([]byte, 25))
	f.Fuzz(func(t *testing.T, first uint8, body []byte) {
		if len(body) > MaxLength-HeaderLen-GenericLen {
			return
		}
		raw := one(PayloadSK, PayloadType(first), string(body))
		m, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		o := Overhead{IV: 8, ICV: 16}
		_, err = OpenEncrypted(raw, m.Payloads[0].(*Encrypted), o, func(aad, iv, text []byte) ([]byte, error) {
			if len(aad) != HeaderLen+GenericLen || len(iv) != o.IV || len(text) < o.ICV+1 {
				t.Fatalf("aad %d, iv %d, text %d bytes", len(aad), len(iv), len(text))
			}
			return text[:len(text)-o.ICV], nil
		})
		if err != nil && !errors.Is(err, ErrUnauthenticated) {
			checkError(t, err, len(body))
		}
		if short := len(body) < 25; errors.Is(err, ErrUnauthenticated) != short {
			t.Fatalf("body of %d bytes: %v", len(body), err)
		}
	})
}

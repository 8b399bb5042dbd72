package message

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func testGCM(t testing.TB) gcm { return newGCM(t, bytes.Repeat([]byte{7}, 36)) }

// counting returns a SealFunc whose IV counts up, as RFC 5282 section 3.1
// recommends, and which keeps the associated data.
func (g gcm) counting(aads *[][]byte) SealFunc {
	n := uint64(0)
	return func(aad, iv, plaintext []byte) ([]byte, error) {
		n++
		*aads = append(*aads, bytes.Clone(aad))
		return g.seal(binary.BigEndian.AppendUint64(nil, n))(aad, iv, plaintext)
	}
}

func TestSealRoundTrip(t *testing.T) {
	g := testGCM(t)
	rapid.Check(t, func(t *rapid.T) {
		h, inner := drawHeader(t), drawPayloads(t)
		var aads [][]byte
		raw, err := BuildEncrypted(h, inner, gcmOverhead, g.counting(&aads))
		if err != nil {
			t.Fatal(err)
		}
		if len(aads) != 1 || !bytes.Equal(aads[0], raw[:HeaderLen+GenericLen]) {
			t.Fatalf("associated data %x of message %x", aads, raw)
		}
		m, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		h.NextPayload, h.Length = PayloadSK, uint32(len(raw))
		if m.Header != h || len(m.Payloads) != 1 {
			t.Fatalf("got %+v, want %+v", m, h)
		}
		sk := m.Payloads[0].(*Encrypted)
		got, err := OpenEncrypted(raw, sk, gcmOverhead, g.open)
		if err != nil || !reflect.DeepEqual(got, inner) || sk.First != typeOfFirst(inner) {
			t.Fatalf("got %+v, %v, want %+v", got, err, inner)
		}
	})
}

func TestFragmentsRoundTrip(t *testing.T) {
	g := testGCM(t)
	rapid.Check(t, func(t *rapid.T) {
		h, inner := drawHeader(t), drawSome(t, 1, 8, drawPayload)
		limit := rapid.IntRange(62, 600).Draw(t, "limit")
		var aads [][]byte
		msgs, err := BuildFragments(h, inner, limit, gcmOverhead, g.counting(&aads))
		if err != nil {
			t.Fatal(err)
		}
		var body []byte
		var first PayloadType
		for i, raw := range msgs {
			m, err := Parse(raw)
			if err != nil || len(raw) > limit || m.MessageID != h.MessageID {
				t.Fatalf("message %d of %d bytes: %v", i, len(raw), err)
			}
			if len(msgs) == 1 {
				got, err := OpenEncrypted(raw, m.Payloads[0].(*Encrypted), gcmOverhead, g.open)
				if err != nil || !reflect.DeepEqual(got, inner) {
					t.Fatalf("got %+v, %v, want %+v", got, err, inner)
				}
				return
			}
			f := m.Payloads[0].(*EncryptedFragment)
			if int(f.Number) != i+1 || int(f.Total) != len(msgs) || !bytes.Equal(aads[i], raw[:HeaderLen+GenericLen+4]) {
				t.Fatalf("fragment %+v at %d, associated data %x", f, i, aads[i])
			}
			part, err := OpenFragment(raw, f, gcmOverhead, g.open)
			if err != nil {
				t.Fatal(err)
			}
			if i < len(msgs)-1 && len(raw) != limit {
				t.Fatalf("fragment %d is not full: %d of %d bytes", i, len(raw), limit)
			}
			first = max(first, f.First)
			body = append(body, part...)
		}
		got, err := ParsePayloads(first, body)
		if err != nil || !reflect.DeepEqual(got, inner) {
			t.Fatalf("got %+v, %v, want %+v", got, err, inner)
		}
	})
}

// TestFragmentBoundary finds the limit at which one message is just enough.
func TestFragmentBoundary(t *testing.T) {
	g := testGCM(t)
	inner := []Payload{&VendorID{Data: make([]byte, 500)}}
	var aads [][]byte
	whole, err := BuildEncrypted(Header{Version: Version2}, inner, gcmOverhead, g.counting(&aads))
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int]int{len(whole): 1, len(whole) - 1: 2, 61 + 504: 1, 61 + 252: 2, 61 + 251: 3, 62: 504} {
		msgs, err := BuildFragments(Header{Version: Version2}, inner, limit, gcmOverhead, g.counting(&aads))
		if err != nil || len(msgs) != want {
			t.Errorf("limit %d: %d messages, %v, want %d", limit, len(msgs), err, want)
		}
	}
	for _, limit := range []int{61, 1, 0, -1} {
		if msgs, err := BuildFragments(Header{Version: Version2}, inner, limit, gcmOverhead, g.counting(&aads)); err == nil {
			t.Errorf("limit %d: %d messages", limit, len(msgs))
		}
	}
}

func TestSealFailures(t *testing.T) {
	broken := errors.New("no randomness")
	unreached := func(_, _, _ []byte) ([]byte, error) {
		t.Error("sealed what cannot be sent")
		return nil, broken
	}
	h := Header{Version: Version2}
	for name, c := range map[string]struct {
		h     Header
		inner []Payload
		seal  SealFunc
	}{
		"sealed short": {h, nil, func(_, _, text []byte) ([]byte, error) { return text, nil }},
		"bad payload":  {h, []Payload{&Nonce{}}, unreached},
		"no version":   {Header{}, nil, unreached},
		"SK inside":    {h, []Payload{&Encrypted{}}, unreached},
		"too long":     {h, []Payload{&VendorID{Data: make([]byte, 40000)}, &VendorID{Data: make([]byte, 40000)}}, unreached},
	} {
		var e *Error
		if msg, err := BuildEncrypted(c.h, c.inner, gcmOverhead, c.seal); !errors.As(err, &e) || msg != nil {
			t.Errorf("%s: %d bytes, %v", name, len(msg), err)
		}
		if msgs, err := BuildFragments(c.h, c.inner, MaxLength, gcmOverhead, c.seal); !errors.As(err, &e) || msgs != nil {
			t.Errorf("%s, fragments: %d messages, %v", name, len(msgs), err)
		}
	}
	fails := func(_, _, _ []byte) ([]byte, error) { return nil, broken }
	if msg, err := BuildEncrypted(h, nil, gcmOverhead, fails); !errors.Is(err, broken) || msg != nil {
		t.Errorf("seal fails: %d bytes, %v", len(msg), err)
	}
	// What fits a message of its own may be too long for it once sealed.
	inner := []Payload{&VendorID{Data: make([]byte, 65480)}}
	if msg, err := BuildEncrypted(h, inner, gcmOverhead, unreached); err == nil {
		t.Errorf("sealed to %d bytes", len(msg))
	}
}

// TestSealElsewhere: a cipher that does not work in place gives the same message.
func TestSealElsewhere(t *testing.T) {
	g := testGCM(t)
	inner := []Payload{&VendorID{Data: []byte("vendor")}}
	iv := []byte("12345678")
	a, err := BuildEncrypted(Header{Version: Version2}, inner, gcmOverhead, g.seal(iv))
	if err != nil {
		t.Fatal(err)
	}
	b, err := BuildEncrypted(Header{Version: Version2}, inner, gcmOverhead, func(aad, to, text []byte) ([]byte, error) {
		out, err := g.seal(iv)(aad, to, bytes.Clone(text))
		return bytes.Clone(out), err
	})
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("%x\n%x, %v", a, b, err)
	}
}

// padded is a message whose plaintext is text, whatever it is.
func padded(t *testing.T, g gcm, first PayloadType, text []byte) ([]byte, *Encrypted) {
	t.Helper()
	body := make([]byte, 8+len(text)+16)
	raw := one(PayloadSK, first, string(body))
	iv := []byte("12345678")
	at := HeaderLen + GenericLen
	copy(raw[at:], iv)
	sealed := g.Seal(nil, append(bytes.Clone(g.salt), iv...), text, raw[:at])
	copy(raw[at+8:], sealed)
	m, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return raw, m.Payloads[0].(*Encrypted)
}

// TestPadding: a peer may pad as it likes, but not with more than there is.
func TestPadding(t *testing.T) {
	g := testGCM(t)
	const vendor = "\x00\x00\x00\x0avendor"
	for n := range 256 {
		text := append([]byte(vendor), bytes.Repeat([]byte{0xaa}, n)...)
		raw, sk := padded(t, g, PayloadVendorID, append(text, uint8(n)))
		ps, err := OpenEncrypted(raw, sk, gcmOverhead, g.open)
		if err != nil || len(ps) != 1 || string(ps[0].(*VendorID).Data) != "vendor" {
			t.Errorf("%d bytes of padding: %v, %v", n, ps, err)
		}
		raw, sk = padded(t, g, PayloadNone, append(bytes.Repeat([]byte{0xaa}, n), uint8(n)))
		if ps, err := OpenEncrypted(raw, sk, gcmOverhead, g.open); err != nil || ps != nil {
			t.Errorf("only %d bytes of padding: %v, %v", n, ps, err)
		}
		if n == 255 {
			continue
		}
		raw, sk = padded(t, g, PayloadNone, append(bytes.Repeat([]byte{0xaa}, n), uint8(n+1)))
		var e *Error
		if _, err := OpenEncrypted(raw, sk, gcmOverhead, g.open); !errors.As(err, &e) || errors.Is(err, ErrUnauthenticated) || e.Offset != n {
			t.Errorf("pad length %d with %d bytes: %v", n+1, n, err)
		}
	}
}

// TestOpenFailures: what is wrong inside was authenticated, what is wrong
// around it was not.
func TestOpenFailures(t *testing.T) {
	g := testGCM(t)
	raw, sk := padded(t, g, 200, []byte("\x00\x80\x00\x04\x00"))
	var u *UnsupportedCriticalError
	if _, err := OpenEncrypted(raw, sk, gcmOverhead, g.open); !errors.As(err, &u) || u.Payload != 200 || errors.Is(err, ErrUnauthenticated) {
		t.Errorf("critical payload inside: %v", err)
	}
	raw, sk = padded(t, g, PayloadNonce, []byte("\x00\x00\x00\x04\x00"))
	var e *Error
	if _, err := OpenEncrypted(raw, sk, gcmOverhead, g.open); !errors.As(err, &e) || errors.Is(err, ErrUnauthenticated) {
		t.Errorf("bad nonce inside: %v", err)
	}
	if _, err := OpenEncrypted(bytes.Clone(raw), sk, gcmOverhead, g.open); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("payload of another message: %v", err)
	}
	for n := range 25 {
		raw := one(PayloadSK, 0, string(make([]byte, n)))
		m, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		_, err = OpenEncrypted(raw, m.Payloads[0].(*Encrypted), gcmOverhead, func(_, _, _ []byte) ([]byte, error) {
			t.Errorf("the cipher was asked about %d bytes", n)
			return nil, nil
		})
		if !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	raw, sk = padded(t, g, PayloadNone, []byte{0})
	if _, err := OpenEncrypted(raw, sk, gcmOverhead, func(_, _, _ []byte) ([]byte, error) { return nil, nil }); !errors.As(err, &e) {
		t.Errorf("empty plaintext: %v", err)
	}
}

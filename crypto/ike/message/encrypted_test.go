package message

import "testing"

func FuzzSK(f *testing.F)  { fuzzBody(f, PayloadSK, "") }
func FuzzSKF(f *testing.F) { fuzzBody(f, PayloadSKF, "\x00\x02\x00\x02body", "\x00\x00\x00\x00") }

func TestFragmentNumbers(t *testing.T) {
	for _, c := range []struct {
		first         PayloadType
		number, total uint16
		ok            bool
	}{
		{PayloadIDi, 1, 1, true},
		{PayloadIDi, 1, 65535, true},
		{PayloadNone, 1, 2, true},
		{PayloadNone, 65535, 65535, true},
		{PayloadIDi, 0, 1, false},
		{PayloadIDi, 0, 0, false},
		{PayloadIDi, 1, 0, false},
		{PayloadIDi, 2, 3, false},
		{PayloadNone, 3, 2, false},
	} {
		p := &EncryptedFragment{First: c.first, Number: c.number, Total: c.total, Body: []byte{1}}
		_, err := Parse(one(PayloadSKF, c.first, string([]byte{
			uint8(c.number >> 8), uint8(c.number), uint8(c.total >> 8), uint8(c.total), 1})))
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
		if _, err := Marshal(&Message{Header: Header{Version: Version2}, Payloads: []Payload{p}}); (err == nil) != c.ok {
			t.Errorf("marshal %+v: %v", c, err)
		}
	}
}

// TestEncryptedPlace: an encrypted payload is the last, and there is no other
// inside it.
func TestEncryptedPlace(t *testing.T) {
	for _, kind := range []PayloadType{PayloadSK, PayloadSKF} {
		b := one(kind, PayloadNonce, "\x00\x01\x00\x01 and so on")
		b = append(b, "\x00\x00\x00\x14sixteen bytes .."...)
		b[27] += 20
		if m, err := Parse(b); err == nil {
			t.Errorf("%v with a nonce behind it: %+v", kind, m)
		}
		if ps, err := ParsePayloads(kind, []byte("\x00\x00\x00\x09\x00\x01\x00\x01x")); err == nil {
			t.Errorf("%v inside: %+v", kind, ps)
		}
	}
	sk := &Encrypted{Body: []byte{1}}
	if _, err := Marshal(&Message{Header: Header{Version: Version2}, Payloads: []Payload{sk, &VendorID{}}}); err == nil {
		t.Error("SK was written before another payload")
	}
	if _, _, err := MarshalPayloads([]Payload{sk}); err == nil {
		t.Error("SK was written inside")
	}
}

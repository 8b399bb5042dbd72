package message

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestSamplesBothWays(t *testing.T) {
	for _, s := range samples {
		kind := s.payload.PayloadType()
		want := one(kind, nextOf(s.payload), s.body)
		m, err := Parse(want)
		if err != nil {
			t.Errorf("%v: %v", kind, err)
			continue
		}
		if !reflect.DeepEqual(m.Payloads, []Payload{s.payload}) {
			t.Errorf("%v: parsed %+v, want %+v", kind, m.Payloads[0], s.payload)
		}
		m.NextPayload, m.Length = 0, 0 // must not matter
		got, err := Marshal(m)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: marshalled\n%x, %v, want\n%x", kind, got, err, want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawMessage(t)
		b, err := Marshal(want)
		if err != nil {
			t.Fatalf("marshal %+v: %v", want, err)
		}
		got, err := Parse(b)
		if err != nil {
			t.Fatalf("parse what was marshalled: %v", err)
		}
		want.NextPayload, want.Length = typeOfFirst(want.Payloads), uint32(len(b))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		again, err := Marshal(got)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("second marshalling differs: %v", err)
		}
		checkAliases(t, reflect.ValueOf(got.Payloads), b)
	})
}

func TestRoundTripInner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawPayloads(t)
		first, b, err := MarshalPayloads(want)
		if err != nil {
			t.Fatalf("marshal %+v: %v", want, err)
		}
		got, err := ParsePayloads(first, b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

// checkAliases walks v and demands that every byte slice lies in buf, cut to
// its length, and that no slice is empty but not nil.
func checkAliases(t interface {
	Fatalf(string, ...any)
}, v reflect.Value, buf []byte) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		checkAliases(t, v.Elem(), buf)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[netip.Addr]() {
			return
		}
		for i := range v.NumField() {
			checkAliases(t, v.Field(i), buf)
		}
	case reflect.Slice:
		if v.Type() != reflect.TypeFor[[]byte]() {
			for i := range v.Len() {
				checkAliases(t, v.Index(i), buf)
			}
			return
		}
		b := v.Bytes()
		if b == nil {
			return
		}
		if len(b) == 0 || cap(b) != len(b) {
			t.Fatalf("slice of %d bytes with capacity %d", len(b), cap(b))
		}
		for i := range buf {
			if &buf[i] == &b[0] {
				return
			}
		}
		t.Fatalf("slice %x was copied", b)
	}
}

// TestEvery16BitValue sends every number through the fields that hold numbers
// of the registries: none may be confused with an internal one or lost.
func TestEvery16BitValue(t *testing.T) {
	for v := range 1 << 16 {
		n := uint16(v)
		want := []Payload{
			&SA{Proposals: []Proposal{{Number: 1, Protocol: ProtocolIKE, Transforms: []Transform{
				{Type: TransformType(v), ID: TransformID(n), KeyLength: n},
				{Type: TransformKE, ID: TransformID(n), Attributes: []Attribute{{Type: n & 0x7fff, Value: []byte{1, 2}}}},
			}}}},
			&KE{Group: TransformID(n), Data: []byte{1}},
			&Notify{Type: NotifyType(n)},
			&TSi{TrafficSelectors{Selectors: []TrafficSelector{
				{Type: TSIPv4AddrRange, StartPort: n, EndPort: 65535, First: netip.AddrFrom4([4]byte{}), Last: netip.AddrFrom4([4]byte{})},
				{Type: TSIPv4AddrRange, StartPort: 0, EndPort: n, First: netip.AddrFrom4([4]byte{}), Last: netip.AddrFrom4([4]byte{})},
			}}},
		}
		first, b, err := MarshalPayloads(want)
		if err != nil {
			t.Fatalf("%d: %v", v, err)
		}
		got, err := ParsePayloads(first, b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%d: got %+v, %v", v, got, err)
		}
		if hs, err := ParseHashAlgorithms(MarshalHashAlgorithms(HashAlgorithm(n))); err != nil || len(hs) != 1 || hs[0] != HashAlgorithm(n) {
			t.Fatalf("hash %d: got %v, %v", v, hs, err)
		}
	}
}

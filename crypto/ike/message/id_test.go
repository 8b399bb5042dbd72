package message

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
)

func FuzzIDi(f *testing.F) { fuzzBody(f, PayloadIDi, "\x0b\x00\x00\x00\x00", "\x05\x01\x02\x03") }
func FuzzIDr(f *testing.F) { fuzzBody(f, PayloadIDr, "\x0b\x00\x00\x00\x00", "\x05\x01\x02\x03") }

// TestIdentityLengths runs through every length that the payload can have: the
// overlong identity that overran a stack elsewhere is data here.
func TestIdentityLengths(t *testing.T) {
	const room = MaxLength - HeaderLen - GenericLen - 4
	body := "\x0b\x00\x00\x00" + string(make([]byte, room))
	for n := 0; n <= room; n += 1 + n/64 {
		m, err := Parse(one(PayloadIDi, 0, body[:4+n]))
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if got := len(m.Payloads[0].(*IDi).Data); got != n {
			t.Fatalf("%d bytes: got %d", n, got)
		}
	}
}

func TestIdentityAddresses(t *testing.T) {
	for n := range 20 {
		for kind, want := range map[IDType]int{IDIPv4Addr: 4, IDIPv6Addr: 16} {
			id := Identification{Type: kind, Data: bytes.Repeat([]byte{1}, n)}
			if _, ok := id.Addr(); ok != (n == want) {
				t.Errorf("%v with %d bytes: address %v", kind, n, ok)
			}
			_, err := Parse(one(PayloadIDr, 0, string(id.Body())))
			var e *Error
			if n == want && err != nil || n != want && (!errors.As(err, &e) || e.Offset != HeaderLen+GenericLen+4) {
				t.Errorf("%v with %d bytes: %v", kind, n, err)
			}
			if n != want {
				checkUnsendable(t, kind.String(), &IDr{id})
			}
		}
	}
	id := Identification{Type: IDIPv4Addr, Data: []byte{192, 0, 2, 1}}
	if a, ok := id.Addr(); !ok || a != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("address %v, %v", a, ok)
	}
	if _, ok := (&Identification{Type: IDKeyID, Data: []byte{192, 0, 2, 1}}).Addr(); ok {
		t.Error("a key id is no address")
	}
}

// TestIdentityBodyKeepsReserved: AUTH covers the reserved octets as they came.
func TestIdentityBodyKeepsReserved(t *testing.T) {
	const body = "\x02\x01\x02\x03gw"
	m, err := Parse(one(PayloadIDi, 0, body))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Payloads[0].(*IDi).Body(); string(got) != body {
		t.Errorf("got %x, want %x", got, body)
	}
}

package message

import (
	"encoding/binary"
	"errors"
	"testing"
)

func TestHeader(t *testing.T) {
	const wire = "\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x15\x16\x17\x18\x2e\x20\x23\x28\x00\x00\x00\x07\x00\x00\x01\x00"
	h, err := ParseHeader([]byte(wire + "and more"))
	want := Header{InitiatorSPI: 0x0102030405060708, ResponderSPI: 0x1112131415161718, NextPayload: PayloadSK,
		Version: Version2, Exchange: ExchangeIKEAuth, Flags: FlagInitiator | FlagResponse, MessageID: 7, Length: 256}
	if err != nil || h != want {
		t.Errorf("got %+v, %v, want %+v", h, err, want)
	}
	if got := string(h.append(nil)); got != wire {
		t.Errorf("appended %x", got)
	}
	if h.Version.Major() != 2 || h.Version.Minor() != 0 || !h.Flags.Response() || !h.Flags.Initiator() {
		t.Errorf("version %d.%d, flags %#x", h.Version.Major(), h.Version.Minor(), h.Flags)
	}
	if s := h.InitiatorSPI.String(); s != "0102030405060708" {
		t.Errorf("SPI %s", s)
	}
	h.Flags = 0xff
	if got := h.append(nil)[19]; got != 0x38 {
		t.Errorf("flags %#x were sent", got)
	}
	for n := range HeaderLen {
		var e *Error
		if _, err := ParseHeader([]byte(wire[:n])); !errors.As(err, &e) || e.Payload != PayloadNone || e.Offset != n {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestHeaderAllocations(t *testing.T) {
	b := one(PayloadNonce, 0, "sixteen bytes ..")
	if n := testing.AllocsPerRun(100, func() {
		if h, err := ParseHeader(b); err != nil || h.MessageID != 0 {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestHeaderLength(t *testing.T) {
	b := one(PayloadNonce, 0, "sixteen bytes ..")
	for _, n := range []byte{0, 27, 47, 49, 255} {
		b[27] = n
		var e *Error
		if _, err := Parse(b); !errors.As(err, &e) || e.Offset != 24 {
			t.Errorf("length %d in a message of %d bytes: %v", n, len(b), err)
		}
	}
	if _, err := Marshal(&Message{}); err == nil {
		t.Error("version 0 was sent")
	}
	b[27] = 49
	var e *Error
	if _, err := Parse(append(b, 0)); !errors.As(err, &e) || e.Payload != PayloadNone || e.Offset != 48 {
		t.Errorf("a byte behind the last payload: %v", err)
	}
	b = one(PayloadVendorID, 0, string(make([]byte, 65000)))
	b = append(b, make([]byte, 1000)...)
	binary.BigEndian.PutUint32(b[24:], uint32(len(b)))
	if _, err := Parse(b); !errors.As(err, &e) || e.Offset != 24 {
		t.Errorf("%d bytes: %v", len(b), err)
	}
	big := one(PayloadVendorID, 0, string(make([]byte, MaxLength-HeaderLen-GenericLen)))
	if _, err := Parse(big); err != nil {
		t.Errorf("as long as the bound: %v", err)
	}
	_, err := Marshal(&Message{Header: Header{Version: Version2}, Payloads: []Payload{&VendorID{Data: make([]byte, MaxLength-HeaderLen-GenericLen+1)}}})
	if !errors.As(err, &e) {
		t.Errorf("one byte longer than the bound: %v", err)
	}
	checkUnsendable(t, "payload of 65536", &VendorID{Data: make([]byte, 65536-GenericLen)})
}

package message

import (
	"encoding/binary"
	"fmt"
)

// Message is an IKE message as it stands on the wire, without the non-ESP
// marker of RFC 3948. If it is protected, its last payload is an *Encrypted or
// *EncryptedFragment.
type Message struct {
	Header
	Payloads []Payload
}

// Parse reads a whole message. b must be exactly the message: Header.Length
// different from len(b) is an error. The result aliases b (see the package
// comment).
//
// The version, the exchange type and the SPIs are not judged. Errors are
// *Error or *UnsupportedCriticalError.
func Parse(b []byte) (*Message, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return nil, err
	}
	if uint64(h.Length) != uint64(len(b)) {
		return nil, &Error{Offset: 24, Problem: fmt.Sprintf("header says %d bytes, message has %d", h.Length, len(b))}
	}
	if len(b) > MaxLength {
		return nil, &Error{Offset: 24, Problem: fmt.Sprintf("%d bytes are more than the limit of %d", len(b), MaxLength)}
	}
	c := chain{buf: b, off: HeaderLen}
	ps, err := c.parse(h.NextPayload)
	if err != nil {
		return nil, err
	}
	return &Message{Header: h, Payloads: ps}, nil
}

// ParsePayloads reads the chain of payloads that stood in an Encrypted
// payload: first is the type of the first (PayloadNone with an empty body is an
// empty list), body what was decrypted, without padding. The result aliases
// body, and offsets in errors count from its start. An Encrypted payload inside
// another is an error.
func ParsePayloads(first PayloadType, body []byte) ([]Payload, error) {
	c := chain{buf: body, inner: true}
	return c.parse(first)
}

// Marshal writes m into a new buffer. Header.NextPayload and Header.Length
// are computed, not read. It fails with an *Error for what no message can hold.
func Marshal(m *Message) ([]byte, error) {
	if err := m.Header.check(); err != nil {
		return nil, err
	}
	h := m.Header
	h.NextPayload = typeOfFirst(m.Payloads)
	b := h.append(make([]byte, 0, 512))
	b, err := appendChain(b, m.Payloads, false)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(b[24:], uint32(len(b)))
	return b, nil
}

// MarshalPayloads writes the chain of payloads that goes into an Encrypted
// payload, without padding, and tells the type of the first. It fails with an
// *Error for what no message can hold.
func MarshalPayloads(ps []Payload) (first PayloadType, body []byte, err error) {
	body, err = appendChain(nil, ps, true)
	if err != nil {
		return PayloadNone, nil, err
	}
	return typeOfFirst(ps), body, nil
}

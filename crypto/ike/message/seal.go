package message

import (
	"encoding/binary"
	"fmt"
)

// Overhead is what an AEAD adds to a plaintext, in bytes: the explicit IV
// before it and the ICV behind (8 and 16 for the suites of RFC 5282 and
// RFC 7634).
type Overhead struct{ IV, ICV int }

// SealFunc encrypts one Encrypted payload. It fills iv, whose bytes are zero,
// and returns the ciphertext with the ICV behind it, len(plaintext)+Overhead.ICV
// bytes. plaintext has room for that behind its length, so that
//
//	return aead.Seal(plaintext[:0], nonce, plaintext, aad), nil
//
// works in place; a result elsewhere is copied. The slices are valid during
// the call only.
type SealFunc func(aad, iv, plaintext []byte) (ciphertext []byte, err error)

// BuildEncrypted makes a message whose only payload is an Encrypted payload
// that holds inner, in one new buffer. seal is called once. The associated data
// is everything from the IKE header to the end of the payload's generic header
// (RFC 5282 section 5.1); the plaintext is the payloads and a zero pad length
// (RFC 5282 section 3).
//
// h.NextPayload and h.Length are ignored. Errors are *Error for what no message
// can hold, or what seal returned, wrapped.
func BuildEncrypted(h Header, inner []Payload, o Overhead, seal SealFunc) ([]byte, error) {
	first, plaintext, err := MarshalPayloads(inner)
	if err != nil {
		return nil, err
	}
	return buildSealed(h, &Encrypted{First: first}, plaintext, o, seal)
}

// BuildFragments is BuildEncrypted for a message that may be too long for one
// datagram: every message it makes is at most limit bytes long. If one is
// enough, it holds an Encrypted payload, otherwise each holds an Encrypted
// Fragment payload (RFC 7383 section 2.5), all with the same header. seal is
// called once for each, and its associated data then ends behind the fragment
// numbers.
func BuildFragments(h Header, inner []Payload, limit int, o Overhead, seal SealFunc) ([][]byte, error) {
	first, plaintext, err := MarshalPayloads(inner)
	if err != nil {
		return nil, err
	}
	if sealedLen(&Encrypted{}, len(plaintext), o) <= limit {
		msg, err := buildSealed(h, &Encrypted{First: first}, plaintext, o, seal)
		if err != nil {
			return nil, err
		}
		return [][]byte{msg}, nil
	}
	room := limit - sealedLen(&EncryptedFragment{}, 0, o)
	if room <= 0 {
		return nil, &Error{Payload: PayloadSKF, Offset: -1, Problem: fmt.Sprintf("no fragment fits %d bytes", limit)}
	}
	total := (len(plaintext) + room - 1) / room
	if total > 65535 {
		return nil, &Error{Payload: PayloadSKF, Offset: -1, Problem: fmt.Sprintf("%d fragments of %d bytes are too many", total, limit)}
	}
	msgs := make([][]byte, 0, total)
	for i := range total {
		f := &EncryptedFragment{Number: uint16(i + 1), Total: uint16(total)}
		if i == 0 {
			f.First = first
		}
		part := plaintext[i*room : min((i+1)*room, len(plaintext))]
		msg, err := buildSealed(h, f, part, o, seal)
		if err != nil {
			return nil, err
		}
		msgs = append(msgs, msg)
	}
	return msgs, nil
}

// prefixLen is the length of the associated data: all that precedes the IV.
func prefixLen(p Payload) int {
	n := HeaderLen + GenericLen
	if p.PayloadType() == PayloadSKF {
		n += 4
	}
	return n
}

// sealedLen is the length of a message with n bytes of payloads in p.
func sealedLen(p Payload, n int, o Overhead) int {
	return prefixLen(p) + o.IV + n + 1 + o.ICV
}

// buildSealed makes the message: header, p (whose Body is empty yet) and the
// sealed plaintext.
func buildSealed(h Header, p Payload, plaintext []byte, o Overhead, seal SealFunc) ([]byte, error) {
	size := sealedLen(p, len(plaintext), o)
	if size > MaxLength {
		return nil, &Error{Payload: p.PayloadType(), Offset: -1, Problem: fmt.Sprintf("message of %d bytes is longer than %d", size, MaxLength)}
	}
	prefix, err := Marshal(&Message{Header: h, Payloads: []Payload{p}})
	if err != nil {
		return nil, err
	}
	msg := make([]byte, size)
	aad := len(prefix)
	copy(msg, prefix)
	binary.BigEndian.PutUint32(msg[24:], uint32(size))
	binary.BigEndian.PutUint16(msg[HeaderLen+2:], uint16(size-HeaderLen))
	text := aad + o.IV
	copy(msg[text:], plaintext) // the pad length behind it stays zero

	sealed, err := seal(msg[:aad:aad], msg[aad:text:text], msg[text:text+len(plaintext)+1])
	if err != nil {
		return nil, fmt.Errorf("seal %v payload: %w", p.PayloadType(), err)
	}
	if len(sealed) != size-text {
		return nil, &Error{Payload: p.PayloadType(), Offset: text, Problem: fmt.Sprintf("sealed to %d bytes instead of %d", len(sealed), size-text)}
	}
	copy(msg[text:], sealed)
	return msg, nil
}

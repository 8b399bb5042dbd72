package message

import "fmt"

// OpenFunc decrypts one Encrypted payload: ciphertext has the ICV at its end.
// It may work in place (aead.Open(ciphertext[:0], …)), which destroys the
// received message. The slices alias that message.
type OpenFunc func(aad, iv, ciphertext []byte) (plaintext []byte, err error)

// OpenEncrypted authenticates and decrypts sk and parses the payloads inside.
// raw is the whole message that sk was parsed from, unchanged. The result
// aliases what open returned, and offsets in errors count from its start.
//
// An error that wraps ErrUnauthenticated (and what open returned) says that
// nothing of the message can be believed. *Error and *UnsupportedCriticalError
// come from an authenticated peer and may be answered.
func OpenEncrypted(raw []byte, sk *Encrypted, o Overhead, open OpenFunc) ([]Payload, error) {
	body, err := OpenBody(raw, sk, o, open)
	if err != nil {
		return nil, err
	}
	return ParsePayloads(sk.First, body)
}

// OpenBody is OpenEncrypted without the parsing: it returns the inner payloads as
// bytes, for ParsePayloads with sk.First. IKE_INTERMEDIATE authenticates them so
// (RFC 9242 section 3.3.2).
func OpenBody(raw []byte, sk *Encrypted, o Overhead, open OpenFunc) ([]byte, error) {
	return openSealed(raw, PayloadSK, sk.Body, o, open)
}

// OpenFragment authenticates and decrypts one fragment and returns its part of
// the inner payloads, which aliases what open returned. When all are there, the
// parts in order of Number are one body for ParsePayloads, with the First of
// fragment 1. Errors are those of OpenEncrypted.
func OpenFragment(raw []byte, skf *EncryptedFragment, o Overhead, open OpenFunc) ([]byte, error) {
	return openSealed(raw, PayloadSKF, skf.Body, o, open)
}

// openSealed opens body, the end of raw, and removes the padding.
func openSealed(raw []byte, t PayloadType, body []byte, o Overhead, open OpenFunc) ([]byte, error) {
	if len(body) < o.IV+1+o.ICV {
		return nil, fmt.Errorf("%w: %v payload holds %d bytes, at least %d are needed", ErrUnauthenticated, t, len(body), o.IV+1+o.ICV)
	}
	aad := len(raw) - len(body)
	if aad < HeaderLen+GenericLen || &raw[aad] != &body[0] {
		return nil, fmt.Errorf("%w: the %v payload was not parsed from this message", ErrUnauthenticated, t)
	}
	text, err := open(raw[:aad:aad], body[:o.IV:o.IV], body[o.IV:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	}
	if len(text) == 0 {
		return nil, &Error{Payload: t, Problem: "no pad length in the plaintext"}
	}
	end := len(text) - 1
	pad := int(text[end])
	if pad > end {
		return nil, &Error{Payload: t, Offset: end, Problem: fmt.Sprintf("pad length %d, but only %d bytes stand before it", pad, end)}
	}
	return text[: end-pad : end-pad], nil
}

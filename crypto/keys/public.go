package keys

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
)

const spkiBlock = "PUBLIC KEY" // RFC 7468 §13

// PublicKey is an Ed25519 or ECDSA public key. It is comparable. The zero PublicKey is
// no key.
type PublicKey struct {
	spki string // DER of the SubjectPublicKeyInfo (RFC 5280 §4.1.2.7)
}

// ParsePublic reads a public key as one line of standard base64, as `vpngw pubkey`
// prints it: of the 32 bytes of an Ed25519 key (RFC 8032 §5.1.5), or of the
// SubjectPublicKeyInfo of any. It also reads SPKI PEM, as `vpngw pubkey --pem` and
// `openssl pkey -pubout` write it. White space around it is ignored. The error is a
// *FormatError.
//
// Ed25519 keys of small order, the all-zero one among them, are refused: anybody could
// sign for them.
func ParsePublic(s string) (PublicKey, error) {
	s = strings.TrimSpace(s)
	k, err := decodePublic(s)
	if err != nil {
		return PublicKey{}, err
	}
	if raw, ok := k.Key().(ed25519.PublicKey); ok && smallOrder([ed25519.PublicKeySize]byte(raw)) {
		return PublicKey{}, &FormatError{Want: wantPublic, Found: "a key of small order, for which anybody could sign"}
	}
	return k, nil
}

func decodePublic(s string) (PublicKey, error) {
	if block, rest := pem.Decode([]byte(s)); block != nil && block.Type == spkiBlock {
		if next, _ := pem.Decode(rest); next != nil {
			return PublicKey{}, &FormatError{Want: wantPublic, Found: "more than one PEM block"}
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return PublicKey{}, &FormatError{Want: wantPublic, Found: "a PEM public key that cannot be decoded", Err: err}
		}
		return checkKind(parsed)
	}
	// The decoder would skip line ends inside.
	if b, err := base64.StdEncoding.Strict().DecodeString(s); err == nil && !strings.ContainsAny(s, "\r\n") {
		if len(b) == ed25519.PublicKeySize {
			return publicOf(ed25519.PublicKey(b)), nil
		}
		if parsed, err := x509.ParsePKIXPublicKey(b); err == nil {
			return checkKind(parsed)
		}
	}
	return PublicKey{}, &FormatError{Want: wantPublic, Found: identify([]byte(s))}
}

func checkKind(key crypto.PublicKey) (PublicKey, error) {
	if kindOf(key) == 0 {
		return PublicKey{}, &FormatError{Want: wantPublic, Found: describePublic(key)}
	}
	return publicOf(key), nil
}

// publicOf makes a PublicKey of a key of one of the kinds.
func publicOf(key crypto.PublicKey) PublicKey {
	der, _ := x509.MarshalPKIXPublicKey(key) // fails for unknown kinds of keys only
	return PublicKey{string(der)}
}

// IsZero reports whether k is no key.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// Key returns the key as the standard library's type, an ed25519.PublicKey or
// *ecdsa.PublicKey, for verifying; nil for no key.
func (k PublicKey) Key() crypto.PublicKey {
	if k.IsZero() {
		return nil
	}
	key, _ := x509.ParsePKIXPublicKey([]byte(k.spki)) // was made by MarshalPKIXPublicKey
	return key
}

// Kind returns the key's kind.
func (k PublicKey) Kind() Kind { return kindOf(k.Key()) }

// String returns the key as ParsePublic takes it, in one line of base64: an Ed25519
// key's 32 bytes, else the SubjectPublicKeyInfo.
func (k PublicKey) String() string {
	if raw, ok := k.Key().(ed25519.PublicKey); ok {
		return base64.StdEncoding.EncodeToString(raw)
	}
	return base64.StdEncoding.EncodeToString([]byte(k.spki))
}

// MarshalText implements encoding.TextMarshaler with String's form.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParsePublic.
func (k *PublicKey) UnmarshalText(text []byte) error {
	parsed, err := ParsePublic(string(text))
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	*k = parsed
	return nil
}

// MarshalPEM returns the key as SPKI PEM (RFC 7468 §13).
func (k PublicKey) MarshalPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: spkiBlock, Bytes: []byte(k.spki)})
}

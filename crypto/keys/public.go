package keys

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
)

const spkiBlock = "PUBLIC KEY" // RFC 7468 §13

// PublicKey is an Ed25519 public key (RFC 8032 §5.1.5). The zero PublicKey is no
// key and is refused by ParsePublic.
type PublicKey [ed25519.PublicKeySize]byte

// ParsePublic reads a public key as one line of standard base64, as `vpngw
// pubkey` prints it, or as SPKI PEM, as `vpngw pubkey --pem` and `openssl pkey
// -pubout` do. White space around it is ignored. The error is a *FormatError.
//
// Keys of small order, the all-zero one among them, are refused: anybody could
// sign for them.
func ParsePublic(s string) (PublicKey, error) {
	s = strings.TrimSpace(s)
	k, err := decodePublic(s)
	if err != nil {
		return PublicKey{}, err
	}
	if smallOrder(k) {
		return PublicKey{}, &FormatError{Want: wantPublic, Found: "a key of small order, for which anybody could sign"}
	}
	return k, nil
}

func decodePublic(s string) (PublicKey, error) {
	if block, rest := pem.Decode([]byte(s)); block != nil && block.Type == spkiBlock {
		if next, _ := pem.Decode(rest); next != nil {
			return PublicKey{}, &FormatError{Want: wantPublic, Found: "more than one PEM block"}
		}
		return decodeSPKI(block.Bytes)
	}
	// The decoder would skip line ends inside.
	if b, err := base64.StdEncoding.Strict().DecodeString(s); err == nil && len(b) == len(PublicKey{}) && !strings.ContainsAny(s, "\r\n") {
		return PublicKey(b), nil
	}
	return PublicKey{}, &FormatError{Want: wantPublic, Found: identify([]byte(s))}
}

func decodeSPKI(der []byte) (PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return PublicKey{}, &FormatError{Want: wantPublic, Found: "a PEM public key that cannot be decoded", Err: err}
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return PublicKey{}, &FormatError{Want: wantPublic, Found: describePublic(parsed)}
	}
	return PublicKey(key), nil
}

// IsZero reports whether k is no key.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// Ed25519 returns the key as the standard library's type, for verifying.
func (k PublicKey) Ed25519() ed25519.PublicKey { return k[:] }

// String returns the key as ParsePublic takes it: 44 characters of base64.
func (k PublicKey) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

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

// MarshalPEM returns the key as SPKI PEM (RFC 8410 §4).
func (k PublicKey) MarshalPEM() []byte {
	der, _ := x509.MarshalPKIXPublicKey(k.Ed25519()) // fails for unknown kinds of keys only
	return pem.EncodeToMemory(&pem.Block{Type: spkiBlock, Bytes: der})
}

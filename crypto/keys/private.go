package keys

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
)

const pkcs8Block = "PRIVATE KEY" // RFC 7468 §10

// PrivateKey is an Ed25519 or ECDSA private key. It prints, logs and marshals as
// Redacted, also as an unexported field of something printed. The zero PrivateKey
// is no key: its methods give zero values.
type PrivateKey struct{ redacted[crypto.Signer] }

// Generate makes an Ed25519 key of 32 bytes from rand, normally crypto/rand.Reader.
func Generate(rand io.Reader) (PrivateKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return PrivateKey{}, fmt.Errorf("cannot read %d random bytes for a key: %w", len(seed), err)
	}
	return PrivateKey{redact[crypto.Signer](ed25519.NewKeyFromSeed(seed))}, nil
}

// LoadPrivate reads a PKCS#8 PEM file as `vpngw genkey` and `openssl genpkey` write it
// for Ed25519, P-256 and P-384. The error is a *PermissionError if others than the owner
// may open the file and a *FormatError if it holds something else.
func LoadPrivate(path string) (PrivateKey, error) {
	data, err := readSecret(path, "vpngw genkey")
	if err != nil {
		return PrivateKey{}, fmt.Errorf("private key: %w", err)
	}
	k, err := ParsePrivate(data)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("private key %s: %w", path, err)
	}
	return k, nil
}

// ParsePrivate reads an Ed25519, P-256 or P-384 private key in PKCS#8 PEM. The error is
// a *FormatError.
func ParsePrivate(data []byte) (PrivateKey, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != pkcs8Block {
		return PrivateKey{}, &FormatError{Want: wantPrivate, Found: identify(data)}
	}
	if next, _ := pem.Decode(rest); next != nil {
		return PrivateKey{}, &FormatError{Want: wantPrivate, Found: "more than one PEM block"}
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return PrivateKey{}, &FormatError{Want: wantPrivate, Found: "a PEM private key that cannot be decoded", Err: err}
	}
	key, ok := parsed.(crypto.Signer)
	if !ok || kindOf(key.Public()) == 0 {
		return PrivateKey{}, &FormatError{Want: wantPrivate, Found: describePrivate(parsed)}
	}
	return PrivateKey{redact(key)}, nil
}

// IsZero reports whether k is no key.
func (k PrivateKey) IsZero() bool { return k.Signer() == nil }

// Signer returns the key itself, an ed25519.PrivateKey or *ecdsa.PrivateKey, or nil. The
// caller must not change it.
func (k PrivateKey) Signer() crypto.Signer { return k.reveal() }

// Public returns the public half.
func (k PrivateKey) Public() PublicKey {
	if k.IsZero() {
		return PublicKey{}
	}
	return publicOf(k.Signer().Public())
}

// Equal reports whether k and other are the same key. It takes the same time
// whether they are or not.
func (k PrivateKey) Equal(other PrivateKey) bool {
	if k.IsZero() || other.IsZero() {
		return k.IsZero() == other.IsZero()
	}
	return k.Signer().(interface{ Equal(crypto.PrivateKey) bool }).Equal(other.Signer())
}

// MarshalPEM returns the key as PKCS#8 PEM, in the clear: the one way by which
// it leaves the program, for WriteSecret.
func (k PrivateKey) MarshalPEM() []byte {
	if k.IsZero() {
		return nil
	}
	der, _ := x509.MarshalPKCS8PrivateKey(k.Signer()) // fails for unknown kinds of keys only
	return pem.EncodeToMemory(&pem.Block{Type: pkcs8Block, Bytes: der})
}

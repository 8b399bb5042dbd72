package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"fmt"
	"io"
)

// Kind is a kind of key pair by which gateways can know one another.
type Kind uint8

// The kinds. The zero Kind is that of no key.
const (
	Ed25519   Kind = 1 + iota
	ECDSAP256      // on P-256, with SHA-256
	ECDSAP384      // on P-384, with SHA-384
)

var kindNames = [...]string{"none", "ed25519", "ecdsa-p256", "ecdsa-p384"}

// String gives the name that ParseKind reads.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// ParseKind reads ed25519, ecdsa-p256 or ecdsa-p384.
func ParseKind(s string) (Kind, error) {
	for k := Ed25519; k <= ECDSAP384; k++ {
		if s == k.String() {
			return k, nil
		}
	}
	return 0, fmt.Errorf("unknown kind of key %q: ed25519, ecdsa-p256 or ecdsa-p384", s)
}

// kindOf is that of a public key, or 0.
func kindOf(key crypto.PublicKey) Kind {
	switch key := key.(type) {
	case ed25519.PublicKey:
		return Ed25519
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return ECDSAP256
		case elliptic.P384():
			return ECDSAP384
		}
	}
	return 0
}

// GenerateKind makes a key of bytes from rand, normally crypto/rand.Reader.
func GenerateKind(k Kind, rand io.Reader) (PrivateKey, error) {
	switch k {
	case ECDSAP256:
		return generateECDSA(elliptic.P256(), rand)
	case ECDSAP384:
		return generateECDSA(elliptic.P384(), rand)
	}
	return Generate(rand)
}

// generateECDSA draws scalars until one is in range; the chance that the first is not is
// under 2⁻³².
func generateECDSA(curve elliptic.Curve, rand io.Reader) (PrivateKey, error) {
	scalar := make([]byte, curve.Params().BitSize/8)
	for range 8 {
		if _, err := io.ReadFull(rand, scalar); err != nil {
			return PrivateKey{}, fmt.Errorf("cannot read %d random bytes for a key: %w", len(scalar), err)
		}
		if key, err := ecdsa.ParseRawPrivateKey(curve, scalar); err == nil {
			return PrivateKey{redact[crypto.Signer](key)}, nil
		}
	}
	return PrivateKey{}, fmt.Errorf("eight times no valid %s key: the random source is broken", curve.Params().Name)
}

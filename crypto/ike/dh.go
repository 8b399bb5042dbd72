package ike

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
)

func (g Group) curve() ecdh.Curve {
	switch g {
	case X25519:
		return ecdh.X25519()
	case P256:
		return ecdh.P256()
	case P384:
		return ecdh.P384()
	}
	return nil
}

// privateLen is the length of a private key in bytes.
func (g Group) privateLen() int {
	if g == P384 {
		return 48
	}
	return 32
}

// publicLen is the length of a public value in bytes.
func (g Group) publicLen() int {
	if g == X25519 {
		return 32
	}
	return 2 * g.privateLen()
}

// pointPrefix is what crypto/ecdh puts before a NIST point and RFC 5903 does not.
const pointPrefix = 4

// newPrivate makes a key out of bytes of rand only: unlike GenerateKey, the same
// bytes give the same key.
func (g Group) newPrivate(rand io.Reader) (*ecdh.PrivateKey, error) {
	buf := make([]byte, g.privateLen())
	// The chance that a scalar is out of range is under 2⁻³²; eight times, none.
	for range 8 {
		if _, err := io.ReadFull(rand, buf); err != nil {
			return nil, fmt.Errorf("read randomness for a %v key: %w", g, err)
		}
		if k, err := g.curve().NewPrivateKey(buf); err == nil {
			return k, nil
		}
	}
	return nil, fmt.Errorf("eight times no valid %v key: the random source is broken", g)
}

// publicValue is a public key as in a KE payload: the u-coordinate (RFC 8031 §3.1) or
// x ‖ y (RFC 5903 §7).
func publicValue(k *ecdh.PrivateKey) []byte {
	b := k.PublicKey().Bytes()
	if k.Curve() == ecdh.X25519() {
		return b
	}
	return b[1:]
}

// shared computes g^ir: the u-coordinate, or x alone (RFC 5903 §7). Points off the
// curve, wrong lengths and an all-zero X25519 result are refused.
func (g Group) shared(k *ecdh.PrivateKey, peer []byte) ([]byte, error) {
	if len(peer) == 0 {
		return nil, errors.New("empty public value")
	}
	if g != X25519 {
		peer = append([]byte{pointPrefix}, peer...)
	}
	pub, err := g.curve().NewPublicKey(peer)
	if err != nil {
		return nil, fmt.Errorf("%v public value: %w", g, err)
	}
	secret, err := k.ECDH(pub)
	if err != nil {
		return nil, fmt.Errorf("%v key agreement: %w", g, err)
	}
	return secret, nil
}

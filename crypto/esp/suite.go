package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Suite names an AEAD and its key length. The zero Suite is none.
type Suite uint8

// The suites, in order of preference where the processor has AES instructions.
const (
	AES256GCM        Suite = iota + 1 // RFC 4106, 16-byte ICV
	AES128GCM                         // RFC 4106, 16-byte ICV
	ChaCha20Poly1305                  // RFC 7634
)

const (
	saltLen  = 4 // implicit part of the nonce, the end of KEYMAT (RFC 4106 §8.1)
	nonceLen = saltLen + IVLen
)

// ErrFIPSOnly is returned for a new SA in a program run with
// GODEBUG=fips140=only. That mode refuses every nonce that the AEAD did not draw
// at random itself, and IPsec's nonces are counters.
var ErrFIPSOnly = errors.New("esp: GODEBUG=fips140=only refuses the counter nonces of IPsec; run with GODEBUG=fips140=on")

// String returns the suite's usual name, for example "AES-256-GCM".
func (s Suite) String() string {
	switch s {
	case AES256GCM:
		return "AES-256-GCM"
	case AES128GCM:
		return "AES-128-GCM"
	case ChaCha20Poly1305:
		return "ChaCha20-Poly1305"
	}
	return fmt.Sprintf("Suite(%d)", uint8(s))
}

// KeyLen returns the bytes of KEYMAT the suite takes for one direction, the
// 4-byte salt at their end included, or 0 for an unknown suite.
func (s Suite) KeyLen() int {
	switch s {
	case AES256GCM:
		return 32 + saltLen
	case AES128GCM:
		return 16 + saltLen
	case ChaCha20Poly1305:
		return chacha20poly1305.KeySize + saltLen
	}
	return 0
}

// newAEAD makes the suite's AEAD for a key without its salt.
func (s Suite) newAEAD(key []byte) (cipher.AEAD, error) {
	if fips140.Enforced() {
		return nil, ErrFIPSOnly
	}
	if s == ChaCha20Poly1305 {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

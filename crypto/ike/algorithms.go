package ike

import "fmt"

// Cipher is an AEAD for IKE and for ESP, with 16-byte ICV.
type Cipher uint8

// The ciphers: RFC 4106 and RFC 5282 (AES-GCM), RFC 7634 (ChaCha20-Poly1305).
const (
	AES256GCM Cipher = iota + 1
	ChaCha20Poly1305
	AES128GCM
)

// Group is a Diffie-Hellman group.
type Group uint8

// The groups: RFC 8031 (X25519), RFC 5903 (P-256, P-384).
const (
	X25519 Group = iota + 1
	P256
	P384
)

// PRF is a pseudorandom function: HMAC with this hash (RFC 4868).
type PRF uint8

// The PRFs.
const (
	PRFSHA256 PRF = iota + 1
	PRFSHA384
	PRFSHA512
)

// String gives the name that the tunnel file and strongSwan use.
func (c Cipher) String() string {
	switch c {
	case AES256GCM:
		return "aes256gcm16"
	case ChaCha20Poly1305:
		return "chacha20poly1305"
	case AES128GCM:
		return "aes128gcm16"
	}
	return fmt.Sprintf("cipher-%d", uint8(c))
}

// KeyLen is the length of key and 4-byte salt in bytes, or 0 for no known cipher.
func (c Cipher) KeyLen() int {
	switch c {
	case AES256GCM, ChaCha20Poly1305:
		return 32 + saltLen
	case AES128GCM:
		return 16 + saltLen
	}
	return 0
}

// String gives the name that the tunnel file and strongSwan use.
func (g Group) String() string {
	switch g {
	case X25519:
		return "x25519"
	case P256:
		return "ecp256"
	case P384:
		return "ecp384"
	}
	return fmt.Sprintf("group-%d", uint8(g))
}

// String gives the name that the tunnel file and strongSwan use.
func (p PRF) String() string {
	switch p {
	case PRFSHA256:
		return "prfsha256"
	case PRFSHA384:
		return "prfsha384"
	case PRFSHA512:
		return "prfsha512"
	}
	return fmt.Sprintf("prf-%d", uint8(p))
}

const saltLen = 4

package ike

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"

	"vpngw/crypto/ike/message"
)

// suite is what an IKE SA negotiates.
type suite struct {
	cipher Cipher
	prf    PRF
	group  Group
	mlkem  bool // and ML-KEM-768 in IKE_INTERMEDIATE
}

// String names the algorithms as strongSwan's proposals do.
func (s suite) String() string {
	name := s.cipher.String() + "-" + s.prf.String() + "-" + s.group.String()
	if s.mlkem {
		name += "-mlkem768"
	}
	return name
}

// AEAD lengths of an SK payload in bytes (RFC 5282 §3, RFC 7634 §2).
const (
	ivLen  = 8
	icvLen = 16
)

// protection seals or opens SK payloads in one direction.
type protection struct {
	aead cipher.AEAD
	salt [saltLen]byte
	iv   uint64 // last one used
}

func newProtection(c Cipher, keymat []byte) (*protection, error) {
	if len(keymat) != c.KeyLen() || len(keymat) < saltLen {
		return nil, errors.New("key material of the wrong length")
	}
	key := keymat[:len(keymat)-saltLen]
	p := new(protection)
	copy(p.salt[:], keymat[len(key):])
	if c == ChaCha20Poly1305 {
		a, err := chacha20poly1305.New(key)
		p.aead = a
		return p, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	p.aead, err = cipher.NewGCM(block)
	return p, err
}

// overhead is what an SK payload costs: the same for every AEAD here.
var overhead = message.Overhead{IV: ivLen, ICV: icvLen}

// seal is a message.SealFunc. The IV is a counter: a key never sees the same one
// twice, since a message is sealed once and retransmitted as bytes.
func (p *protection) seal(aad, iv, plaintext []byte) ([]byte, error) {
	p.iv++
	binary.BigEndian.PutUint64(iv, p.iv)
	return p.aead.Seal(plaintext[:0], p.nonce(iv), plaintext, aad), nil
}

// open is a message.OpenFunc. It leaves the message as it is.
func (p *protection) open(aad, iv, ciphertext []byte) ([]byte, error) {
	return p.aead.Open(nil, p.nonce(iv), ciphertext, aad)
}

func (p *protection) nonce(iv []byte) []byte {
	return append(p.salt[:saltLen:saltLen], iv...)
}

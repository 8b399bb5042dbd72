package ike

import (
	"encoding/binary"

	"vpngw/crypto/ike/message"
)

// ikeKeys are the secrets of an IKE SA (RFC 7296 §2.14). There is no SK_ai or SK_ar
// with an AEAD (RFC 5282 §5.1).
type ikeKeys struct {
	d, ei, er, pi, pr []byte
}

// String keeps the keys out of logs.
func (ikeKeys) String() string { return "[redacted]" }

// GoString keeps the keys out of logs.
func (ikeKeys) GoString() string { return "[redacted]" }

// deriveIKE computes SKEYSEED = prf(Ni ‖ Nr, g^ir) and from it the SK_*.
func deriveIKE(s suite, secret, ni, nr []byte, spiI, spiR message.SPI) ikeKeys {
	seed := s.prf.sum(append(append([]byte(nil), ni...), nr...), secret)
	return expandIKE(s, seed, ni, nr, spiI, spiR)
}

// mixIKE computes SKEYSEED(1) = prf(SK_d(0), SK(1) ‖ Ni ‖ Nr) and from it new SK_*, where
// SK(1) is the secret of an additional key exchange (RFC 9370 §2.2.2).
func mixIKE(s suite, skD, secret, ni, nr []byte, spiI, spiR message.SPI) ikeKeys {
	return expandIKE(s, s.prf.sum(skD, secret, ni, nr), ni, nr, spiI, spiR)
}

// rekeyIKE computes SKEYSEED = prf(SK_d (old), g^ir ‖ Ni ‖ Nr) with the PRF of the old
// SA, and from it the SK_* of the new one with its own (RFC 7296 §2.18).
func rekeyIKE(old PRF, oldD []byte, s suite, secret, ni, nr []byte, spiI, spiR message.SPI) ikeKeys {
	seed := old.sum(oldD, append(append(append([]byte(nil), secret...), ni...), nr...))
	return expandIKE(s, seed, ni, nr, spiI, spiR)
}

// expandIKE computes the SK_* = prf+(SKEYSEED, Ni ‖ Nr ‖ SPIi ‖ SPIr).
func expandIKE(s suite, seed, ni, nr []byte, spiI, spiR message.SPI) ikeKeys {
	var spis [16]byte
	binary.BigEndian.PutUint64(spis[:8], uint64(spiI))
	binary.BigEndian.PutUint64(spis[8:], uint64(spiR))
	n, e := s.prf.size(), s.cipher.KeyLen()
	all := s.prf.expand(seed, 3*n+2*e, ni, nr, spis[:])
	take := func(n int) []byte {
		k := all[:n:n]
		all = all[n:]
		return k
	}
	return ikeKeys{d: take(n), ei: take(e), er: take(e), pi: take(n), pr: take(n)}
}

// deriveChild computes KEYMAT = prf+(SK_d, [g^ir] ‖ Ni ‖ Nr) (RFC 7296 §2.17) and
// gives key and salt for initiator to responder and for the other way.
func deriveChild(p PRF, skD, secret, ni, nr []byte, c Cipher) (toResponder, toInitiator []byte) {
	n := c.KeyLen()
	all := p.expand(skD, 2*n, secret, ni, nr)
	return all[:n:n], all[n:]
}

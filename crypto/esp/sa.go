package esp

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
)

// sa is what both directions of a child SA share. The nonce and the additional
// data are built in place: passed to the AEAD from the stack they would escape
// to the heap once per packet.
type sa struct {
	aead  cipher.AEAD
	suite Suite
	spi   uint32
	esn   bool
	nonce [nonceLen]byte      // salt ‖ IV
	aad   [HeaderLen + 4]byte // SPI ‖ upper half with ESN ‖ lower half
}

func newSA(s Suite, spi uint32, keymat []byte, esn bool) (sa, error) {
	if s.KeyLen() == 0 {
		return sa{}, fmt.Errorf("esp: %v is not a known suite", s)
	}
	if len(keymat) != s.KeyLen() {
		return sa{}, fmt.Errorf("esp: got %d bytes of keying material, %v takes %d (key and %d bytes of salt)",
			len(keymat), s, s.KeyLen(), saltLen)
	}
	if spi < MinSPI {
		return sa{}, fmt.Errorf("esp: SPI %d is reserved, the lowest is %d", spi, MinSPI)
	}
	key, salt := keymat[:len(keymat)-saltLen], keymat[len(keymat)-saltLen:]
	aead, err := s.newAEAD(key)
	if err != nil {
		return sa{}, fmt.Errorf("esp: cannot set up %v: %w", s, err)
	}
	a := sa{aead: aead, suite: s, spi: spi, esn: esn}
	copy(a.nonce[:], salt)
	binary.BigEndian.PutUint32(a.aad[:], spi)
	return a, nil
}

// additionalData returns what the AEAD authenticates beside the ciphertext
// (RFC 4106 §5), valid until the next call.
func (a *sa) additionalData(seq uint64) []byte {
	if a.esn {
		binary.BigEndian.PutUint64(a.aad[4:], seq)
		return a.aad[:12]
	}
	binary.BigEndian.PutUint32(a.aad[4:], uint32(seq))
	return a.aad[:8]
}

// describe is the only form in which an SA is printed: its fields are keys.
func (a *sa) describe(f fmt.State, direction string) {
	fmt.Fprintf(f, "%s ESP SA %#08x %v", direction, a.spi, a.suite)
	if a.esn {
		fmt.Fprint(f, " ESN")
	}
}

package lane

import (
	"encoding/binary"
	"hash/maphash"
)

// Mark makes SPIs of IKE SAs that the lane knows again for our own without a table of
// them: the lower half is a keyed hash of the upper one. Who does not know the key can
// only repeat an SPI that was seen on the wire. Any goroutine may use it.
type Mark struct{ seed maphash.Seed }

// NewMark makes a mark with a fresh key.
func NewMark() *Mark { return &Mark{seed: maphash.MakeSeed()} }

// SPI makes a marked SPI of 64 random bits, of which it uses the upper half.
func (m *Mark) SPI(random uint64) uint64 {
	upper := uint32(random >> 32)
	return uint64(upper)<<32 | uint64(m.sum(upper))
}

func (m *Mark) sum(upper uint32) uint32 {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], upper)
	return uint32(maphash.Bytes(m.seed, b[:]))
}

// on tells whether an SPI is marked.
func (m *Mark) on(spi uint64) bool { return uint32(spi) == m.sum(uint32(spi>>32)) }

// ours tells whether an IKE message names an SPI of ours (RFC 7296 §3.1), be it as the
// initiator's or the responder's.
func (m *Mark) ours(message []byte) bool {
	return len(message) >= ikeHeaderLen && (m.on(binary.BigEndian.Uint64(message[8:])) || m.on(binary.BigEndian.Uint64(message)))
}

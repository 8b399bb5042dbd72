package esp

import (
	"encoding/binary"
	"errors"
)

// Sizes in bytes of the parts of an ESP datagram.
const (
	HeaderLen  = 8  // SPI and the lower half of the sequence number (RFC 4303 §2)
	IVLen      = 8  // explicit IV (RFC 4106 §3.1, RFC 7634 §2)
	ICVLen     = 16 // integrity check value, the AEAD's tag
	MaxTrailer = 5  // up to 3 bytes of padding, pad length, next header

	minTrailer = 2 // pad length and next header
	alignment  = 4 // the ciphertext ends on a 4-byte boundary (RFC 4303 §2.4)

	payloadOffset = HeaderLen + IVLen
	minDatagram   = payloadOffset + minTrailer + ICVLen
)

// MinSPI is the lowest SPI a child SA may have; those below are reserved
// (RFC 4303 §2.1) and 0 is the non-ESP marker (RFC 3948 §2.2).
const MinSPI = 256

// Reasons for which a datagram is not opened or a packet not sealed. Seal and
// Open return them as they are, so that they may be compared with ==.
var (
	ErrShort          = errors.New("esp: datagram too short for header, IV, trailer and ICV")
	ErrSPI            = errors.New("esp: SPI is not the one of this SA")
	ErrReplayed       = errors.New("esp: sequence number was seen before")
	ErrTooOld         = errors.New("esp: sequence number is older than the replay window")
	ErrAuthentication = errors.New("esp: integrity check failed")
	ErrTrailer        = errors.New("esp: authentic packet with a pad length longer than its payload")

	ErrExhausted = errors.New("esp: sequence numbers of this SA are used up, rekey it")
	ErrBuffer    = errors.New("esp: destination shorter than SealedLen, or packet without MaxTrailer bytes of spare capacity")
)

// padLen gives the bytes of padding an n-byte packet needs.
func padLen(n int) int { return -(n + minTrailer) & (alignment - 1) }

// SealedLen returns the length in bytes of the ESP datagram that carries an
// n-byte packet: header, IV, packet, padding, pad length, next header and ICV.
func SealedLen(n int) int {
	return payloadOffset + n + padLen(n) + minTrailer + ICVLen
}

// MaxPacket returns the length in bytes of the longest packet whose ESP
// datagram is at most the given bytes long, or 0 if there is none.
func MaxPacket(datagram int) int {
	ciphertext := (datagram - payloadOffset - ICVLen) &^ (alignment - 1)
	return max(ciphertext-minTrailer, 0)
}

// SPIOf returns the SPI at the front of an ESP datagram. It is false if the
// datagram is too short to be ESP or the SPI is reserved, as the non-ESP marker
// is.
func SPIOf(datagram []byte) (uint32, bool) {
	if len(datagram) < minDatagram {
		return 0, false
	}
	spi := binary.BigEndian.Uint32(datagram)
	return spi, spi >= MinSPI
}

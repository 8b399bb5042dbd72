package esp

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
)

// Last sequence number an SA may use. Without ESN the numbers of RFC 4303 §3.3.3
// would end at 2³²−1; the distance kept is what may be sent between two looks at
// Sequence. With ESN the limit keeps the use of one AEAD key bounded.
const (
	lastSequence    = 1<<32 - 1<<16
	lastSequenceESN = 1 << 34
)

// Outbound is the sending half of a child SA. One goroutine, its owner, may
// call Seal; SPI and Sequence may be called by any.
type Outbound struct {
	sa       sa
	last     uint64 // sequence numbers beyond are never used
	sequence atomic.Uint64
}

// NewOutbound returns an SA that seals packets for the peer's SPI. keymat is
// the key followed by the 4-byte salt, Suite.KeyLen bytes, and is copied. The
// error wraps ErrFIPSOnly where the program may not choose nonces.
//
// A key must be used by one Outbound only, in one run of the program: sequence
// numbers, and with them nonces, start at 1.
func NewOutbound(s Suite, spi uint32, keymat []byte, esn bool) (*Outbound, error) {
	a, err := newSA(s, spi, keymat, esn)
	if err != nil {
		return nil, err
	}
	o := &Outbound{sa: a, last: lastSequence}
	if esn {
		o.last = lastSequenceESN
	}
	return o, nil
}

// SPI returns the peer's SPI of this SA.
func (o *Outbound) SPI() uint32 { return o.sa.spi }

// Sequence returns the last sequence number used, 0 before the first packet.
// The caller compares it with its soft limit and rekeys in time.
func (o *Outbound) Sequence() uint64 { return o.sequence.Load() }

// Seal writes the ESP datagram of packet to dst and returns its length,
// SealedLen(len(packet)). nextHeader is 4 for IPv4, 41 for IPv6, 59 for a dummy.
//
// The ESP trailer is put for the time of the call behind the packet: cap(packet)
// must be MaxTrailer more than its length, and no other goroutine may look at
// those bytes meanwhile. When Seal returns they and the packet are as they were.
// dst must overlap neither, or the AEAD panics; beyond the datagram it is not
// written.
//
// It returns ErrExhausted at the hard limit of the sequence number and ErrBuffer
// if dst or the capacity of packet is too small; neither uses up a number.
func (o *Outbound) Seal(dst, packet []byte, nextHeader uint8) (int, error) {
	if len(dst) < SealedLen(len(packet)) || cap(packet)-len(packet) < MaxTrailer {
		return 0, ErrBuffer
	}
	seq := o.sequence.Load() + 1
	if seq > o.last {
		return 0, ErrExhausted
	}
	o.sequence.Store(seq)
	return o.sa.seal(dst, packet, nextHeader, seq, seq), nil
}

// seal is Seal with checked buffers and the sequence number and IV given.
func (a *sa) seal(dst, packet []byte, nextHeader uint8, seq, iv uint64) int {
	n, pad := len(packet), padLen(len(packet))
	plaintext := packet[: n+pad+minTrailer : n+pad+minTrailer]
	trailer := plaintext[n:]
	var saved [MaxTrailer]byte
	copy(saved[:], trailer)
	for i := range pad {
		trailer[i] = byte(i + 1)
	}
	trailer[pad], trailer[pad+1] = byte(pad), nextHeader

	binary.BigEndian.PutUint32(dst, a.spi)
	binary.BigEndian.PutUint32(dst[4:], uint32(seq))
	binary.BigEndian.PutUint64(dst[HeaderLen:], iv)
	binary.BigEndian.PutUint64(a.nonce[saltLen:], iv)
	total := SealedLen(n)
	a.aead.Seal(dst[payloadOffset:payloadOffset:total], a.nonce[:], plaintext, a.additionalData(seq))

	copy(trailer, saved[:])
	return total
}

// Format prints the SPI and the suite whatever the verb, never a key.
func (o *Outbound) Format(f fmt.State, _ rune) { o.sa.describe(f, "outbound") }

package esp

import (
	"encoding/binary"
	"fmt"
)

// Inbound is the receiving half of a child SA. It belongs to one goroutine,
// but SPI may be called by any.
type Inbound struct {
	sa       sa
	window   Window
	sequence uint64
	newest   bool
}

// NewInbound returns an SA that opens packets sent to our SPI. keymat is the key
// followed by the 4-byte salt, Suite.KeyLen bytes, and is copied. The error wraps
// ErrFIPSOnly where the program may not choose nonces.
func NewInbound(s Suite, spi uint32, keymat []byte, esn bool) (*Inbound, error) {
	a, err := newSA(s, spi, keymat, esn)
	if err != nil {
		return nil, err
	}
	return &Inbound{sa: a}, nil
}

// SPI returns our SPI of this SA.
func (i *Inbound) SPI() uint32 { return i.sa.spi }

// Sequence returns the sequence number, all 64 bits of it with ESN, of the
// packet authenticated last; 0 before the first.
func (i *Inbound) Sequence() uint64 { return i.sequence }

// Newest returns whether the last call of Open took a packet with a higher
// sequence number than any before. Only such a packet may move the peer to
// another address.
func (i *Inbound) Newest() bool { return i.newest }

// Open authenticates and decrypts one ESP datagram in place and returns the
// packet in it and its next header (4 IPv4, 41 IPv6, 59 dummy, to be dropped).
// packet aliases datagram[HeaderLen+IVLen:] and may be longer than the inner IP
// packet says (RFC 4303 §2.7). Bytes outside the ciphertext are never written.
//
// The order is that of RFC 4303 §3.4.3. ErrShort, ErrSPI, ErrReplayed and
// ErrTooOld come before any cryptography and leave the datagram as it was;
// ErrAuthentication spoils the ciphertext. None of them changes the replay
// window. ErrTrailer means an authentic sender that padded wrongly; the sequence
// number counts as received.
func (i *Inbound) Open(datagram []byte) (packet []byte, nextHeader uint8, err error) {
	i.newest = false
	if len(datagram) < minDatagram {
		return nil, 0, ErrShort
	}
	if binary.BigEndian.Uint32(datagram) != i.sa.spi {
		return nil, 0, ErrSPI
	}
	seq := uint64(binary.BigEndian.Uint32(datagram[4:]))
	if i.sa.esn {
		seq = extend(i.window.top, uint32(seq))
	}
	if err := i.window.Check(seq); err != nil {
		return nil, 0, err
	}
	plaintext, err := i.sa.open(datagram, seq)
	if err != nil {
		return nil, 0, ErrAuthentication
	}
	i.newest = i.window.Commit(seq)
	i.sequence = seq

	end := len(plaintext) - minTrailer
	n := end - int(plaintext[end])
	if n < 0 {
		return nil, 0, ErrTrailer
	}
	return plaintext[:n:n], plaintext[end+1], nil
}

func (a *sa) open(datagram []byte, seq uint64) ([]byte, error) {
	copy(a.nonce[saltLen:], datagram[HeaderLen:payloadOffset])
	return a.aead.Open(datagram[payloadOffset:payloadOffset], a.nonce[:], datagram[payloadOffset:], a.additionalData(seq))
}

// extend gives the full sequence number of which only the lower half was sent:
// the lowest with that half that is not below the replay window. That is the
// inference of RFC 4303 Appendix A2.1, both cases in one; where the window would
// reach below 0, it begins at 0.
func extend(top uint64, low uint32) uint64 {
	bottom := top - min(top, WindowSize-1)
	return bottom + uint64(low-uint32(bottom))
}

// Format prints the SPI and the suite whatever the verb, never a key.
func (i *Inbound) Format(f fmt.State, _ rune) { i.sa.describe(f, "inbound") }

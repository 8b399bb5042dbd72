package ike

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"vpngw/crypto/ike/message"
)

// cookieLife is how long a secret makes cookies. Those of the one before it are still
// accepted.
const cookieLife = 30 * time.Second

// cookieJar makes and checks cookies without keeping any (RFC 7296 §2.6).
type cookieJar struct {
	current, previous []byte // secrets
	since             time.Time
}

// rotate makes sure that there is a fresh secret.
func (j *cookieJar) rotate(m *Machine) error {
	if j.current != nil && m.now.Sub(j.since) < cookieLife {
		return nil
	}
	secret, err := m.random(sha256.Size)
	if err != nil {
		return err
	}
	if j.previous = j.current; m.now.Sub(j.since) >= 2*cookieLife {
		j.previous = nil
	}
	j.current, j.since = secret, m.now
	return nil
}

// cookie binds a cookie to the initiator's nonce, address, port and SPI.
func cookie(secret, nonce []byte, from netip.AddrPort, spi message.SPI) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(nonce)
	addr := from.Addr().As16()
	h.Write(addr[:])
	h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(nil, from.Port()), uint64(spi)))
	return h.Sum(nil)
}

func (j *cookieJar) check(got, nonce []byte, from netip.AddrPort, spi message.SPI) bool {
	if hmac.Equal(got, cookie(j.current, nonce, from, spi)) {
		return true
	}
	return j.previous != nil && hmac.Equal(got, cookie(j.previous, nonce, from, spi))
}

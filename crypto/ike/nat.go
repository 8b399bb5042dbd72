package ike

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"net/netip"

	"vpngw/crypto/ike/message"
)

// natHash is the data of a NAT detection notify (RFC 7296 §2.23).
func natHash(spiI, spiR message.SPI, at netip.AddrPort) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(spiI))
	b = binary.BigEndian.AppendUint64(b, uint64(spiR))
	b = append(b, at.Addr().Unmap().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, at.Port())
	sum := sha1.Sum(b)
	return sum[:]
}

// natNotifies tell the peer where we see it, and a source address that matches
// nothing: it then believes us behind a NAT and encapsulates ESP in UDP, as we want
// it always. For the same SPIs they are the same, since a request that is repeated
// with a cookie must else be unchanged (RFC 7296 §2.6).
func (m *Machine) natNotifies(spiI, spiR message.SPI, remote netip.AddrPort) ([]message.Payload, error) {
	if m.nowhere == nil {
		secret, err := m.random(sha1.Size)
		if err != nil {
			return nil, err
		}
		m.nowhere = secret
	}
	b := binary.BigEndian.AppendUint64(bytes.Clone(m.nowhere), uint64(spiI))
	source := sha1.Sum(binary.BigEndian.AppendUint64(b, uint64(spiR)))
	return []message.Payload{
		&message.Notify{Type: message.NotifyNATDetectionSourceIP, Data: source[:]},
		&message.Notify{Type: message.NotifyNATDetectionDestinationIP, Data: natHash(spiI, spiR, remote)},
	}, nil
}

// detectNAT compares the peer's notifies with the addresses of its message. Where our
// own address is unknown we take it that a NAT is there: keepalives do no harm.
func (s *sa) detectNAT(spiI, spiR message.SPI, ps []message.Payload) {
	sources, matches := 0, false
	for n := range message.All[*message.Notify](ps) {
		switch n.Type {
		case message.NotifyNATDetectionSourceIP:
			sources++
			matches = matches || bytes.Equal(n.Data, natHash(spiI, spiR, s.remote))
		case message.NotifyNATDetectionDestinationIP:
			known := s.local.IsValid() && !s.local.Addr().IsUnspecified()
			s.behindNAT = !known || !bytes.Equal(n.Data, natHash(spiI, spiR, s.local))
		}
	}
	s.peerNAT = sources > 0 && !matches
}

package message

import (
	"encoding/binary"
	"strconv"
)

// ProtocolID names the protocol of a proposal, notification or deletion
// (RFC 7296 section 3.3.1).
type ProtocolID uint8

// Protocols.
const (
	ProtocolNone ProtocolID = 0 // in a Notify that names no SA
	ProtocolIKE  ProtocolID = 1
	ProtocolAH   ProtocolID = 2
	ProtocolESP  ProtocolID = 3
)

// String gives the name, or "protocol 9".
func (p ProtocolID) String() string {
	switch p {
	case ProtocolNone:
		return "none"
	case ProtocolIKE:
		return "IKE"
	case ProtocolAH:
		return "AH"
	case ProtocolESP:
		return "ESP"
	}
	return "protocol " + strconv.Itoa(int(p))
}

// ChildSPI encodes the SPI of an ESP or AH SA for Proposal.SPI and Notify.SPI.
func ChildSPI(spi uint32) []byte { return binary.BigEndian.AppendUint32(nil, spi) }

// IKESPI encodes the SPI of an IKE SA for Proposal.SPI (rekeying).
func IKESPI(spi SPI) []byte { return binary.BigEndian.AppendUint64(nil, uint64(spi)) }

// ParseChildSPI is the reverse of ChildSPI; false for another length than 4.
func ParseChildSPI(b []byte) (uint32, bool) {
	if len(b) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(b), true
}

// ParseIKESPI is the reverse of IKESPI; false for another length than 8.
func ParseIKESPI(b []byte) (SPI, bool) {
	if len(b) != 8 {
		return 0, false
	}
	return SPI(binary.BigEndian.Uint64(b)), true
}

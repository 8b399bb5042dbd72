package message

import (
	"net/netip"
	"strconv"
)

// IDType says of which kind an identity is (RFC 7296 section 3.5).
type IDType uint8

// Identity types.
const (
	IDIPv4Addr   IDType = 1
	IDFQDN       IDType = 2
	IDRFC822Addr IDType = 3 // e-mail address
	IDIPv6Addr   IDType = 5
	IDDERASN1DN  IDType = 9
	IDDERASN1GN  IDType = 10
	IDKeyID      IDType = 11
	IDFCName     IDType = 12 // RFC 4595
	IDNull       IDType = 13 // RFC 7619
)

// String gives the name in the RFCs, or "ID type 99".
func (t IDType) String() string {
	switch t {
	case IDIPv4Addr:
		return "ID_IPV4_ADDR"
	case IDFQDN:
		return "ID_FQDN"
	case IDRFC822Addr:
		return "ID_RFC822_ADDR"
	case IDIPv6Addr:
		return "ID_IPV6_ADDR"
	case IDDERASN1DN:
		return "ID_DER_ASN1_DN"
	case IDDERASN1GN:
		return "ID_DER_ASN1_GN"
	case IDKeyID:
		return "ID_KEY_ID"
	case IDFCName:
		return "ID_FC_NAME"
	case IDNull:
		return "ID_NULL"
	}
	return "ID type " + strconv.Itoa(int(t))
}

// Identification is the content of both identification payloads (RFC 7296
// section 3.5).
type Identification struct {
	Generic
	Type IDType
	// Reserved is to be sent as zero and its value means nothing, but the AUTH
	// payload covers it as it was sent (RFC 7296 section 2.15), so it is kept.
	Reserved [3]byte
	// Data is 4 or 16 bytes for the address types; otherwise of any length,
	// without a terminating zero.
	Data []byte
}

// IDi is the identity of the initiator.
type IDi struct{ Identification }

// IDr is the identity of the responder.
type IDr struct{ Identification }

// PayloadType returns PayloadIDi.
func (*IDi) PayloadType() PayloadType { return PayloadIDi }

// PayloadType returns PayloadIDr.
func (*IDr) PayloadType() PayloadType { return PayloadIDr }

// Body returns a new slice with the payload behind its generic header:
// RestOfInitIDPayload or RestOfRespIDPayload of RFC 7296 section 2.15.
func (p *Identification) Body() []byte {
	b := make([]byte, 0, 4+len(p.Data))
	b = append(b, uint8(p.Type), p.Reserved[0], p.Reserved[1], p.Reserved[2])
	return append(b, p.Data...)
}

// Addr returns the address of an IDIPv4Addr or IDIPv6Addr, otherwise false.
func (p *Identification) Addr() (netip.Addr, bool) {
	if p.Type != IDIPv4Addr && p.Type != IDIPv6Addr || !p.dataLenOK() {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(p.Data)
}

func (p *Identification) dataLenOK() bool {
	switch p.Type {
	case IDIPv4Addr:
		return len(p.Data) == 4
	case IDIPv6Addr:
		return len(p.Data) == 16
	}
	return true
}

func parseIdentification(g Generic, r *reader) Identification {
	p := Identification{Generic: g, Type: IDType(r.uint8())}
	copy(p.Reserved[:], r.take(3))
	off := r.off
	p.Data = r.rest()
	if r.ok() && !p.dataLenOK() {
		r.failAt(off, "%v with %d bytes", p.Type, len(p.Data))
	}
	return p
}

func (p *Identification) appendBody(w *writer) {
	if !p.dataLenOK() {
		w.fail("%v with %d bytes", p.Type, len(p.Data))
	}
	w.bytes(p.Body())
}

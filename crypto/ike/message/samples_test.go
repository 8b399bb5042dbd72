package message

import (
	"net/netip"
	"strings"
)

// sample is one typical payload with its bytes, written out by hand from the
// figures of RFC 7296 section 3 and RFC 7383 section 2.5.
type sample struct {
	payload Payload
	body    string // behind the generic header
}

func join(parts ...string) string { return strings.Join(parts, "") }

// sampleSPKI is an Ed25519 SubjectPublicKeyInfo (RFC 8410).
const sampleSPKI = "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00" + "an Ed25519 public key, 32 bytes."

var samples = []sample{
	{
		&SA{Proposals: []Proposal{
			{Number: 1, Protocol: ProtocolIKE, Transforms: []Transform{
				{Type: TransformENCR, ID: ENCRAESGCM16, KeyLength: 256},
				{Type: TransformPRF, ID: PRFHMACSHA2256},
				{Type: TransformKE, ID: KECurve25519},
			}},
			{Number: 2, Protocol: ProtocolESP, SPI: []byte{0xc0, 1, 2, 3}, Transforms: []Transform{
				{Type: TransformENCR, ID: ENCRChaCha20Poly1305, Attributes: []Attribute{
					{Type: 15, Short: true, Value: []byte{0xab, 0xcd}},
					{Type: 16, Value: []byte{7, 8, 9}},
				}},
				{Type: TransformESN, ID: ESNNo},
			}},
		}},
		join(
			"\x02\x00\x00\x24\x01\x01\x00\x03",
			"\x03\x00\x00\x0c\x01\x00\x00\x14\x80\x0e\x01\x00",
			"\x03\x00\x00\x08\x02\x00\x00\x05",
			"\x00\x00\x00\x08\x04\x00\x00\x1f",
			"\x00\x00\x00\x27\x02\x03\x04\x02\xc0\x01\x02\x03",
			"\x03\x00\x00\x13\x01\x00\x00\x1c\x80\x0f\xab\xcd\x00\x10\x00\x03\x07\x08\x09",
			"\x00\x00\x00\x08\x05\x00\x00\x00",
		),
	},
	{&KE{Group: KEECP256, Data: []byte("public value")}, "\x00\x13\x00\x00public value"},
	{&IDi{Identification{Type: IDFQDN, Data: []byte("gw-a.example")}}, "\x02\x00\x00\x00gw-a.example"},
	{&IDr{Identification{Type: IDIPv4Addr, Data: []byte{192, 0, 2, 1}}}, "\x01\x00\x00\x00\xc0\x00\x02\x01"},
	{&CERT{Encoding: CertRawPublicKey, Data: []byte(sampleSPKI)}, "\x0f" + sampleSPKI},
	{&CERTREQ{Encoding: CertX509Signature, Authorities: []byte("01234567890123456789")}, "\x0401234567890123456789"},
	{&AUTH{Method: AuthSharedKey, Data: []byte("mac")}, "\x02\x00\x00\x00mac"},
	{&Nonce{Data: []byte("sixteen bytes ..")}, "sixteen bytes .."},
	{&Notify{Type: NotifyCookie, Data: []byte("cookie")}, "\x00\x00\x40\x06cookie"},
	{&Notify{Protocol: ProtocolESP, SPI: []byte{0xc0, 1, 2, 3}, Type: NotifyRekeySA}, "\x03\x04\x40\x09\xc0\x01\x02\x03"},
	{&Delete{Protocol: ProtocolIKE}, "\x01\x00\x00\x00"},
	{&Delete{Protocol: ProtocolESP, SPIs: []uint32{0xc0010203, 0xc0010204}}, "\x03\x04\x00\x02\xc0\x01\x02\x03\xc0\x01\x02\x04"},
	{&VendorID{Data: []byte("vendor")}, "vendor"},
	{
		&TSi{TrafficSelectors{Selectors: []TrafficSelector{
			{Type: TSIPv4AddrRange, Proto: 6, StartPort: 80, EndPort: 443,
				First: netip.MustParseAddr("10.1.0.0"), Last: netip.MustParseAddr("10.1.255.255")},
			{Type: TSSecLabel, Raw: []byte("label")},
		}}},
		join("\x02\x00\x00\x00",
			"\x07\x06\x00\x10\x00\x50\x01\xbb\x0a\x01\x00\x00\x0a\x01\xff\xff",
			"\x0a\x00\x00\x09label"),
	},
	{
		&TSr{TrafficSelectors{Selectors: []TrafficSelector{
			{Type: TSIPv6AddrRange, StartPort: 65535, EndPort: 0,
				First: netip.MustParseAddr("2001:db8::"), Last: netip.MustParseAddr("2001:db8::ffff")},
		}}},
		join("\x01\x00\x00\x00",
			"\x08\x00\x00\x28\xff\xff\x00\x00",
			"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
			"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff"),
	},
	{&Encrypted{First: PayloadIDi, Body: []byte("iv, text and icv")}, "iv, text and icv"},
	{&EncryptedFragment{First: PayloadIDi, Number: 1, Total: 3, Body: []byte("iv, text and icv")}, "\x00\x01\x00\x03iv, text and icv"},
	{&Raw{Type: PayloadCP, Body: []byte{1, 0, 0, 0}}, "\x01\x00\x00\x00"},
	{&Raw{Type: PayloadEAP, Body: []byte{3, 2, 0, 4}}, "\x03\x02\x00\x04"},
	{&Raw{Type: 200, Body: []byte("unknown")}, "unknown"},
}

// one puts body into a message that holds one payload of type t.
func one(t, next PayloadType, body string) []byte {
	b := Header{InitiatorSPI: 1, NextPayload: t, Version: Version2, Exchange: ExchangeIKESAInit,
		Flags: FlagInitiator, Length: uint32(HeaderLen + GenericLen + len(body))}.append(nil)
	w := &writer{b: b}
	start := w.generic(next, false)
	w.bytes([]byte(body))
	w.length(start)
	return w.b
}

func nextOf(p Payload) PayloadType {
	first, _ := firstInside(p)
	return first
}

package message

// CertEncoding says how a certificate or key is encoded (RFC 7296 section 3.6).
type CertEncoding uint8

// Certificate encodings.
const (
	CertPKCS7         CertEncoding = 1
	CertX509Signature CertEncoding = 4 // one DER certificate
	CertCRL           CertEncoding = 7
	CertHashURL       CertEncoding = 12
	CertHashURLBundle CertEncoding = 13
	CertOCSPContent   CertEncoding = 14 // RFC 4806
	CertRawPublicKey  CertEncoding = 15 // RFC 7670: a DER SubjectPublicKeyInfo
)

// CERT is the Certificate payload (RFC 7296 section 3.6).
type CERT struct {
	Generic
	Encoding CertEncoding
	Data     []byte // in that encoding, not looked into
}

// PayloadType returns PayloadCERT.
func (*CERT) PayloadType() PayloadType { return PayloadCERT }

func parseCERT(g Generic, r *reader) *CERT {
	return &CERT{Generic: g, Encoding: CertEncoding(r.uint8()), Data: r.rest()}
}

func (p *CERT) appendBody(w *writer) {
	w.uint8(uint8(p.Encoding))
	w.bytes(p.Data)
}

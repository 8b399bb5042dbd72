package message

// CERTREQ is the Certificate Request payload (RFC 7296 section 3.7).
type CERTREQ struct {
	Generic
	Encoding CertEncoding
	// Authorities is a list of 20-byte SHA-1 hashes of the keys of trusted
	// authorities for CertX509Signature, empty for CertRawPublicKey (RFC 7670
	// section 3). It is not looked into.
	Authorities []byte
}

// PayloadType returns PayloadCERTREQ.
func (*CERTREQ) PayloadType() PayloadType { return PayloadCERTREQ }

func parseCERTREQ(g Generic, r *reader) *CERTREQ {
	return &CERTREQ{Generic: g, Encoding: CertEncoding(r.uint8()), Authorities: r.rest()}
}

func (p *CERTREQ) appendBody(w *writer) {
	w.uint8(uint8(p.Encoding))
	w.bytes(p.Authorities)
}

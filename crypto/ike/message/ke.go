package message

// KE is the Key Exchange payload (RFC 7296 section 3.4).
type KE struct {
	Generic
	Group TransformID // a KE… constant
	// Data is the public value, never empty; its right length depends on the
	// group and is checked by whoever computes with it.
	Data []byte
}

// PayloadType returns PayloadKE.
func (*KE) PayloadType() PayloadType { return PayloadKE }

func parseKE(g Generic, r *reader) *KE {
	p := &KE{Generic: g, Group: TransformID(r.uint16())}
	r.skip(2)
	if r.ok() && len(r.b) == 0 {
		r.fail("no key exchange data")
	}
	p.Data = r.rest()
	return p
}

func (p *KE) appendBody(w *writer) {
	if len(p.Data) == 0 {
		w.fail("no key exchange data")
	}
	w.uint16(uint16(p.Group))
	w.zeros(2)
	w.bytes(p.Data)
}

package message

// Nonce is the Nonce payload (RFC 7296 section 3.9).
type Nonce struct {
	Generic
	Data []byte // MinNonce to MaxNonce bytes
}

// PayloadType returns PayloadNonce.
func (*Nonce) PayloadType() PayloadType { return PayloadNonce }

func nonceLenOK(n int) bool { return n >= MinNonce && n <= MaxNonce }

func parseNonce(g Generic, r *reader) *Nonce {
	if n := len(r.b); !nonceLenOK(n) {
		r.fail("nonce of %d bytes, not %d to %d", n, MinNonce, MaxNonce)
	}
	return &Nonce{Generic: g, Data: r.rest()}
}

func (p *Nonce) appendBody(w *writer) {
	if n := len(p.Data); !nonceLenOK(n) {
		w.fail("nonce of %d bytes, not %d to %d", n, MinNonce, MaxNonce)
	}
	w.bytes(p.Data)
}

package message

// Encrypted is the Encrypted and Authenticated payload, SK (RFC 7296 section
// 3.14), always the last of a message.
type Encrypted struct {
	Generic
	First PayloadType // of the first payload inside; PayloadNone if it holds none
	Body  []byte      // IV, ciphertext and ICV
}

// PayloadType returns PayloadSK.
func (*Encrypted) PayloadType() PayloadType { return PayloadSK }

func parseEncrypted(g Generic, first PayloadType, r *reader) *Encrypted {
	return &Encrypted{Generic: g, First: first, Body: r.rest()}
}

func (p *Encrypted) appendBody(w *writer) { w.bytes(p.Body) }

// EncryptedFragment is the Encrypted and Authenticated Fragment payload, SKF
// (RFC 7383 section 2.5), always the last of a message.
type EncryptedFragment struct {
	Generic
	First  PayloadType // of the first payload inside, in fragment 1; PayloadNone in all others
	Number uint16      // from 1 to Total
	Total  uint16
	Body   []byte // IV, ciphertext and ICV
}

// PayloadType returns PayloadSKF.
func (*EncryptedFragment) PayloadType() PayloadType { return PayloadSKF }

func (p *EncryptedFragment) numbersOK() bool {
	return p.Number >= 1 && p.Number <= p.Total && (p.Number == 1 || p.First == PayloadNone)
}

const fragmentProblem = "fragment %d of %d with first payload %v"

func parseEncryptedFragment(g Generic, first PayloadType, r *reader) *EncryptedFragment {
	p := &EncryptedFragment{Generic: g, First: first, Number: r.uint16(), Total: r.uint16()}
	if r.ok() && !p.numbersOK() {
		r.fail(fragmentProblem, p.Number, p.Total, p.First)
	}
	p.Body = r.rest()
	return p
}

func (p *EncryptedFragment) appendBody(w *writer) {
	if !p.numbersOK() {
		w.fail(fragmentProblem, p.Number, p.Total, p.First)
	}
	w.uint16(p.Number)
	w.uint16(p.Total)
	w.bytes(p.Body)
}

// firstInside returns what the next-payload field of an encrypted payload
// holds; false if p is none.
func firstInside(p Payload) (PayloadType, bool) {
	switch p := p.(type) {
	case *Encrypted:
		return p.First, true
	case *EncryptedFragment:
		return p.First, true
	}
	return PayloadNone, false
}

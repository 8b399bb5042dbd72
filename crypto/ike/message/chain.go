package message

import (
	"encoding/binary"
	"fmt"
)

// chain walks the payloads in buf from off on.
type chain struct {
	buf   []byte
	off   int
	inner bool // inside an Encrypted payload, where no second one may stand
}

func (c *chain) parse(next PayloadType) ([]Payload, error) {
	var ps []Payload
	for next != PayloadNone {
		if len(ps) == MaxPayloads {
			return nil, &Error{Offset: c.off, Problem: fmt.Sprintf("more than %d payloads", MaxPayloads)}
		}
		p, after, err := c.payload(next)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
		next = after
	}
	if c.off != len(c.buf) {
		return nil, &Error{Offset: c.off, Problem: fmt.Sprintf("%d bytes behind the last payload", len(c.buf)-c.off)}
	}
	return ps, nil
}

// payload parses the payload at c.off, moves behind it and returns the type of
// the one that follows in this chain.
func (c *chain) payload(t PayloadType) (Payload, PayloadType, error) {
	rest := c.buf[c.off:]
	if len(rest) < GenericLen {
		return nil, 0, &Error{Payload: t, Offset: c.off, Problem: fmt.Sprintf("%d bytes left for the %d-byte payload header", len(rest), GenericLen)}
	}
	n := int(binary.BigEndian.Uint16(rest[2:]))
	if n < GenericLen || n > len(rest) {
		return nil, 0, &Error{Payload: t, Offset: c.off + 2, Problem: fmt.Sprintf("length %d is not between %d and the %d bytes left", n, GenericLen, len(rest))}
	}
	next, g := PayloadType(rest[0]), Generic{Critical: rest[1]&0x80 != 0}
	if g.Critical && !t.Known() {
		return nil, 0, &UnsupportedCriticalError{Payload: t, Offset: c.off}
	}
	r := &reader{kind: t, off: c.off + GenericLen, b: rest[GenericLen:n]}
	c.off += n

	var p Payload
	switch t {
	case PayloadSK, PayloadSKF:
		if c.inner {
			return nil, 0, r.fail("an encrypted payload inside another")
		}
		if c.off != len(c.buf) {
			return nil, 0, &Error{Payload: t, Offset: c.off, Problem: "an encrypted payload must be the last"}
		}
		// The next-payload field of these two names the first payload inside.
		if t == PayloadSK {
			p = parseEncrypted(g, next, r)
		} else {
			p = parseEncryptedFragment(g, next, r)
		}
		next = PayloadNone
	case PayloadSA:
		p = parseSA(g, r)
	case PayloadKE:
		p = parseKE(g, r)
	case PayloadIDi:
		p = &IDi{parseIdentification(g, r)}
	case PayloadIDr:
		p = &IDr{parseIdentification(g, r)}
	case PayloadCERT:
		p = parseCERT(g, r)
	case PayloadCERTREQ:
		p = parseCERTREQ(g, r)
	case PayloadAUTH:
		p = parseAUTH(g, r)
	case PayloadNonce:
		p = parseNonce(g, r)
	case PayloadNotify:
		p = parseNotify(g, r)
	case PayloadDelete:
		p = parseDelete(g, r)
	case PayloadVendorID:
		p = &VendorID{Generic: g, Data: r.rest()}
	case PayloadTSi:
		p = &TSi{parseSelectors(g, r)}
	case PayloadTSr:
		p = &TSr{parseSelectors(g, r)}
	default:
		p = &Raw{Generic: g, Type: t, Body: r.rest()}
	}
	if r.err != nil {
		return nil, 0, r.err
	}
	return p, next, nil
}

func typeOfFirst(ps []Payload) PayloadType {
	if len(ps) == 0 {
		return PayloadNone
	}
	return ps[0].PayloadType()
}

// appendChain appends the payloads with their generic headers to b.
func appendChain(b []byte, ps []Payload, inner bool) ([]byte, error) {
	if len(ps) > MaxPayloads {
		return nil, &Error{Offset: len(b), Problem: fmt.Sprintf("%d payloads are more than %d", len(ps), MaxPayloads)}
	}
	for i, p := range ps {
		w := &writer{kind: p.PayloadType(), b: b}
		next := typeOfFirst(ps[i+1:])
		switch {
		case w.kind == PayloadNone:
			w.fail("payload type 0 would end the chain")
		case w.kind == PayloadSK || w.kind == PayloadSKF:
			first, ok := firstInside(p)
			switch {
			case !ok:
				w.fail("an encrypted payload cannot be written from %T", p)
			case inner:
				w.fail("an encrypted payload inside another")
			case next != PayloadNone:
				w.fail("an encrypted payload must be the last")
			}
			next = first
		}
		start := w.generic(next, p.IsCritical())
		p.appendBody(w)
		w.length(start)
		if w.err != nil {
			return nil, w.err
		}
		b = w.b
	}
	if len(b) > MaxLength {
		return nil, &Error{Offset: MaxLength, Problem: fmt.Sprintf("%d bytes are more than the limit of %d", len(b), MaxLength)}
	}
	return b, nil
}

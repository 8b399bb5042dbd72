package message

import "iter"

// All iterates over the payloads of one type, for example All[*Notify](ps).
func All[P Payload](ps []Payload) iter.Seq[P] {
	return func(yield func(P) bool) {
		for _, p := range ps {
			if p, ok := p.(P); ok && !yield(p) {
				return
			}
		}
	}
}

// AtMostOne returns the payload of type P, or nil if there is none. More than
// one is an *Error: of the payloads that decide anything, RFC 7296 allows one
// each.
func AtMostOne[P Payload](ps []Payload) (P, error) {
	var found, none P
	n := 0
	for p := range All[P](ps) {
		found = p
		n++
	}
	if n > 1 {
		return none, &Error{Payload: found.PayloadType(), Offset: -1, Problem: "stands more than once in the message"}
	}
	return found, nil
}

// One returns the payload of type P; none, or more than one, is an *Error.
func One[P Payload](ps []Payload) (P, error) {
	for range All[P](ps) {
		return AtMostOne[P](ps)
	}
	var none P
	e := &Error{Offset: -1, Problem: "is missing from the message"}
	if any(none) != nil {
		e.Payload = none.PayloadType()
	}
	return none, e
}

// FindNotify returns the first notification of type t, or nil.
func FindNotify(ps []Payload, t NotifyType) *Notify {
	for n := range All[*Notify](ps) {
		if n.Type == t {
			return n
		}
	}
	return nil
}

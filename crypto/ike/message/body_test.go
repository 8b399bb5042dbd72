package message

import (
	"errors"
	"strings"
	"testing"
)

// badBody is a body that must be refused, the offset of the blame in it and a
// part of the message.
type badBody struct {
	name   string
	body   string
	offset int
	want   string
}

func checkBad(t *testing.T, kind PayloadType, bad []badBody) {
	t.Helper()
	for _, c := range bad {
		_, err := Parse(one(kind, 0, c.body))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: error %v", c.name, err)
			continue
		}
		if e.Payload != kind || e.Offset != HeaderLen+GenericLen+c.offset || !strings.Contains(e.Problem, c.want) {
			t.Errorf("%s: got %v (offset %d in the body), want %q at %d", c.name, e, e.Offset-HeaderLen-GenericLen, c.want, c.offset)
		}
	}
}

// checkUnsendable demands that Marshal refuses p and blames its type.
func checkUnsendable(t *testing.T, name string, p Payload) {
	t.Helper()
	_, err := Marshal(&Message{Header: Header{Version: Version2}, Payloads: []Payload{p}})
	var e *Error
	if !errors.As(err, &e) || e.Payload != p.PayloadType() {
		t.Errorf("%s: error %v", name, err)
	}
}

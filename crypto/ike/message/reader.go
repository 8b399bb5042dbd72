package message

import (
	"encoding/binary"
	"fmt"
)

// reader takes fields off the front of one payload's body. Its first error
// stays; afterwards it gives zeros, so that a parser may check once per
// structure instead of once per field.
type reader struct {
	kind PayloadType
	off  int // of b[0] in the whole buffer
	b    []byte
	err  error
}

func (r *reader) fail(format string, args ...any) error { return r.failAt(r.off, format, args...) }

// failAt is fail for a field that was taken already and stood at off.
func (r *reader) failAt(off int, format string, args ...any) error {
	if r.err == nil {
		r.err = &Error{Payload: r.kind, Offset: off, Problem: fmt.Sprintf(format, args...)}
		r.b = nil
	}
	return r.err
}

func (r *reader) ok() bool { return r.err == nil }

// take returns the next n bytes without copying; nil for none, or after an
// error, when n may be anything.
func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.b) {
		r.fail("needs %d bytes more, %d are left", n, len(r.b))
		return nil
	}
	if n == 0 {
		return nil
	}
	b := r.b[:n:n]
	r.b, r.off = r.b[n:], r.off+n
	return b
}

func (r *reader) rest() []byte { return r.take(len(r.b)) }

func (r *reader) skip(n int) { r.take(n) }

func (r *reader) uint8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// sub splits off a reader of the next n bytes. Its errors must be handed back
// by adopt.
func (r *reader) sub(n int) *reader {
	sub := &reader{kind: r.kind, off: r.off}
	sub.b = r.take(n)
	sub.err = r.err
	return sub
}

func (r *reader) adopt(sub *reader) {
	if r.err == nil && sub.err != nil {
		r.err, r.b = sub.err, nil
	}
}

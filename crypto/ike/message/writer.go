package message

import (
	"encoding/binary"
	"fmt"
)

// writer appends one payload. Its first error stays.
type writer struct {
	kind PayloadType
	b    []byte
	err  error
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = &Error{Payload: w.kind, Offset: len(w.b), Problem: fmt.Sprintf(format, args...)}
	}
}

func (w *writer) bytes(b []byte)  { w.b = append(w.b, b...) }
func (w *writer) uint8(v uint8)   { w.b = append(w.b, v) }
func (w *writer) uint16(v uint16) { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *writer) uint32(v uint32) { w.b = binary.BigEndian.AppendUint32(w.b, v) }
func (w *writer) zeros(n int)     { w.b = append(w.b, make([]byte, n)...) }

// generic appends the generic payload header and returns where it starts; the
// length is filled in by a later call of length.
func (w *writer) generic(next PayloadType, critical bool) int {
	start := len(w.b)
	w.uint8(uint8(next))
	if critical {
		w.uint8(0x80)
	} else {
		w.uint8(0)
	}
	w.uint16(0)
	return start
}

// length writes the 16-bit length of the structure that began at start. It
// stands at bytes 2 and 3 of payloads, proposals, transforms and selectors alike.
func (w *writer) length(start int) {
	n := len(w.b) - start
	if n > 65535 {
		w.fail("%d bytes do not fit a 16-bit length", n)
		return
	}
	binary.BigEndian.PutUint16(w.b[start+2:], uint16(n))
}

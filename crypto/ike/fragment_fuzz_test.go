package ike

import (
	"bytes"
	"testing"

	"vpngw/crypto/ike/message"
)

// FuzzReassembly gives fragments of any numbers and lengths, four bytes each: number,
// total, length in units of 64 bytes, exchange. Beside it runs a model that keeps all
// fragments by number and knows the rules only.
func FuzzReassembly(f *testing.F) {
	f.Add(false, []byte{1, 1, 0, 0})
	f.Add(false, []byte{1, 2, 1, 0, 2, 2, 1, 0})
	f.Add(true, []byte{2, 3, 9, 0, 2, 3, 9, 0, 3, 3, 0, 0, 1, 3, 9, 0, 1, 3, 9, 0})
	f.Add(true, []byte{1, 2, 9, 0, 1, 3, 9, 0, 2, 2, 9, 0, 2, 3, 9, 0, 3, 3, 9, 0})
	f.Add(false, []byte{1, 3, 9, 0, 2, 3, 9, 1, 2, 3, 9, 0, 3, 3, 9, 0})
	f.Add(true, []byte{1, 64, 255, 0, 2, 64, 255, 0, 3, 65, 1, 0, 1, 66, 1, 0})
	var many []byte
	for i := range byte(maxFragments + 1) {
		many = append(many, i, maxFragments, 16, 0)
	}
	f.Add(false, append(many, maxFragments, maxFragments, 16, 0))
	f.Add(true, append(many, maxFragments, maxFragments, 16, 0))
	f.Fuzz(func(t *testing.T, halfOpen bool, data []byte) {
		s, limit := &sa{fragments: true, state: saEstablished}, maxWhole
		if halfOpen {
			s.state, limit = saHalfOpen, maxUnproven
		}
		var r reassembly
		model := map[int][]byte{}
		total, held, exchange := 0, 0, message.ExchangeType(0)
		for i := byte(0); len(data) >= 4; i++ {
			number, of := int(data[0]), int(data[1])
			part := bytes.Repeat([]byte{i}, int(data[2])*64)
			h := message.Header{Exchange: message.ExchangeType(data[3] % 2)}
			data = data[4:]
			if number < 1 || number > of {
				continue // not parsed
			}
			f := &message.EncryptedFragment{Number: uint16(number), Total: uint16(of), Body: make([]byte, len(part)+1+ivLen+icvLen)}
			if number == 1 {
				f.First = message.PayloadType(i)
			}
			if of > total {
				held = 0
			}
			good := of <= maxFragments && held+len(f.Body) <= limit &&
				(of > total || of == total && model[number] == nil && h.Exchange == exchange)
			if err := s.admit(&r, h, f); (err == nil) != good {
				t.Fatalf("fragment %d of %d: %v", number, of, err)
			}
			if !good {
				held = r.held
				continue
			}
			if of > total {
				model, total, exchange = map[int][]byte{}, of, h.Exchange
			}
			model[number] = part
			held += len(f.Body)
			c, whole := r.add(h, f, make([]byte, prefixLen), part)
			if whole != (len(model) == total) || r.held > limit || len(r.parts) > maxFragments {
				t.Fatalf("fragment %d of %d: whole %v with %d there, %d bytes held", number, of, whole, len(model), r.held)
			}
			if !whole {
				continue
			}
			var want []byte
			for n := 1; n <= total; n++ {
				want = append(want, model[n]...)
			}
			if !bytes.Equal(c.body, want) || len(c.prefix) != prefixLen || r.parts != nil || r.held != 0 {
				t.Fatalf("%d bytes put together, want %d", len(c.body), len(want))
			}
			model, total, held = map[int][]byte{}, 0, 0
		}
	})
}

package esp

import (
	"bytes"
	"testing"
)

// FuzzOpen feeds SAs arbitrary datagrams: only what was sealed is ever opened,
// and nothing else changes an SA or a byte outside the ciphertext.
func FuzzOpen(f *testing.F) {
	type key struct {
		suite Suite
		esn   bool
	}
	sealed := map[key]map[string][]byte{} // datagram → packet
	for _, s := range suites {
		for _, esn := range []bool{false, true} {
			k := key{s, esn}
			sealed[k] = map[string][]byte{}
			out, _ := newPair(f, s, esn)
			for _, n := range []int{0, 1, 20, 100} {
				d := mustSeal(f, out, pattern(n), 4)
				sealed[k][string(d)] = pattern(n)
				f.Add(d)
				f.Add(d[:len(d)-1])
			}
		}
	}
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0})
	f.Add(make([]byte, minDatagram))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		for k, known := range sealed {
			_, in := newPair(t, k.suite, k.esn)
			work := bytes.Clone(datagram)
			packet, next, err := in.Open(work)
			if want, ok := known[string(datagram)]; ok {
				if err != nil || next != 4 || !bytes.Equal(packet, want) {
					t.Fatalf("%v: a sealed packet opened to %x, next header %d, %v", k, packet, next, err)
				}
				continue
			}
			if err == nil {
				t.Fatalf("%v: %x was never sealed but opened", k, datagram)
			}
			openRefused(t, in, datagram, err)
		}
	})
}

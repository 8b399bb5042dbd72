package esp

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

const testSPI = 0xc0ffee01

var suites = []Suite{AES256GCM, AES128GCM, ChaCha20Poly1305}

// keymat returns keying material of the suite's length, different in every byte.
func keymat(s Suite) []byte {
	b := make([]byte, s.KeyLen())
	for i := range b {
		b[i] = byte(7*i + 3)
	}
	return b
}

func newPair(t testing.TB, s Suite, esn bool) (*Outbound, *Inbound) {
	t.Helper()
	out, err := NewOutbound(s, testSPI, keymat(s), esn)
	if err != nil {
		t.Fatal(err)
	}
	in, err := NewInbound(s, testSPI, keymat(s), esn)
	if err != nil {
		t.Fatal(err)
	}
	return out, in
}

// startAt makes the next sealed packet carry the given sequence number.
func (o *Outbound) startAt(next uint64) { o.sequence.Store(next - 1) }

// pattern returns n bytes with MaxTrailer more of capacity.
func pattern(n int) []byte {
	b := make([]byte, n, n+MaxTrailer)
	for i := range b {
		b[i] = byte(i*i + 11*i + 0x45)
	}
	return b
}

func mustSeal(t testing.TB, o *Outbound, packet []byte, nextHeader uint8) []byte {
	t.Helper()
	dst := make([]byte, SealedLen(len(packet)))
	n, err := o.Seal(dst, packet, nextHeader)
	if err != nil {
		t.Fatalf("Seal of %d bytes: %v", len(packet), err)
	}
	return dst[:n]
}

// mustOpen opens a copy of datagram and compares what is in it.
func mustOpen(t testing.TB, i *Inbound, datagram, packet []byte, nextHeader uint8) {
	t.Helper()
	got, next, err := i.Open(bytes.Clone(datagram))
	if err != nil {
		t.Fatalf("Open of %d bytes: %v", len(datagram), err)
	}
	if !bytes.Equal(got, packet) || next != nextHeader {
		t.Fatalf("opened\n%x, next header %d, want\n%x, %d", got, next, packet, nextHeader)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func forSuites(t *testing.T, f func(t *testing.T, s Suite, esn bool)) {
	for _, s := range suites {
		for _, esn := range []bool{false, true} {
			name := s.String()
			if esn {
				name += " ESN"
			}
			t.Run(name, func(t *testing.T) { f(t, s, esn) })
		}
	}
}

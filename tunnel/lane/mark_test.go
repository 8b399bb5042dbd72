package lane

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// namingSPI is an IKE message of an exchange under way that names this SPI.
func namingSPI(spi uint64, responder bool) []byte {
	m := make([]byte, 80)
	if responder {
		binary.BigEndian.PutUint64(m[8:], spi)
	} else {
		binary.BigEndian.PutUint64(m, spi)
	}
	return m
}

func TestMark(t *testing.T) {
	m, other := NewMark(), NewMark()
	r := rand.New(rand.NewPCG(1, 1))
	seen := map[uint64]bool{}
	for range 10_000 {
		spi := m.SPI(r.Uint64())
		seen[spi] = true
		for _, responder := range []bool{false, true} {
			message := namingSPI(spi, responder)
			if !m.ours(message) || !m.ours(message[:ikeHeaderLen]) {
				t.Fatalf("%016x is not known again", spi)
			}
			if m.ours(message[:ikeHeaderLen-1]) {
				t.Fatal("a message without a whole header is taken for ours")
			}
			if other.ours(message) || m.ours(namingSPI(spi^1, responder)) || m.ours(namingSPI(spi^1<<63, responder)) {
				t.Fatalf("another SPI than %016x, or of another gateway, is taken for ours", spi)
			}
		}
	}
	if len(seen) < 9_990 {
		t.Errorf("10,000 draws gave only %d SPIs", len(seen))
	}
}

// FuzzOurs: no message is too short or too odd to be looked at.
func FuzzOurs(f *testing.F) {
	m := NewMark()
	f.Add(namingSPI(m.SPI(1<<40), true))
	f.Add([]byte{0})
	f.Fuzz(func(_ *testing.T, b []byte) {
		m.ours(b)
		isInit(b)
		bringsCookie(b)
	})
}

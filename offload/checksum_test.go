package offload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestSumExampleOfRFC1071(t *testing.T) {
	// §3: 0001 + f203 + f4f5 + f6f7 = 2ddf0, folded ddf2.
	if got := Sum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}, 0); got != 0xddf2 {
		t.Errorf("Sum = %#x, want 0xddf2", got)
	}
}

// Every length up to several turns of the unrolled loop, at every alignment,
// over bytes that carry often.
func TestSumAllLengthsAndAlignments(t *testing.T) {
	all := payload(1, 600)
	ones := bytes.Repeat([]byte{0xff}, 600)
	for n := range 520 {
		for at := range 17 {
			for _, data := range [][]byte{all, ones} {
				b := data[at : at+n]
				if got, want := Sum(b, 0), referenceSum(b, 0); got != want {
					t.Fatalf("Sum of %d bytes at %d = %#x, want %#x", n, at, got, want)
				}
			}
		}
	}
}

func TestSumProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1<<16).Draw(t, "n")
		b := payload(rapid.Uint64().Draw(t, "seed"), n)
		if rapid.Bool().Draw(t, "saturated") {
			b = bytes.Repeat([]byte{0xff}, n)
		}
		initial := rapid.Uint16().Draw(t, "initial")
		want := referenceSum(b, uint32(initial))
		if got := Sum(b, initial); got != want {
			t.Fatalf("Sum of %d bytes = %#x, want %#x", n, got, want)
		}
		split := rapid.IntRange(0, n/2).Draw(t, "split") * 2
		if got := Sum(b[split:], Sum(b[:split], initial)); got != want {
			t.Fatalf("Sum in pieces of %d and %d bytes = %#x, want %#x", split, n-split, got, want)
		}
	})
}

func TestPseudoSum(t *testing.T) {
	for _, size := range []int{8, 32} {
		for _, length := range []int{0, 8, 20, 1480, 65535} {
			addresses := payload(uint64(length), size)
			pseudo := binary.BigEndian.AppendUint32(bytes.Clone(addresses), uint32(length))
			pseudo = append(pseudo, 0, 0, 0, protoTCP)
			if got, want := PseudoSum(addresses, protoTCP, length), referenceSum(pseudo, 0); got != want {
				t.Errorf("PseudoSum of %d address bytes, length %d = %#x, want %#x", size, length, got, want)
			}
		}
	}
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{20, 64, 1398, 65536} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data := payload(1, n)
			b.SetBytes(int64(n))
			var sink uint16
			for b.Loop() {
				sink += Sum(data, 0)
			}
			_ = sink
		})
	}
}

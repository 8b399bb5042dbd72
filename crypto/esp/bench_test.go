package esp

import (
	"fmt"
	"testing"
)

func benchmarkSizes(b *testing.B, f func(b *testing.B, s Suite, n int)) {
	for _, s := range suites {
		for _, n := range []int{64, 1400} {
			b.Run(fmt.Sprintf("%v/%d", s, n), func(b *testing.B) {
				b.SetBytes(int64(n))
				b.ReportAllocs()
				f(b, s, n)
			})
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, s Suite, n int) {
		out, _ := newPair(b, s, true)
		packet, dst := pattern(n), make([]byte, SealedLen(n))
		for b.Loop() {
			if _, err := out.Seal(dst, packet, 4); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpen opens a run of datagrams again and again, with the replay window
// set back in between, and so includes copying each into place.
func BenchmarkOpen(b *testing.B) {
	const run = 64
	benchmarkSizes(b, func(b *testing.B, s Suite, n int) {
		out, in := newPair(b, s, true)
		datagrams := make([][]byte, run)
		for i := range datagrams {
			datagrams[i] = mustSeal(b, out, pattern(n), 4)
		}
		work := make([]byte, SealedLen(n))
		i := 0
		for b.Loop() {
			if i == run {
				i, in.window.top = 0, 0
				clear(in.window.seen[:2])
			}
			copy(work, datagrams[i])
			if _, _, err := in.Open(work); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}

// BenchmarkOpenForged is what a forged datagram costs its receiver.
func BenchmarkOpenForged(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, s Suite, n int) {
		_, in := newPair(b, s, true)
		out, _ := newPair(b, s, false)
		datagram := mustSeal(b, out, pattern(n), 4)
		for b.Loop() {
			if _, _, err := in.Open(datagram); err != ErrAuthentication {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWindow(b *testing.B) {
	var w Window
	seq := uint64(1)
	for b.Loop() {
		if w.Check(seq) == nil {
			w.Commit(seq)
		}
		seq++
	}
}

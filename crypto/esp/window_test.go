package esp

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// reference is the plainest replay window there is.
type reference struct {
	top  uint64
	seen map[uint64]bool
}

func (r *reference) check(seq uint64) error {
	switch {
	case seq > r.top:
		return nil
	case r.top-seq >= WindowSize:
		return ErrTooOld
	case seq == 0 || r.seen[seq]:
		return ErrReplayed
	}
	return nil
}

func (r *reference) commit(seq uint64) bool {
	r.seen[seq] = true
	newest := seq > r.top
	r.top = max(r.top, seq)
	return newest
}

func TestWindowAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Window
		r := reference{seen: map[uint64]bool{}}
		// Starting points whose neighbourhood crosses block, ring and 2³² borders.
		start := rapid.SampledFrom([]uint64{0, 60, WindowSize - 3, blocks*blockBits - 5, 1<<32 - 100, 3<<32 - 5000}).Draw(t, "start")
		if start > 0 {
			w.Commit(start)
			r.commit(start)
		}
		distance := rapid.OneOf(
			rapid.Int64Range(-3, 3),
			rapid.Int64Range(-130, 130),
			rapid.Int64Range(-WindowSize-70, 2),
			rapid.Int64Range(0, 3*WindowSize),
			rapid.SampledFrom([]int64{-WindowSize - 1, -WindowSize, -WindowSize + 1, WindowSize - 1, WindowSize, WindowSize + 1, blocks * blockBits}),
		)
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			seq := uint64(max(int64(r.top)+distance.Draw(t, "distance"), 0))
			got, want := w.Check(seq), r.check(seq)
			if got != want {
				t.Fatalf("Check(%d) with top %d: %v, want %v", seq, r.top, got, want)
			}
			if got != nil {
				continue
			}
			if got, want := w.Commit(seq), r.commit(seq); got != want {
				t.Fatalf("Commit(%d): newest %v, want %v", seq, got, want)
			}
			if w.Top() != r.top {
				t.Fatalf("Top %d, want %d", w.Top(), r.top)
			}
		}
		// A bit that was set or forgotten wrongly may lie anywhere in the window.
		for back := uint64(0); back <= WindowSize+blockBits && back <= r.top; back++ {
			if got, want := w.Check(r.top-back), r.check(r.top-back); got != want {
				t.Fatalf("at the end, Check(%d) with top %d: %v, want %v", r.top-back, r.top, got, want)
			}
		}
	})
}

func TestWindowZeroValue(t *testing.T) {
	var w Window
	if err := w.Check(0); err == nil {
		t.Error("a fresh window takes sequence number 0")
	}
	for _, seq := range []uint64{1, 2, WindowSize, 1 << 33} {
		if err := w.Check(seq); err != nil {
			t.Errorf("a fresh window refuses %d: %v", seq, err)
		}
	}
}

// After a jump, nothing of a full window may be left where it was not seen.
func TestWindowJump(t *testing.T) {
	const ring = blocks * blockBits
	for _, jump := range []uint64{1, 63, 64, 65, WindowSize - 1, WindowSize, WindowSize + 1,
		ring - 65, ring - 64, ring - 1, ring, ring + 1, ring + 64, 2*ring - 64, 2 * ring, 1 << 32} {
		for filled := uint64(2 * ring); filled < 2*ring+blockBits; filled += 7 {
			var w Window
			for seq := uint64(1); seq <= filled; seq++ {
				w.Commit(seq)
			}
			top := filled + jump
			w.Commit(top)
			for seq := top - WindowSize + 1; seq <= top; seq++ {
				var want error
				if seq <= filled || seq == top {
					want = ErrReplayed
				}
				if got := w.Check(seq); got != want {
					t.Fatalf("1…%d seen, then %d: Check(%d) gives %v, want %v", filled, top, seq, got, want)
				}
			}
		}
	}
}

// Every packet comes twice and up to 4,096 places late: each is taken once.
func TestWindowDeepReordering(t *testing.T) {
	const packets, depth = 100_000, 4096
	for _, first := range []uint64{1, 1<<32 - packets/2} {
		rng := rand.New(rand.NewPCG(first, 2))
		order := make([]uint64, packets)
		for i := range order {
			order[i] = first + uint64(i)
		}
		// Shuffled within stretches of depth, nothing moves further than that.
		for i := 0; i < packets; i += depth {
			part := order[i:min(i+depth, packets)]
			rng.Shuffle(len(part), func(a, b int) { part[a], part[b] = part[b], part[a] })
		}
		var w Window
		for _, seq := range order {
			if err := w.Check(seq); err != nil {
				t.Fatalf("first sight of %d with top %d: %v", seq, w.Top(), err)
			}
			w.Commit(seq)
			if err := w.Check(seq); err != ErrReplayed {
				t.Fatalf("double of %d: %v, want ErrReplayed", seq, err)
			}
		}
	}
}

// appendixA2 is the procedure of RFC 4303 Appendix A2.1 in its own terms.
func appendixA2(top uint64, seql uint32) uint64 {
	tl, th := uint32(top), uint32(top>>32)
	bl := tl - (WindowSize - 1)
	seqh := th
	if tl >= WindowSize-1 { // Case A
		if seql < bl {
			seqh = th + 1
		}
	} else if seql >= bl { // Case B
		seqh = th - 1
	}
	return uint64(seqh)<<32 | uint64(seql)
}

func TestExtendIsAppendixA2(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Below a window's length the Appendix has negative numbers; above
		// 2⁶⁴−2³² its upper half wraps.
		top := rapid.OneOf(
			rapid.Uint64Range(WindowSize-1, 1<<40),
			rapid.Uint64Range(1<<32-2*WindowSize, 1<<32+2*WindowSize),
			rapid.Uint64Range(5<<32-2*WindowSize, 5<<32+2*WindowSize),
		).Draw(t, "top")
		low := rapid.OneOf(
			rapid.Uint32(),
			rapid.Map(rapid.Int32Range(-2*WindowSize, 2*WindowSize), func(d int32) uint32 { return uint32(top) + uint32(d) }),
		).Draw(t, "low")
		if got, want := extend(top, low), appendixA2(top, low); got != want {
			t.Fatalf("extend(%#x, %#x) = %#x, Appendix A2 gives %#x", top, low, got, want)
		}
	})
}

// Whatever the sender sent, late by less than a window or early by less than
// 2³² less a window, is inferred right; also at the very start.
func TestExtendFindsWhatWasSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := rapid.OneOf(rapid.Uint64Range(0, 3*WindowSize), rapid.Uint64Range(0, 1<<34),
			rapid.Uint64Range(1<<32-WindowSize, 1<<32+WindowSize)).Draw(t, "top")
		late := min(top, WindowSize-1)
		seq := top - late + rapid.OneOf(rapid.Uint64Range(0, 1<<32-1), rapid.Uint64Range(0, 2*WindowSize)).Draw(t, "above the bottom")
		if got := extend(top, uint32(seq)); got != seq {
			t.Fatalf("extend(%#x, %#x) = %#x, sent was %#x", top, uint32(seq), got, seq)
		}
	})
}

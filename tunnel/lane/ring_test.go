package lane

import (
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

// TestRingModel: a ring is a queue that refuses what it has no room for.
func TestRingModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRing[int](1 << rapid.IntRange(0, 4).Draw(t, "log2 of the room"))
		var model []int
		next := 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "push") {
				next++
				if ok := r.push(next); ok != (len(model) < len(r.items)) {
					t.Fatalf("push with %d in a ring of %d: %v", len(model), len(r.items), ok)
				} else if ok {
					model = append(model, next)
				}
			} else {
				got, ok := r.pop()
				if ok != (len(model) > 0) || ok && got != model[0] {
					t.Fatalf("popped %d, %v, of %v", got, ok, model)
				}
				if ok {
					model = model[1:]
				}
			}
			if r.empty() != (len(model) == 0) {
				t.Fatalf("empty is %v with %d in it", r.empty(), len(model))
			}
		}
	})
}

// TestRingBetweenGoroutines: nothing is lost, doubled or passed, and what was popped is
// not kept alive.
func TestRingBetweenGoroutines(t *testing.T) {
	values := make([]int, 100000)
	r := newRing[*int](64)
	go func() {
		for i := range values {
			for values[i] = i; !r.push(&values[i]); {
				runtime.Gosched()
			}
		}
	}()
	for i := range values {
		v, ok := r.pop()
		for ; !ok; v, ok = r.pop() {
			runtime.Gosched()
		}
		if v != &values[i] || *v != i {
			t.Fatalf("popped %d, want %d", *v, i)
		}
	}
	for _, v := range r.items {
		if v != nil {
			t.Error("the ring keeps what was popped")
		}
	}
}

// Package meter makes of counters that only ever grow what happened in the last
// seconds: waits, shares of an uplink, and what a tunnel is limited by.
//
// It is a pure package: samples and times in, figures out. The control side takes a
// sample once a second, so that the data path has no part in it.
package meter

import "time"

// Samples is how many of them a Window holds: taken once a second, five seconds lie
// between the oldest and the newest.
const Samples = 6

// Window holds the last samples of something. The zero value is empty and ready.
// It belongs to one goroutine.
type Window[T any] struct {
	at   [Samples]time.Time
	of   [Samples]T
	next int // where the next sample goes
	len  int
}

// Add takes a sample, in place of the oldest one if the window is full.
func (w *Window[T]) Add(at time.Time, sample T) {
	w.at[w.next], w.of[w.next] = at, sample
	w.next = (w.next + 1) % Samples
	w.len = min(w.len+1, Samples)
}

// Reset forgets all samples.
func (w *Window[T]) Reset() { *w = Window[T]{} }

// Len returns the number of samples.
func (w *Window[T]) Len() int { return w.len }

// At returns the i-th sample, of which 0 is the oldest. i is less than Len.
func (w *Window[T]) At(i int) *T { return &w.of[w.index(i)] }

// Ends returns the oldest and the newest sample and the time between them, which is 0
// while there are less than two; then the samples are zero values.
func (w *Window[T]) Ends() (oldest, newest *T, span time.Duration) {
	if w.len < 2 {
		return new(T), new(T), 0
	}
	first, last := w.index(0), w.index(w.len-1)
	return &w.of[first], &w.of[last], w.at[last].Sub(w.at[first])
}

func (w *Window[T]) index(i int) int { return (w.next - w.len + i + Samples) % Samples }

// grown is by how much a counter has grown; 0 if it was set back, as when a tunnel
// was given to another queue.
func grown[N uint64 | time.Duration](from, to N) N {
	if to < from {
		return 0
	}
	return to - from
}

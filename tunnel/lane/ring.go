package lane

import "sync/atomic"

// cacheLine keeps what two processors write apart.
type cacheLine [64]byte

// ring is a bounded queue from one goroutine, which pushes, to another, which pops.
// Neither waits for the other.
type ring[T any] struct {
	items []T // a power of two of them
	_     cacheLine
	head  atomic.Uint64 // popped ever
	_     cacheLine
	tail  atomic.Uint64 // pushed ever
	_     cacheLine
}

// newRing returns a ring with room for so many, a power of two.
func newRing[T any](room int) *ring[T] { return &ring[T]{items: make([]T, room)} }

// push returns false if there is no room.
func (r *ring[T]) push(v T) bool {
	tail := r.tail.Load()
	if tail-r.head.Load() == uint64(len(r.items)) {
		return false
	}
	r.items[tail&uint64(len(r.items)-1)] = v
	r.tail.Store(tail + 1)
	return true
}

// pop returns false if there is nothing.
func (r *ring[T]) pop() (v T, ok bool) {
	head := r.head.Load()
	if head == r.tail.Load() {
		return v, false
	}
	at := &r.items[head&uint64(len(r.items)-1)]
	v, *at = *at, v // the ring keeps nothing alive
	r.head.Store(head + 1)
	return v, true
}

// empty may be asked by either side.
func (r *ring[T]) empty() bool { return r.head.Load() == r.tail.Load() }

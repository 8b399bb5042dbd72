package ike

import (
	"container/heap"
	"time"
)

// timer is one thing to do at a time. It may be set again while set.
type timer struct {
	at    time.Time
	order uint64 // of two timers for the same time the one set first fires first
	index int    // in the heap plus one; 0: not set
	fire  func()
}

func (t *timer) isSet() bool { return t.index > 0 }

// timers is a heap of the timers that are set.
type timers struct {
	heap  []*timer
	order uint64
}

func (ts *timers) set(t *timer, at time.Time) {
	ts.order++
	t.at, t.order = at, ts.order
	if t.isSet() {
		heap.Fix(ts, t.index-1)
		return
	}
	heap.Push(ts, t)
}

func (ts *timers) stop(t *timer) {
	if t.isSet() {
		heap.Remove(ts, t.index-1)
	}
}

// due takes out the next timer that is to fire at now, or gives nil.
func (ts *timers) due(now time.Time) *timer {
	if len(ts.heap) == 0 || ts.heap[0].at.After(now) {
		return nil
	}
	return heap.Pop(ts).(*timer)
}

// next is when the next timer fires, or zero.
func (ts *timers) next() time.Time {
	if len(ts.heap) == 0 {
		return time.Time{}
	}
	return ts.heap[0].at
}

// Len, Less, Swap, Push and Pop are heap.Interface.

func (ts *timers) Len() int { return len(ts.heap) }

func (ts *timers) Less(i, j int) bool {
	a, b := ts.heap[i], ts.heap[j]
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	return a.order < b.order
}

func (ts *timers) Swap(i, j int) {
	ts.heap[i], ts.heap[j] = ts.heap[j], ts.heap[i]
	ts.heap[i].index, ts.heap[j].index = i+1, j+1
}

func (ts *timers) Push(x any) {
	t := x.(*timer)
	ts.heap = append(ts.heap, t)
	t.index = len(ts.heap)
}

func (ts *timers) Pop() any {
	last := len(ts.heap) - 1
	t := ts.heap[last]
	ts.heap[last] = nil
	ts.heap = ts.heap[:last]
	t.index = 0
	return t
}

package lane

import "sync/atomic"

// Budget is the memory that the queues of an uplink may hold on all lanes together. A lane
// has half of an even part for itself, and borrows from the rest in steps, so that one lane
// alone has most of it, and none is left without. Any goroutine may use it.
type Budget struct {
	own  int          // bytes that each lane has without asking
	free atomic.Int64 // bytes to be borrowed
}

// borrowStep is how much of it is borrowed at a time: a lane that is busy does so some times
// a second.
const borrowStep = 8 * bigSlot

// NewBudget divides bytes of memory among so many lanes. Each has room for one superpacket
// at least.
func NewBudget(bytes, lanes int) *Budget {
	b := &Budget{own: max(bytes/(2*lanes), bigSlot)}
	b.free.Store(int64(max(bytes-lanes*b.own, 0)))
	return b
}

func (b *Budget) borrow() bool {
	if b.free.Add(-borrowStep) >= 0 {
		return true
	}
	b.free.Add(borrowStep) // another lane may have been refused meanwhile, and asks again
	return false
}

// borrowFor makes room for so many more bytes in u's queue, as far as the budget has it.
func (u *Uplink) borrowFor(bytes int) {
	for u.budget != nil && u.queue.Memory()+bytes > u.limit && u.budget.borrow() {
		u.limit += borrowStep
		u.queue.SetLimit(u.limit)
	}
}

// repay gives back what u's queue does not need any more. What it holds goes up and down by
// less than two steps all the time.
func (u *Uplink) repay() {
	if u.budget == nil || u.limit == u.budget.own || u.queue.Memory() > u.limit-2*borrowStep && u.queue.Memory() > 0 {
		return
	}
	before := u.limit
	for u.limit > u.budget.own && u.queue.Memory() <= u.limit-borrowStep {
		u.limit -= borrowStep
	}
	u.budget.free.Add(int64(before - u.limit))
	u.queue.SetLimit(u.limit)
}

package lane

import (
	"sync/atomic"

	"vpngw/offload/tun"
)

// The kernel gives a flow's packets to the TUN queue on which a packet of that flow was
// written last. So when a tunnel has moved, its flows change queues one by one, while
// earlier packets of theirs may still wait in the queue of the lane before. What then comes
// off the new lane's queue is held until the lane before has read its own empty.

// fence is how a lane asks another to empty its TUN queue. Numbers only grow.
type fence struct {
	want atomic.Uint64 // set by who asks
	done atomic.Uint64 // set by who is asked

	// Of who is asked.
	seen  uint64 // the request that it is at, or was
	reads uint64 // of its TUN when it saw that
}

func (f *fence) asked() bool { return f.want.Load() != f.done.Load() }

// passed is up to which request the queue has been emptied, and what was in it handed over.
func (f *fence) passed() uint64 { return f.done.Load() }

// beginFences looks for requests, before the TUN is read.
func (l *Lane) beginFences() {
	for _, k := range l.in {
		if k == nil {
			continue
		}
		f := &k.fence
		if f.seen != f.done.Load() {
			continue
		}
		if want := f.want.Load(); want != f.seen {
			f.seen, f.reads = want, l.tunCount
			l.tunReady = l.tun != nil // as of the last poll it may have been empty
		}
	}
}

// endFences answers requests after the TUN was read, when it is empty or everything was
// read that can have been in it.
func (l *Lane) endFences() {
	for i, k := range l.in {
		if k == nil {
			continue
		}
		f := &k.fence
		if f.seen != f.done.Load() && (!l.tunReady || l.tun == nil || l.tunCount-f.reads >= tun.DefaultTxQueueLen) {
			f.done.Store(f.seen)
			l.wakes |= 1 << i
		}
	}
}

// askFences asks for the fences that packets read in this turn wait for.
func (l *Lane) askFences() {
	for i, k := range l.out {
		if l.fencing&(1<<i) != 0 {
			k.fence.want.Add(1)
		}
	}
	l.wakes |= l.fencing
	l.fencing = 0
}

// inOrder keeps a packet off this lane's own TUN queue, of a tunnel that is coming or has
// just come, until those before it have been handled.
func (l *Lane) inOrder(m *move, h handed) {
	switch {
	case !m.arrived:
		l.detain(m, h, 0)
	case m.last != 0:
		l.detain(m, h, m.last)
	default:
		l.detain(m, h, l.nextFence(m.from))
	}
}

// nextFence is the number of the request that this turn makes of another lane.
func (l *Lane) nextFence(of *Lane) uint64 {
	l.fencing |= 1 << of.index
	return l.out[of.index].fence.want.Load() + 1
}

// afterFence handles what waited for the fences of a lane up to passed.
func (l *Lane) afterFence(from *Lane, passed uint64) {
	for _, m := range l.coming {
		if m.from != from || !m.arrived {
			continue
		}
		n := 0
		for n < len(m.held) && m.held[n].fence <= passed {
			l.handle(m.held[n].handed)
			n++
		}
		m.held = append(m.held[:0], m.held[n:]...)
		switch {
		case m.last == 0 && l.now >= m.until:
			m.last = l.nextFence(from)
		case m.last != 0 && m.last <= passed:
			l.settled(m)
		}
	}
}

// fencePassed tells whether something that waits for a fence may go on.
func (l *Lane) fencePassed(k *link) bool {
	for _, m := range l.coming {
		next := m.last
		if len(m.held) > 0 {
			next = m.held[0].fence
		}
		if m.from == k.to && m.arrived && next != 0 && next <= k.fence.passed() {
			return true
		}
	}
	return false
}

// Package relay is a bad wire: it passes UDP datagrams on between two ends with loss, delay, duplication, reordering and
// corruption, each datagram by itself and reproducibly from a seed. A kernel's own emulation treats a train of datagrams that
// were sent in one call as one packet, which this does not.
//
// [Line] is one direction as a pure decision; [Relay] is the pair of sockets around two of them.
package relay

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// Profile says what a direction does to datagrams. The zero Profile is a perfect wire. Shares are between 0 and 1 and apply
// to each datagram independently.
type Profile struct {
	Loss      float64       // share lost
	Duplicate float64       // share delivered twice
	Corrupt   float64       // share with one bit inverted
	Reorder   float64       // share held back by HoldBack, so that later ones overtake it
	HoldBack  time.Duration // 0: 2 ms
	Delay     time.Duration // of every datagram
	Jitter    time.Duration // added to the delay, uniform from 0; datagrams may overtake one another
	MTU       int           // of the wire, in bytes of IPv4: what is longer is lost without a word, be it in fragments or whole; 0: none
}

// around is the bytes of an IPv4 packet around a datagram.
const around = 20 + 8

// defaultHoldBack is some hundred datagrams at the rates of a lab.
const defaultHoldBack = 2 * time.Millisecond

// Counts tell what became of the datagrams of one direction. Received + Duplicated = Lost + TooLong + delivered +
// waiting.
type Counts struct{ Received, Lost, Duplicated, Corrupted, Reordered, TooLong uint64 }

// Line is one direction. It takes time and datagrams in and gives datagrams out; one goroutine at a time may use it.
type Line struct {
	random  *rand.Rand
	waiting queue
	pushed  uint64
	counts  Counts
}

// NewLine makes a direction whose decisions depend on the seed, and on nothing else but the order and times of its datagrams.
func NewLine(seed uint64) *Line {
	return &Line{random: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}
}

// Push takes a datagram. The line keeps a copy; b is the caller's again afterwards.
func (l *Line) Push(now time.Time, p Profile, b []byte) {
	l.counts.Received++
	// Always the same number of draws, so that one share does not change the decisions about another.
	lost, twice, corrupt, reorder := l.draw(p.Loss), l.draw(p.Duplicate), l.draw(p.Corrupt), l.draw(p.Reorder)
	bit, jitter1, jitter2 := l.random.Float64(), l.random.Float64(), l.random.Float64()
	if p.MTU != 0 && len(b)+around > p.MTU {
		l.counts.TooLong++
		return
	}
	if lost {
		l.counts.Lost++
		return
	}
	own := append([]byte(nil), b...)
	if corrupt && len(own) > 0 {
		l.counts.Corrupted++
		i := int(bit * float64(len(own)*8))
		own[i/8] ^= 1 << (i % 8)
	}
	due := now.Add(p.Delay)
	if reorder {
		l.counts.Reordered++
		hold := p.HoldBack
		if hold == 0 {
			hold = defaultHoldBack
		}
		due = due.Add(hold)
	}
	l.add(due.Add(fraction(p.Jitter, jitter1)), own)
	if twice {
		l.counts.Duplicated++
		l.add(due.Add(fraction(p.Jitter, jitter2)), own)
	}
}

func (l *Line) draw(share float64) bool { return l.random.Float64() < share }

func fraction(d time.Duration, f float64) time.Duration { return time.Duration(float64(d) * f) }

func (l *Line) add(due time.Time, b []byte) {
	heap.Push(&l.waiting, waiting{due, l.pushed, b})
	l.pushed++
}

// Pop gives the next datagram that is due, or nil. The caller must not change it: a duplicate may share its bytes.
func (l *Line) Pop(now time.Time) []byte {
	if len(l.waiting) == 0 || l.waiting[0].due.After(now) {
		return nil
	}
	return heap.Pop(&l.waiting).(waiting).bytes
}

// Due is when the next datagram can be popped; ok is false if none waits.
func (l *Line) Due() (t time.Time, ok bool) {
	if len(l.waiting) == 0 {
		return time.Time{}, false
	}
	return l.waiting[0].due, true
}

// Counts tells what became of the datagrams so far.
func (l *Line) Counts() Counts { return l.counts }

type waiting struct {
	due   time.Time
	order uint64 // of arrival, so that equal times keep it
	bytes []byte
}

// queue is a heap by due time.
type queue []waiting

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].order < q[j].order
	}
	return q[i].due.Before(q[j].due)
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(waiting)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = waiting{}
	*q = (*q)[:last]
	return w
}

package fairness

import "time"

// Defaults.
const (
	DefaultLimit      = 64 << 20
	DefaultClassLimit = 16 << 20
	DefaultSlice      = 250 * time.Microsecond
	DefaultTarget     = 5 * time.Millisecond   // RFC 8289 §4.3
	DefaultInterval   = 100 * time.Millisecond // RFC 8289 §4.3
)

const (
	// maxSlice holds a superpacket of 64 KiB with what ESP adds to its segments.
	maxSlice   = 80 << 10
	maxQuantum = 64 << 10
	minQuantum = 1514
	maxDebt    = 32 << 10

	idleAfter   = int64(time.Second) // an empty class keeps its table so long
	maxFreeSets = 4096               // 5 MB
)

// Config is what a queue is made with. Zero values are defaults.
type Config struct {
	Limit    int           // bytes of memory that packets may hold, over all classes
	Rate     uint64        // bits per second on the wire; 0: not shaped
	FIFO     bool          // for comparison: first in, first out over all classes, tail drop, no slices, no AQM
	Slice    time.Duration // what a slice may take at the rate
	Target   time.Duration // of CoDel
	Interval time.Duration // of CoDel
}

// Queue serves the classes of one uplink. It belongs to one goroutine. Every now that it
// is given is a time in nanoseconds, > 0, that never goes back.
type Queue[T any] struct {
	limit                int
	fifo                 bool
	sliceTime            int64
	targetTime, interval int64

	now     int64
	memory  int
	packets int
	classes int
	arrived uint64 // packets ever

	rounds  [kinds]list[Class[T]]
	weight  int    // of the classes in the bulk round
	clock   uint64 // virtual time: see clockShift
	slice   int    // bytes on the wire
	quantum int    // bytes on the wire that a weight of 1 may send in a round
	debt    int    // bytes that a class may owe before its new flows wait as bulk

	uplink   shaper
	inflight inflight
	holding  hold
	heldFrom int64

	heaps     [heaps]classHeap[T]
	grown     *Class[T] // the class that may be over its limit
	refused   *Node[T]  // FIFO: an arrival without room
	idle      list[Class[T]]
	freeSets  *set[T]
	freeCount int

	counters QueueCounters
}

// NewQueue returns a queue without classes.
func NewQueue[T any](c Config) *Queue[T] {
	q := &Queue[T]{
		limit:      c.Limit,
		fifo:       c.FIFO,
		sliceTime:  int64(c.Slice),
		targetTime: int64(c.Target),
		interval:   int64(c.Interval),
	}
	if q.limit <= 0 {
		q.limit = DefaultLimit
	}
	if q.sliceTime <= 0 {
		q.sliceTime = int64(DefaultSlice)
	}
	if q.targetTime <= 0 {
		q.targetTime = int64(DefaultTarget)
	}
	if q.interval <= 0 {
		q.interval = int64(DefaultInterval)
	}
	for k := range kinds {
		q.rounds[k].init()
	}
	q.idle.init()
	for i := range q.heaps {
		q.heaps[i].which = i
	}
	q.inflight.init()
	q.SetRate(0, c.Rate)
	return q
}

// SetRate changes the uplink's rate in bits per second on the wire; 0: not shaped.
func (q *Queue[T]) SetRate(now int64, rate uint64) {
	q.uplink.set(now, rate)
	q.tune()
}

// tune fits sizes to the uplink's rate, or to the in-flight limit if that is all that is
// known of it.
func (q *Queue[T]) tune() {
	if q.uplink.rate != 0 {
		q.slice = q.sliceAt(q.uplink.rate)
	} else {
		q.slice = min(q.inflight.limit/2, maxSlice)
	}
	q.quantum = min(max(q.slice, minQuantum), maxQuantum)
	q.debt = min(max(4*q.slice, 2*minQuantum), maxDebt)
	if q.inflight.floor = minInFlight; q.uplink.rate != 0 {
		q.inflight.floor = max(2*q.slice, 2*minQuantum)
	} else {
		q.debt += q.slice // which bulk may overdraw
	}
}

func (q *Queue[T]) sliceAt(rate uint64) int { return max(bytesIn(rate, q.sliceTime, maxSlice), 1) }

// SetLimit changes the bytes of memory that packets may hold, over all classes. A lower
// limit than what they hold already counts from the next Evict on.
func (q *Queue[T]) SetLimit(limit int) { q.limit = limit }

// Memory returns the bytes of memory that what waits in all classes holds.
func (q *Queue[T]) Memory() int { return q.memory }

// Len returns how many packets wait in all classes.
func (q *Queue[T]) Len() int { return q.packets }

// Counters returns the queue's counters, which any goroutine may read.
func (q *Queue[T]) Counters() *QueueCounters { return &q.counters }

// Enqueue puts a packet into c. A bound may then be exceeded: the caller calls Evict, and
// drops what it returns, until that is nil.
func (q *Queue[T]) Enqueue(now int64, c *Class[T], n *Node[T], p Packet) {
	q.now = now
	p.Segments, p.Wire, p.LastWire = max(p.Segments, 1), max(p.Wire, 1), max(p.LastWire, 1)
	if p.Segments == 1 {
		p.Wire = p.LastWire
	}
	q.arrived++
	n.packet, n.next, n.arrived, n.waited, n.number = p, nil, now, -1, q.arrived
	q.giveIdle()

	f := &c.line
	if q.fifo {
		if q.memory+p.Memory > q.limit {
			q.refused, n.flow = n, f
			return
		}
	} else {
		f = q.flowOf(c, p.Flow)
	}
	n.flow = f
	f.used = q.arrived
	if f.tail == nil {
		f.head = n
	} else {
		f.tail.next = n
	}
	f.tail = n
	wire := n.wire(p.Segments)
	f.backlog += wire
	f.memory += p.Memory
	c.memory += p.Memory
	q.memory += p.Memory
	c.packets++
	q.packets++
	if c.idle.linked() {
		q.idle.remove(&c.idle)
	}
	q.grow(c, f)
	if !q.held(c) && !c.shaper.open(now) {
		q.throttle(c)
	}
	switch {
	case q.fifo:
		c.counters.Kind[Bulk].Backlog.Add(int64(wire))
		q.joinLine(c)
	case f.listed:
		c.counters.Kind[f.kind].Backlog.Add(int64(wire))
	default:
		q.activate(f)
	}
}

// pop takes out the first packet of a flow, with what is left of it.
func (q *Queue[T]) pop(f *flow[T]) *Node[T] {
	n, c := f.head, f.class
	if rest := n.packet.Segments; rest > 0 {
		wire := n.wire(rest)
		f.backlog -= wire
		c.counters.Kind[f.kind].Backlog.Add(int64(-wire))
	}
	if f.head = n.next; f.head == nil {
		f.tail = nil
	}
	n.next, n.flow = nil, nil
	m := n.packet.Memory
	f.memory -= m
	c.memory -= m
	q.memory -= m
	c.packets--
	q.packets--
	switch {
	case q.fifo:
		q.moveLine(c)
	case f.head == nil:
		q.deactivate(f)
	}
	if c.packets == 0 {
		if q.heaps[byRelease].has(c) {
			q.heaps[byRelease].remove(c)
		}
		c.idleAt = q.now
		q.idle.pushBack(&c.idle)
	}
	if q.packets == 0 {
		q.clock += uint64(q.debt) << clockShift // whatever is owed, nobody is there to be paid
	}
	return n
}

// giveIdle takes the table from a class that has been empty for long.
func (q *Queue[T]) giveIdle() {
	if q.idle.len == 0 {
		return
	}
	if c := q.idle.front(); q.now-c.idleAt > idleAfter {
		q.idle.remove(&c.idle)
		q.giveSets(c)
	}
}

// Cancel takes the whole packet of a slice out, since it cannot be sent. Nothing of the
// slice counts as sent.
func (q *Queue[T]) Cancel(s Slice[T]) *Node[T] { return q.pop(s.Node.flow) }

// Flush takes one packet of c out; nil if there is none.
func (q *Queue[T]) Flush(c *Class[T]) *Node[T] {
	switch {
	case c.packets == 0:
		return nil
	case q.fifo:
		return q.pop(&c.line)
	case c.flows[Sparse].len > 0:
		return q.pop(c.flows[Sparse].front())
	}
	return q.pop(c.flows[Bulk].front())
}

// Package fairness decides whose packet is sent next and whose is dropped.
//
// It is a pure package: sizes in, decisions out. It holds no bytes of any
// packet, does no I/O, reads no clock and allocates nothing after set-up.
//
//	           ┌ class A ▮▮▮▮▮▮ ┐
//	Enqueue ──▶│ class B ▮      │──▶ Next, Used: deficit round robin by bytes × weight
//	           └ class C  (blocked: keeps its place, is passed over)
//
// A class is one tunnel. Its packets wait whole, as superpackets, and are used
// up in slices: Next tells which packet is at the front and how many bytes of it
// may go now, Used how many did. A class that cannot send (its socket is full)
// is blocked and costs the others nothing.
//
// The memory of what waits is bounded in bytes, in all and per class. When a bound
// is hit, the class that holds the most pays, from the head of its queue, so that
// an arrival of a class under its share is never the one to be dropped.
package fairness

// DefaultQuantum is the bytes a class of weight 1 may send in a round: about one
// superpacket.
const DefaultQuantum = 64 << 10

// Node links one waiting packet into a queue. It is embedded in, or kept beside,
// the packet that Value leads back to, and is in at most one queue.
type Node[T any] struct {
	Value T
	size  int // bytes still to be sent
	cost  int // bytes of memory
	next  *Node[T]
}

// Class is one tunnel's waiting packets. Its owner is the goroutine of its
// Queue. Use NewClass.
type Class[T any] struct {
	weight  int
	limit   int
	memory  int
	count   int
	deficit int

	head, tail *Node[T]

	// A class with packets and not blocked is in the ring.
	ringNext, ringPrev *Class[T]
	blocked            bool
	// Classes with packets, blocked or not, are where the fattest is looked for.
	fullNext, fullPrev *Class[T]
}

// NewClass returns an empty class. Its share is weight (≥ 1) beside the other
// classes' weights; it may hold limit bytes of memory.
func NewClass[T any](weight, limit int) *Class[T] {
	return &Class[T]{weight: max(weight, 1), limit: limit}
}

// Memory returns the bytes held by what waits in the class.
func (c *Class[T]) Memory() int { return c.memory }

// Len returns how many packets wait in the class.
func (c *Class[T]) Len() int { return c.count }

// Queue serves the classes of one uplink. It belongs to one goroutine.
type Queue[T any] struct {
	limit   int
	quantum int
	memory  int
	current *Class[T] // ring of classes that can be served; current is served now
	full    *Class[T] // list of classes with packets
}

// NewQueue returns a queue that holds at most limit bytes of memory over all classes.
// quantum is the bytes a class of weight 1 sends per round; 0 means DefaultQuantum.
func NewQueue[T any](limit, quantum int) *Queue[T] {
	if quantum <= 0 {
		quantum = DefaultQuantum
	}
	return &Queue[T]{limit: limit, quantum: quantum}
}

// Memory returns the bytes held by what waits in all classes.
func (q *Queue[T]) Memory() int { return q.memory }

// Enqueue puts a packet at the end of c that has size bytes to send and holds cost
// bytes of memory. A bound may then be
// exceeded: the caller calls Evict, and drops what it returns, until that is nil.
func (q *Queue[T]) Enqueue(c *Class[T], n *Node[T], size, cost int) {
	n.size, n.cost, n.next = size, cost, nil
	if c.tail == nil {
		c.head = n
		q.linkFull(c)
	} else {
		c.tail.next = n
	}
	c.tail = n
	c.memory += cost
	c.count++
	q.memory += cost
	if !c.blocked && c.ringNext == nil {
		c.deficit = q.quantum * c.weight
		q.linkRing(c)
	}
}

// Evict takes out one packet while a bound is exceeded, and nil otherwise. c is
// the class that Enqueue was called for. If c is over its own limit its oldest
// packet goes, else the oldest of the class that holds the most for its weight.
func (q *Queue[T]) Evict(c *Class[T]) (*Class[T], *Node[T]) {
	switch {
	case c.memory > c.limit:
	case q.memory > q.limit:
		c = q.fattest()
	default:
		return nil, nil
	}
	return c, q.pop(c)
}

// Next returns the class to be served, the packet at its front and how many
// bytes of it may be sent now (always > 0). It returns nil when nothing can be
// sent. Until Used, Pop or Block has been called it returns the same.
func (q *Queue[T]) Next() (c *Class[T], n *Node[T], allowance int) {
	for c = q.current; c != nil; c = q.current {
		if c.deficit > 0 {
			return c, c.head, c.deficit
		}
		c.deficit += q.quantum * c.weight
		q.current = c.ringNext
	}
	return nil, nil, 0
}

// Used says that size bytes of c's front packet were sent: they count against the
// class's share. A packet with nothing left to send is then to be taken out by Pop.
func (q *Queue[T]) Used(c *Class[T], size int) {
	c.deficit -= size
	c.head.size -= size
}

// Pop takes out c's front packet, spent or not.
func (q *Queue[T]) Pop(c *Class[T]) *Node[T] { return q.pop(c) }

// Block passes c over until Unblock. It keeps its packets.
func (q *Queue[T]) Block(c *Class[T]) {
	c.blocked = true
	if c.ringNext != nil {
		q.unlinkRing(c)
	}
}

// Unblock lets c be served again.
func (q *Queue[T]) Unblock(c *Class[T]) {
	c.blocked = false
	if c.head != nil && c.ringNext == nil {
		c.deficit = q.quantum * c.weight
		q.linkRing(c)
	}
}

// Blocked tells whether c is passed over.
func (q *Queue[T]) Blocked(c *Class[T]) bool { return c.blocked }

func (q *Queue[T]) pop(c *Class[T]) *Node[T] {
	n := c.head
	if n == nil {
		return nil
	}
	c.head = n.next
	c.memory -= n.cost
	c.count--
	q.memory -= n.cost
	n.next = nil
	if c.head == nil {
		c.tail = nil
		q.unlinkFull(c)
		if c.ringNext != nil {
			q.unlinkRing(c)
		}
	}
	return n
}

func (q *Queue[T]) fattest() *Class[T] {
	var worst *Class[T]
	for c := q.full; c != nil; c = c.fullNext {
		if worst == nil || c.memory*worst.weight > worst.memory*c.weight {
			worst = c
		}
	}
	return worst
}

// linkRing puts c at the end of the round, behind all that wait already.
func (q *Queue[T]) linkRing(c *Class[T]) {
	if q.current == nil {
		c.ringNext, c.ringPrev = c, c
		q.current = c
		return
	}
	at := q.current
	c.ringNext, c.ringPrev = at, at.ringPrev
	at.ringPrev.ringNext = c
	at.ringPrev = c
}

func (q *Queue[T]) unlinkRing(c *Class[T]) {
	if c.ringNext == c {
		q.current = nil
	} else {
		if q.current == c {
			q.current = c.ringNext
		}
		c.ringNext.ringPrev, c.ringPrev.ringNext = c.ringPrev, c.ringNext
	}
	c.ringNext, c.ringPrev = nil, nil
}

func (q *Queue[T]) linkFull(c *Class[T]) {
	c.fullNext, c.fullPrev = q.full, nil
	if q.full != nil {
		q.full.fullPrev = c
	}
	q.full = c
}

func (q *Queue[T]) unlinkFull(c *Class[T]) {
	if c.fullPrev != nil {
		c.fullPrev.fullNext = c.fullNext
	} else {
		q.full = c.fullNext
	}
	if c.fullNext != nil {
		c.fullNext.fullPrev = c.fullPrev
	}
	c.fullNext, c.fullPrev = nil, nil
}

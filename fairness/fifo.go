package fairness

// The FIFO that the queue can be instead, for comparison. Each class has one line, and the
// line whose first packet came first is served.

// joinLine lets a class with packets compete, unless it is held.
func (q *Queue[T]) joinLine(c *Class[T]) {
	if c.line.head != nil && !q.held(c) {
		q.heaps[byArrival].set(c, int64(c.line.head.number))
	}
}

// moveLine puts a class where it belongs after its first packet has left.
func (q *Queue[T]) moveLine(c *Class[T]) {
	if c.line.head == nil && q.heaps[byArrival].has(c) {
		q.heaps[byArrival].remove(c)
		return
	}
	q.joinLine(c)
}

func (q *Queue[T]) nextInLine() Slice[T] {
	c := q.heaps[byArrival].top().class
	n := c.line.head
	return Slice[T]{Class: c, Node: n, Verdict: Send, Segments: n.packet.Segments}
}

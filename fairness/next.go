package fairness

// Next decides what is to be done now. If its verdict is not Nothing, Done or Cancel must
// follow before any other call that changes the queue.
func (q *Queue[T]) Next(now int64) Slice[T] {
	q.now = now
	q.endHold()
	q.release(now)
	if !q.ready() || q.holds() {
		return Slice[T]{}
	}
	if q.fifo {
		return q.nextInLine()
	}
	for q.rounds[Sparse].len > 0 {
		c := q.rounds[Sparse].front()
		f := c.flows[Sparse].front()
		alone := q.alone(c)
		if q.settle(c); c.deficit <= -q.debt && !alone {
			q.demote(f)
			continue
		}
		room := sparseAllowance - f.spent
		if alone && c.flows[Sparse].len+c.flows[Bulk].len == 1 {
			room = q.slice
		}
		return q.cut(f, room)
	}
	return q.nextBulk()
}

// ready tells whether there is a packet that only the uplink may hold back.
func (q *Queue[T]) ready() bool {
	return q.rounds[Sparse].len+q.rounds[Bulk].len+q.heaps[byArrival].len() > 0
}

func (q *Queue[T]) nextBulk() Slice[T] {
	c := q.rounds[Bulk].front()
	if q.rounds[Bulk].len == 1 {
		c.deficit = max(c.deficit, q.slice)
	}
	for c.deficit <= 0 {
		c.deficit += q.quantum * c.weight
		q.rounds[Bulk].rotate()
		c = q.rounds[Bulk].front()
	}
	c.deficit = min(c.deficit, max(q.quantum*c.weight, q.slice)) // the rate may have been higher
	flows := &c.flows[Bulk]
	f := flows.front()
	if flows.len == 1 {
		f.deficit = max(f.deficit, q.slice)
	}
	for f.deficit <= 0 {
		f.deficit += q.quantum
		flows.rotate()
		f = flows.front()
	}
	f.deficit = min(f.deficit, max(q.quantum, q.slice))
	room := min(c.deficit, f.deficit)
	if q.uplink.rate == 0 {
		room = q.slice // cut at a deficit, a superpacket would take several slices
	}
	s := q.cut(f, room)
	if n := s.Node; q.congested(n) {
		if s.Mark = n.packet.ECN; !s.Mark {
			s.Verdict, s.Segments = Drop, 1
		}
	}
	return s
}

// cut is a slice of the flow's first packet: at most what the rate lets go in one, and no
// whole segment more than room.
func (q *Queue[T]) cut(f *flow[T], room int) Slice[T] {
	n, c := f.head, f.class
	wire := n.packet.Wire
	slice := q.slice
	if c.shaper.rate != 0 {
		slice = min(slice, q.sliceAt(c.shaper.rate))
	}
	segments := min(max(slice/wire, 1), (room+wire-1)/wire, n.packet.Segments)
	return Slice[T]{Class: c, Node: n, Verdict: Send, Segments: segments}
}

// congested asks CoDel about the packet at the head of a bulk flow.
func (q *Queue[T]) congested(n *Node[T]) bool {
	f := n.flow
	waited := n.waited
	if waited < 0 {
		waited = q.now - n.arrived
	}
	if f.head == f.tail && n.packet.Segments == 1 {
		waited = 0 // the last one
	}
	return f.codel.judge(q.now, waited, q.target(n), q.interval)
}

// target is the wait that CoDel tolerates: at low rates, one and a half segments at the
// share of the flow.
func (q *Queue[T]) target(n *Node[T]) int64 {
	c := n.flow.class
	rate, others := q.uplink.rate, q.weight*c.flows[Bulk].len/c.weight
	if own := c.shaper.rate; own != 0 && (rate == 0 || own < rate) {
		rate, others = own, c.flows[Bulk].len
	}
	if rate == 0 {
		return q.targetTime
	}
	bytes := min(n.packet.Wire*others, 1<<29) // no overflow
	return max(q.targetTime, int64(uint64(bytes)*(bitNanos*3/2)/rate))
}

// Done says that so many segments of a slice were taken, sent or dropped as the verdict
// was; fewer than those of the slice, or none, if no more could be. It returns true when
// the packet is spent: its node has left the queue.
func (q *Queue[T]) Done(s Slice[T], segments int) (spent bool) {
	if s.Verdict == Nothing || segments <= 0 {
		return false
	}
	n, c := s.Node, s.Class
	segments = min(segments, n.packet.Segments)
	f := n.flow
	k := &c.counters.Kind[f.kind]
	bytes := n.wire(segments)
	wait := q.now - n.arrived
	if n.waited < 0 {
		n.waited = wait
	}
	if s.Verdict == Drop {
		k.Drops.Add(uint64(segments))
	} else {
		k.sent(segments, bytes, wait)
		q.charge(f, n.arrived, bytes)
	}
	if s.Mark {
		k.Marks.Add(1)
	}
	if s.Mark || s.Verdict == Drop {
		f.codel.acted(q.now, q.interval)
	}
	k.Backlog.Add(int64(-bytes))
	f.backlog -= bytes
	if n.packet.Segments -= segments; n.packet.Segments == 0 {
		q.pop(f)
		spent = true
	}
	q.turn(c, f)
	return spent
}

// charge makes a flow, its class and the uplink pay for bytes that were sent, of a packet
// that arrived then.
func (q *Queue[T]) charge(f *flow[T], arrived int64, bytes int) {
	c := f.class
	if f.kind == Sparse {
		f.spent = min(f.spent+bytes, 2*sparseAllowance)
	} else {
		f.deficit -= bytes
	}
	if c.rounds[Bulk].linked() {
		c.deficit -= bytes
		q.clock += uint64(bytes) << clockShift / uint64(q.weight)
	} else if !q.alone(c) {
		c.deficit -= bytes
	}
	c.shaper.sent(q.now, arrived, bytes)
	q.uplink.sent(q.now, arrived, bytes)
	q.inflight.sent(bytes)
}

// turn ends the turn of what was served.
func (q *Queue[T]) turn(c *Class[T], f *flow[T]) {
	if f.listed && f.kind == Sparse {
		if f.spent >= sparseAllowance {
			q.demote(f)
		} else {
			c.flows[Sparse].rotate()
		}
	}
	if c.rounds[Sparse].linked() {
		q.rounds[Sparse].rotate() // it is the first, since it was served
	}
	if c.packets > 0 && !c.shaper.open(q.now) && !q.heaps[byRelease].has(c) {
		q.throttle(c)
	}
}

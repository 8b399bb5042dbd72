package fairness

// Evict takes out a victim while a bound is exceeded, and returns nil otherwise: while the
// class that Enqueue or SetClass was called for last is over its own limit, the first packet of its
// fattest flow; while all are over the queue's, that of the fattest flow of the class that
// holds the most memory for its weight. So the arrival of a flow under its share is never
// dropped. A FIFO's victim is the arrival.
func (q *Queue[T]) Evict() (*Class[T], *Node[T]) {
	if q.fifo {
		return q.evictArrival()
	}
	c := q.grown
	if c == nil || c.memory <= c.limit {
		q.grown = nil
		if q.memory <= q.limit {
			return nil, nil
		}
		c = q.fattestClass()
	}
	f := c.fattestFlow()
	c.counters.Kind[f.kind].Overload.Add(uint64(f.head.packet.Segments))
	return c, q.pop(f)
}

func (q *Queue[T]) evictArrival() (*Class[T], *Node[T]) {
	n := q.refused
	if n == nil {
		return nil, nil
	}
	q.refused = nil
	c := n.flow.class
	n.flow = nil
	c.counters.Kind[Bulk].Overload.Add(uint64(n.packet.Segments))
	return c, n
}

func (c *Class[T]) fatness() int64 { return int64(c.memory<<8) / int64(c.weight) }

// grow notes that a flow has got a packet. The heap of the fattest is kept lazily: a key
// is never less than what its class holds, and is made true when it comes to the top. So
// it costs next to nothing as long as nothing must be evicted.
func (q *Queue[T]) grow(c *Class[T], f *flow[T]) {
	q.grown = c
	h := &q.heaps[byMemory]
	if fat := -c.fatness(); !h.has(c) || fat < h.key(c) {
		h.set(c, fat)
	}
	if c.fattest != nil && f != c.fattest && f.memory > c.second {
		c.fattest = nil
	}
}

func (q *Queue[T]) fattestClass() *Class[T] {
	h := &q.heaps[byMemory]
	for {
		top := h.top()
		fat := -top.class.fatness()
		if top.key == fat {
			return top.class
		}
		h.set(top.class, fat)
	}
}

// fattestFlow looks through the table only when the flow that it found the last time is
// the fattest no more.
func (c *Class[T]) fattestFlow() *flow[T] {
	if f := c.fattest; f != nil && f.head != nil && f.memory >= c.second {
		return f
	}
	var fattest *flow[T]
	c.second = 0
	for k := range c.flows {
		l := &c.flows[k]
		for e := l.root.next; e != &l.root; e = e.next {
			switch f := e.owner; {
			case fattest == nil || f.memory > fattest.memory:
				if fattest != nil {
					c.second = fattest.memory
				}
				fattest = f
			case f.memory > c.second:
				c.second = f.memory
			}
		}
	}
	c.fattest = fattest
	return fattest
}

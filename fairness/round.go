package fairness

// clockShift is the fraction bits of the virtual clock. It counts the bytes that each unit
// of weight in the bulk round was served.
const clockShift = 16

// clockBytes turns a span of virtual time into bytes for a weight of 1.
func clockBytes(span uint64) int { return int(min(span>>clockShift, 1<<30)) }

// settle pays a class out of the bulk round what it would have been served in it: back to
// no debt, or to a whole quantum if it has bulk that was held back.
func (q *Queue[T]) settle(c *Class[T]) {
	if c.rounds[Bulk].linked() {
		return
	}
	top := 0
	if c.flows[Bulk].len > 0 {
		top = q.quantum * c.weight
	}
	if gained := clockBytes(q.clock-c.stamp) * c.weight; gained > 0 {
		if c.deficit < top {
			c.deficit = min(c.deficit+gained, top)
		}
		c.stamp = q.clock
	}
}

// activate puts a flow that has got its first packet into a list.
func (q *Queue[T]) activate(f *flow[T]) {
	c := f.class
	q.settle(c)
	f.regain(q.clock)
	f.listed = true
	if f.spent < sparseAllowance && c.deficit > -q.debt {
		q.list(f, Sparse)
	} else {
		q.list(f, Bulk)
	}
}

// list puts a flow at the end of its class's list of that kind, with all it may send in
// a round, and the class into the round.
func (q *Queue[T]) list(f *flow[T], k Kind) {
	c := f.class
	f.kind = k
	f.deficit = min(f.deficit, 0) + q.quantum
	c.flows[k].pushBack(&f.link)
	c.counters.Kind[k].Backlog.Add(int64(f.backlog))
	if c.flows[k].len > 1 || q.held(c) {
		return
	}
	q.rounds[k].pushBack(&c.rounds[k])
	if k == Bulk {
		q.weight += c.weight
		c.deficit += q.quantum * c.weight // on top of its debts only: see unlist
	}
}

// unlist takes a flow out of its list, and its class out of the round if it was the last.
func (q *Queue[T]) unlist(f *flow[T]) {
	c, k := f.class, f.kind
	c.flows[k].remove(&f.link)
	c.counters.Kind[k].Backlog.Add(int64(-f.backlog))
	if c.flows[k].len > 0 {
		return
	}
	if c.rounds[k].linked() {
		q.leaveRound(c, k)
	}
	if k == Bulk {
		c.deficit = min(c.deficit, 0)
	}
}

// demote makes a sparse flow wait as bulk.
func (q *Queue[T]) demote(f *flow[T]) {
	q.unlist(f)
	q.list(f, Bulk)
}

// deactivate takes out a flow that has no packets any more.
func (q *Queue[T]) deactivate(f *flow[T]) {
	q.unlist(f)
	if f.kind == Bulk {
		f.spent, f.stamp = sparseAllowance, q.clock
	}
	f.listed, f.shared = false, false
	f.codel = codel{}
}

func (q *Queue[T]) leaveRound(c *Class[T], k Kind) {
	q.rounds[k].remove(&c.rounds[k])
	if k == Bulk {
		q.weight -= c.weight
		c.stamp = q.clock
	}
}

func (q *Queue[T]) leaveRounds(c *Class[T]) {
	for k := range kinds {
		if c.rounds[k].linked() {
			q.leaveRound(c, k)
		}
	}
	if q.fifo && q.heaps[byArrival].has(c) {
		q.heaps[byArrival].remove(c)
	}
}

// joinRounds puts a class that may be served again where it has something to send. If it
// got less than its share it is served first, so that it can reach a rate of its own that
// is below its share.
func (q *Queue[T]) joinRounds(c *Class[T]) {
	if q.held(c) {
		return
	}
	if q.fifo {
		q.joinLine(c)
		return
	}
	if c.flows[Sparse].len > 0 {
		q.rounds[Sparse].pushBack(&c.rounds[Sparse])
	}
	if c.flows[Bulk].len == 0 {
		return
	}
	q.settle(c)
	if c.deficit > 0 {
		q.rounds[Bulk].pushFront(&c.rounds[Bulk])
	} else {
		c.deficit += q.quantum * c.weight
		q.rounds[Bulk].pushBack(&c.rounds[Bulk])
	}
	q.weight += c.weight
}

// alone tells whether no other class waits for its turn.
func (q *Queue[T]) alone(c *Class[T]) bool {
	others := q.rounds[Sparse].len + q.rounds[Bulk].len
	for k := range kinds {
		if c.rounds[k].linked() {
			others--
		}
	}
	return others == 0
}

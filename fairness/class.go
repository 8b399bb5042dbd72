package fairness

// ClassConfig is what a class is made with. Zero values are defaults.
type ClassConfig struct {
	Weight int    // share beside the other classes' weights; default 1
	Limit  int    // bytes of memory that its packets may hold; default DefaultClassLimit
	Rate   uint64 // bits per second on the wire; 0: no limit of its own
}

// Class is one tunnel's waiting packets. It is made by Queue.NewClass; its methods are
// for the goroutine of its Queue, but for Counters.
type Class[T any] struct {
	weight int
	limit  int
	shaper shaper

	memory  int
	packets int
	flows   [kinds]list[flow[T]]
	sets    [sets]*set[T]
	fattest *flow[T] // when it was looked for the last time; no other flow holds more than
	second  int      // this

	// deficit is the bytes that it may send in this round. It is negative when more was
	// sent, as sparse flows may; out of the round it is paid back with virtual time.
	deficit int
	stamp   uint64 // virtual time of the deficit, out of the round

	blocked   bool
	removed   bool
	blockedAt int64
	idleAt    int64
	idle      link[Class[T]]        // among the classes that have no packets but a table
	rounds    [kinds]link[Class[T]] // among the classes that may send packets of this kind
	place     [heaps]int            // index + 1
	line      flow[T]               // FIFO

	counters ClassCounters
}

// Memory returns the bytes of memory that what waits in the class holds.
func (c *Class[T]) Memory() int { return c.memory }

// Len returns how many packets wait in the class.
func (c *Class[T]) Len() int { return c.packets }

// Counters returns the class's counters, which any goroutine may read.
func (c *Class[T]) Counters() *ClassCounters { return &c.counters }

// NewClass returns an empty class of q.
func (q *Queue[T]) NewClass(config ClassConfig) *Class[T] {
	c := new(Class[T])
	c.idle.owner, c.line.class, c.line.kind = c, c, Bulk
	for k := range kinds {
		c.flows[k].init()
		c.rounds[k].owner = c
	}
	c.set(q.now, config)
	c.stamp = q.clock
	q.classes++
	for i := range q.heaps {
		q.heaps[i].grow(q.classes)
	}
	return c
}

// SetClass changes a class. A bound may then be exceeded: see Evict.
func (q *Queue[T]) SetClass(now int64, c *Class[T], config ClassConfig) {
	q.now = now
	inRound := c.rounds[Bulk].linked()
	if inRound {
		q.weight -= c.weight
	}
	c.set(now, config)
	if inRound {
		q.weight += c.weight
	}
	if q.heaps[byMemory].has(c) {
		q.heaps[byMemory].set(c, -c.fatness())
	}
	if q.heaps[byRelease].has(c) {
		q.heaps[byRelease].remove(c)
		q.resume(c)
	}
	q.grown = c
}

func (c *Class[T]) set(now int64, config ClassConfig) {
	c.weight = max(config.Weight, 1)
	if c.limit = config.Limit; c.limit <= 0 {
		c.limit = DefaultClassLimit
	}
	c.shaper.set(now, config.Rate)
}

// Remove forgets a class. Its packets must have been taken out, by Flush.
func (q *Queue[T]) Remove(c *Class[T]) {
	if c.removed {
		return
	}
	c.removed = true
	q.leaveRounds(c)
	for i := range q.heaps {
		if q.heaps[i].has(c) {
			q.heaps[i].remove(c)
		}
	}
	if c.idle.linked() {
		q.idle.remove(&c.idle)
	}
	if q.grown == c {
		q.grown = nil
	}
	q.giveSets(c)
	q.classes--
}

// Block passes c over until Unblock, since its socket is full. It keeps its packets.
func (q *Queue[T]) Block(c *Class[T]) {
	if c.blocked {
		return
	}
	c.blocked = true
	c.blockedAt = q.now
	c.counters.BlockedSince.Store(q.now)
	q.leaveRounds(c)
	if q.heaps[byRelease].has(c) {
		q.heaps[byRelease].remove(c)
	}
}

// Unblock lets c be served again.
func (q *Queue[T]) Unblock(c *Class[T]) {
	if !c.blocked {
		return
	}
	c.blocked = false
	c.counters.BlockedSince.Store(0)
	c.counters.Blocked.Add(q.now - c.blockedAt)
	q.resume(c)
}

// Blocked tells whether c is passed over because of Block.
func (q *Queue[T]) Blocked(c *Class[T]) bool { return c.blocked }

// resume lets a class that is not blocked be served, now or when its shaper is open.
func (q *Queue[T]) resume(c *Class[T]) {
	if c.packets > 0 && !c.shaper.open(q.now) {
		q.throttle(c)
	} else {
		q.joinRounds(c)
	}
}

// throttle passes c over until its own shaper is open.
func (q *Queue[T]) throttle(c *Class[T]) {
	q.leaveRounds(c)
	c.counters.Throttled.Add(c.shaper.at - q.now)
	q.heaps[byRelease].set(c, c.shaper.at)
}

// release lets throttled classes whose time has come be served again.
func (q *Queue[T]) release(now int64) {
	for h := &q.heaps[byRelease]; h.len() > 0 && h.top().key <= now; {
		c := h.top().class
		h.remove(c)
		q.joinRounds(c)
	}
}

// held tells whether c may not be served although it has packets.
func (q *Queue[T]) held(c *Class[T]) bool { return c.blocked || q.heaps[byRelease].has(c) }

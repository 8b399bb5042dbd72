package fairness

const (
	ways = 8
	sets = 32

	// sparseAllowance is the bytes that a flow may send ahead of bulk: the quantum of
	// RFC 8290 §5.2.2.
	sparseAllowance = 1514
)

// flow is one flow's waiting packets, or those of flows that share a place in the table.
type flow[T any] struct {
	link    link[flow[T]] // in its class's list of its kind
	kind    Kind
	listed  bool // it has packets, and so is in a list
	shared  bool // it holds packets of flows that found no place of their own
	class   *Class[T]
	head    *Node[T]
	tail    *Node[T]
	memory  int
	backlog int    // bytes on the wire
	deficit int    // bulk: bytes that it may send in this round
	spent   int    // bytes of sparseAllowance that are used up,
	stamp   uint64 // as of this virtual time
	used    uint64 // number of the last arrival
	codel   codel
}

// set is the places of the flows whose hashes fall together.
type set[T any] struct {
	tags  [ways]uint32 // 0: never used
	flows [ways]flow[T]
	next  *set[T] // while it is in no class
}

// flowOf finds the flow of a hash in c's set-associative table, or a place for it.
func (q *Queue[T]) flowOf(c *Class[T], hash uint64) *flow[T] {
	s := c.sets[hash%sets]
	if s == nil {
		s = q.takeSet(c)
		c.sets[hash%sets] = s
	}
	tag := uint32(hash>>32) | 1
	for i := range s.tags {
		if s.tags[i] == tag {
			return &s.flows[i]
		}
	}
	// As long as packets of this flow may wait in a place that it shares, the next ones
	// follow them there, lest they overtake.
	home := &s.flows[tag>>1%ways]
	if home.shared {
		return home
	}
	oldest := -1
	for i := range s.flows {
		if !s.flows[i].listed && (oldest < 0 || s.flows[i].used < s.flows[oldest].used) {
			oldest = i
		}
	}
	if oldest < 0 {
		home.shared = true
		return home
	}
	f := &s.flows[oldest]
	s.tags[oldest] = tag
	f.spent, f.deficit = 0, 0
	return f
}

func (q *Queue[T]) takeSet(c *Class[T]) *set[T] {
	s := q.freeSets
	if s == nil {
		s = new(set[T])
	} else {
		q.freeSets = s.next
		q.freeCount--
		*s = set[T]{}
	}
	for i := range s.flows {
		f := &s.flows[i]
		f.class, f.link.owner = c, f
	}
	return s
}

// giveSets takes the table away from a class without packets.
func (q *Queue[T]) giveSets(c *Class[T]) {
	c.fattest = nil
	for i, s := range c.sets {
		if s == nil {
			continue
		}
		c.sets[i] = nil
		if q.freeCount < maxFreeSets {
			s.next = q.freeSets
			q.freeSets = s
			q.freeCount++
		}
	}
}

// regain gives a flow back what its share of the virtual time since was of its
// allowance.
func (f *flow[T]) regain(clock uint64) {
	c := f.class
	gained := clockBytes(clock-f.stamp) * c.weight / max(c.flows[Bulk].len, 1)
	if gained > 0 {
		f.spent = max(f.spent-gained, 0)
		f.stamp = clock
	}
}

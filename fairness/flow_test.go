package fairness

import (
	"testing"
	"time"
	"unsafe"
)

// put enqueues a packet of so many full segments.
func put(q *Queue[int], now int64, c *Class[int], hash uint64, segments int) *Node[int] {
	n := new(Node[int])
	q.Enqueue(now, c, n, Packet{Flow: hash, Segments: segments, Wire: 1500, LastWire: 1500, Memory: 1000})
	return n
}

// sendAll serves until nothing can be sent now, and returns bytes by class.
func sendAll(q *Queue[int], now int64) map[*Class[int]]int {
	sent := map[*Class[int]]int{}
	for {
		s := q.Next(now)
		if s.Verdict == Nothing {
			return sent
		}
		if s.Verdict == Send {
			sent[s.Class] += s.Node.wire(s.Segments)
		}
		q.Done(s, s.Segments)
	}
}

// inSet returns the hash of the i-th of flows that fall into one set of the table.
func inSet(i int) uint64 { return uint64(i)<<33 | 3 }

// A flow that shares a place stays there until it is empty, though another place becomes
// free: its packets must not overtake.
func TestSharedPlaceKeepsOrder(t *testing.T) {
	q := NewQueue[int](Config{})
	c := q.NewClass(ClassConfig{})
	for i := range ways {
		put(q, 1, c, inSet(i), 1)
	}
	stranger := inSet(ways + 4)
	shared := put(q, 1, c, stranger, 1).flow
	if shared != c.sets[3].flowAt(stranger) {
		t.Fatal("a flow without a place does not share that of its tag")
	}
	for q.Len() > 0 { // until a place is free, but not the shared one
		if q.Done(q.Next(1), 1); shared.listed {
			if n := put(q, 1, c, stranger, 1); n.flow != shared {
				t.Fatal("a packet left the flow that its predecessors wait in")
			}
			break
		}
	}
	sendAll(q, 1)
	if n := put(q, 1, c, stranger, 1); n.flow.shared {
		t.Fatal("a flow still shares a place although all are free")
	}
}

// flowAt is the place that a flow shares.
func (s *set[T]) flowAt(hash uint64) *flow[T] { return &s.flows[(uint32(hash>>32)|1)>>1%ways] }

// The place that was not used for longest is taken, so that what is known of the others'
// flows is kept.
func TestOldestPlaceIsTaken(t *testing.T) {
	q := NewQueue[int](Config{})
	c := q.NewClass(ClassConfig{})
	var at [ways]*flow[int]
	for i := range ways {
		at[i] = put(q, 1, c, inSet(i), 1).flow
		sendAll(q, 1)
	}
	put(q, 1, c, inSet(0), 1)
	sendAll(q, 1)
	if f := put(q, 1, c, inSet(ways), 1).flow; f != at[1] {
		t.Error("a new flow did not take the oldest place")
	}
	if f := put(q, 1, c, inSet(0), 1).flow; f != at[0] {
		t.Error("a flow lost its place to a newer one")
	}
}

// A class that is empty for long gives its table to others, and nothing leads back to it.
func TestTablesAreGivenBack(t *testing.T) {
	q := NewQueue[int](Config{})
	a, b := q.NewClass(ClassConfig{Limit: 2500}), q.NewClass(ClassConfig{})
	for i := range 4 {
		put(q, 1, a, inSet(i), 1)
	}
	q.Evict() // a knows its fattest flow
	sendAll(q, 1)
	table := a.sets[3]
	later := 2*idleAfter + 1
	if put(q, later, b, inSet(0), 1); a.sets[3] != nil || b.sets[3] != table {
		t.Fatal("the table of an idle class was not given to another")
	}
	for i := range 4 {
		put(q, later, b, inSet(i), 1)
	}
	for i := range 3 {
		put(q, later, a, inSet(i), 1)
	}
	if c, _ := q.Evict(); c != a {
		t.Fatal("another class pays for the one over its limit")
	}
	if a.Len() != 2 || b.Len() != 5 {
		t.Fatalf("%d and %d packets wait, want 2 and 5", a.Len(), b.Len())
	}
}

// bulkOf fills a class with flows of bulk.
func bulkOf(q *Queue[int], c *Class[int], flows int) {
	for i := range flows * 50 {
		put(q, 1, c, uint64(i%flows+1)*0x9e3779b97f4a7c15, 44)
	}
}

// However many new flows a tunnel begins at once, what goes ahead of the others' bulk is
// bounded.
func TestNewFlowsAheadOfBulkAreBounded(t *testing.T) {
	q := NewQueue[int](Config{Rate: 1e8})
	bulk, scan := q.NewClass(ClassConfig{}), q.NewClass(ClassConfig{})
	bulkOf(q, bulk, 2)
	now := int64(time.Second)
	sendAll(q, now)
	for i := range 250 {
		put(q, now, scan, uint64(i)*0x9e3779b97f4a7c15, 1)
	}
	ahead := 0
	for {
		s := q.Next(now)
		if s.Verdict == Nothing {
			now = q.Wake()
			continue
		}
		if s.Class == bulk {
			break
		}
		ahead += s.Node.wire(s.Segments)
		q.Done(s, s.Segments)
	}
	// Its debt, and what its turn in the bulk round is worth.
	if most := q.debt + q.quantum + 2*1500; ahead > most {
		t.Errorf("%d bytes of new flows went ahead, want ≤ %d", ahead, most)
	}
}

// A flow that is empty now and then but takes its full share is not sparse.
func TestEmptyFlowDoesNotBecomeSparse(t *testing.T) {
	q := NewQueue[int](Config{Rate: 1e8})
	bulk, pulse := q.NewClass(ClassConfig{}), q.NewClass(ClassConfig{})
	bulkOf(q, bulk, 4)
	sent := map[*Class[int]]int{}
	for now := int64(1); now < int64(400*time.Millisecond); now = q.Wake() {
		for s := q.Next(now); s.Verdict != Nothing; s = q.Next(now) {
			if s.Verdict == Send {
				sent[s.Class] += s.Node.wire(s.Segments)
			}
			q.Done(s, s.Segments)
			if pulse.Len() == 0 { // again, the moment it is empty
				put(q, now, pulse, 7, 3)
			}
		}
	}
	k := &pulse.Counters().Kind
	sparse, all := k[Sparse].Bytes.Load(), k[Sparse].Bytes.Load()+k[Bulk].Bytes.Load()
	if float64(sparse) > .02*float64(all) {
		t.Errorf("%d of %d bytes went ahead as sparse", sparse, all)
	}
	if r := float64(sent[pulse]) / float64(sent[bulk]); r < .9 || r > 1.05 {
		t.Errorf("a tunnel that is often empty has %.3f of the other's bytes", r)
	}
}

// What a tunnel sent while nobody else wanted to is not held against it.
func TestNoDebtFromIdleTimes(t *testing.T) {
	q := NewQueue[int](Config{Rate: 1e8})
	quiet, loud := q.NewClass(ClassConfig{}), q.NewClass(ClassConfig{})
	now := int64(1)
	for i := range 1000 {
		now += int64(time.Millisecond)
		if n := put(q, now, quiet, uint64(i%50)<<33, 1); n.flow.kind != Sparse {
			t.Fatal("a packet waits as bulk although its tunnel's debts are of idle times")
		}
		put(q, now, loud, uint64(i%50)<<33, 1)
		sendAll(q, now)
		now += int64(time.Millisecond)
		sendAll(q, now)
	}
}

// Where whole superpackets are served, one that overdraws its class makes no debt of its
// sparse flows.
func TestOverdraftOfBulkIsNoDebt(t *testing.T) {
	q := NewQueue[int](Config{})
	a, b := q.NewClass(ClassConfig{}), q.NewClass(ClassConfig{})
	bulkOf(q, a, 1)
	bulkOf(q, b, 1)
	for range 4 { // they begin sparse
		s := q.Next(2)
		q.Done(s, s.Segments)
	}
	lowest := 0
	for i := range 60 {
		s := q.Next(2)
		q.Done(s, s.Segments)
		lowest = min(lowest, a.deficit)
		n := put(q, 2, a, uint64(i)<<33, 1)
		if n.flow.kind != Sparse {
			t.Fatalf("a new flow of a tunnel with a deficit of %d waits as bulk", a.deficit)
		}
		s = q.Next(2)
		if s.Node != n {
			t.Fatal("a sparse packet waits for bulk")
		}
		q.Done(s, 1)
	}
	if lowest > -maxDebt {
		t.Errorf("the deficit was never below %d: nothing tested", lowest)
	}
}

// What a round was worth at a higher rate is not spent at a lower one.
func TestRateFallsWithinARound(t *testing.T) {
	q := NewQueue[int](Config{Rate: 1e9})
	heavy, other := q.NewClass(ClassConfig{Weight: 50}), q.NewClass(ClassConfig{})
	bulkOf(q, heavy, 2)
	bulkOf(q, other, 2)
	now := int64(1)
	for turn := false; !turn; { // until it is in the middle of its turn
		s := q.Next(now)
		turn = s.Class == heavy && s.Node.flow.kind == Bulk
		if q.Done(s, s.Segments); s.Verdict == Nothing {
			now = q.Wake()
		}
	}
	if heavy.deficit < 40*q.quantum {
		t.Fatalf("a deficit of %d: nothing tested", heavy.deficit)
	}
	q.SetRate(now, 1e6)
	run := 0
	for {
		s := q.Next(now)
		if s.Verdict == Nothing {
			now = q.Wake()
			continue
		}
		if s.Class == other {
			break
		}
		run += s.Node.wire(s.Segments)
		q.Done(s, s.Segments)
	}
	if most := 50*q.quantum + 1500; run > most {
		t.Errorf("%d bytes of one tunnel in a row, want ≤ %d", run, most)
	}
}

// The memory that a tunnel's table may take.
func TestTableSize(t *testing.T) {
	if size := sets * unsafe.Sizeof(set[*int]{}); size > 64<<10 {
		t.Errorf("a full table takes %d bytes", size)
	}
	if size := unsafe.Sizeof(Class[*int]{}); size > 2<<10 {
		t.Errorf("a class without a table takes %d bytes", size)
	}
}

package fairness

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drain serves whole packets until nothing can be sent and returns bytes by class.
func drain(q *Queue[int], budget int) map[*Class[int]]int {
	sent := map[*Class[int]]int{}
	for budget > 0 {
		c, n, allowance := q.Next()
		if c == nil {
			break
		}
		take := min(n.size, allowance)
		q.Used(c, take)
		if n.size == 0 {
			q.Pop(c)
		}
		sent[c] += take
		budget -= take
	}
	return sent
}

func fill(q *Queue[int], c *Class[int], packets, size int) {
	for i := range packets {
		q.Enqueue(c, &Node[int]{Value: i}, size, size)
	}
}

func TestSharesFollowWeights(t *testing.T) {
	q := NewQueue[int](1<<30, 0)
	a, b, c := NewClass[int](1, 1<<30), NewClass[int](3, 1<<30), NewClass[int](1, 1<<30)
	fill(q, a, 2000, 60000)
	fill(q, b, 2000, 64000)
	fill(q, c, 90000, 1400)
	sent := drain(q, 100<<20)
	total := sent[a] + sent[b] + sent[c]
	for class, want := range map[*Class[int]]float64{a: .2, b: .6, c: .2} {
		if got := float64(sent[class]) / float64(total); got < want-.01 || got > want+.01 {
			t.Errorf("class of weight %d got %.3f of the bytes, want %.3f", class.weight, got, want)
		}
	}
}

func TestBlockedClassCostsOthersNothing(t *testing.T) {
	q := NewQueue[int](1<<30, 0)
	a, b := NewClass[int](1, 1<<30), NewClass[int](1, 1<<30)
	fill(q, a, 10, 60000)
	fill(q, b, 10, 60000)
	q.Block(a)
	if sent := drain(q, 1<<30); sent[a] != 0 || sent[b] != 600000 {
		t.Fatalf("sent %d of the blocked class and %d of the other", sent[a], sent[b])
	}
	q.Unblock(a)
	if sent := drain(q, 1<<30); sent[a] != 600000 {
		t.Fatalf("after Unblock %d bytes were sent, want all 600000", sent[a])
	}
}

func TestFattestPays(t *testing.T) {
	q := NewQueue[int](1000, 0)
	fat, thin := NewClass[int](1, 10000), NewClass[int](1, 10000)
	fill(q, fat, 10, 100)
	q.Enqueue(thin, &Node[int]{Value: -1}, 100, 100)
	c, n := q.Evict(thin)
	if c != fat || n.Value != 0 {
		t.Fatalf("evicted %v of the thin class: %v; want the oldest of the fat one", n.Value, c == thin)
	}
	if c, _ := q.Evict(thin); c != nil {
		t.Fatal("evicted once more although the bound holds again")
	}
}

// TestModel runs random scripts against a plain model: order inside a class,
// nothing lost or doubled, bounds kept after eviction, bytes accounted, no class
// served while blocked, and work conserved.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(100, 5000).Draw(t, "limit")
		q := NewQueue[int](limit, rapid.IntRange(1, 500).Draw(t, "quantum"))
		type model struct {
			c       *Class[int]
			waiting []int // values in order
		}
		var ms []*model
		for range rapid.IntRange(1, 4).Draw(t, "classes") {
			ms = append(ms, &model{c: NewClass[int](rapid.IntRange(1, 3).Draw(t, "weight"), rapid.IntRange(100, 3000).Draw(t, "class limit"))})
		}
		find := func(c *Class[int]) *model {
			return ms[slices.IndexFunc(ms, func(m *model) bool { return m.c == c })]
		}
		take := func(c *Class[int], n *Node[int]) {
			m := find(c)
			if len(m.waiting) == 0 || m.waiting[0] != n.Value {
				t.Fatalf("got %d, the class waits with %v", n.Value, m.waiting)
			}
			m.waiting = m.waiting[1:]
		}
		value := 0
		t.Repeat(map[string]func(*rapid.T){
			"enqueue": func(t *rapid.T) {
				m := rapid.SampledFrom(ms).Draw(t, "class")
				q.Enqueue(m.c, &Node[int]{Value: value}, rapid.IntRange(1, 99).Draw(t, "size"), rapid.IntRange(1, 99).Draw(t, "cost"))
				m.waiting = append(m.waiting, value)
				value++
				for {
					c, n := q.Evict(m.c)
					if c == nil {
						break
					}
					take(c, n)
				}
				if q.Memory() > limit || m.c.Memory() > m.c.limit {
					t.Fatalf("%d bytes of %d wait, %d of %d in the class", q.Memory(), limit, m.c.Memory(), m.c.limit)
				}
			},
			"serve": func(t *rapid.T) {
				c, n, allowance := q.Next()
				if c == nil {
					for _, m := range ms {
						if len(m.waiting) > 0 && !q.Blocked(m.c) {
							t.Fatal("nothing to serve although a class waits")
						}
					}
					return
				}
				if q.Blocked(c) || allowance <= 0 {
					t.Fatalf("served a class that is blocked (%v) or may send %d bytes", q.Blocked(c), allowance)
				}
				q.Used(c, min(n.size, rapid.IntRange(1, 200).Draw(t, "slice")))
				if n.size == 0 {
					take(c, q.Pop(c))
				}
			},
			"block":   func(t *rapid.T) { q.Block(rapid.SampledFrom(ms).Draw(t, "class").c) },
			"unblock": func(t *rapid.T) { q.Unblock(rapid.SampledFrom(ms).Draw(t, "class").c) },
			"": func(t *rapid.T) {
				sum := 0
				for _, m := range ms {
					if m.c.Len() != len(m.waiting) {
						t.Fatalf("class says %d packets, model %d", m.c.Len(), len(m.waiting))
					}
					bytes := 0
					for n := m.c.head; n != nil; n = n.next {
						bytes += n.cost
					}
					if bytes != m.c.Memory() {
						t.Fatalf("class says %d bytes, its packets have %d", m.c.Memory(), bytes)
					}
					sum += bytes
				}
				if sum != q.Memory() {
					t.Fatalf("queue says %d bytes, its classes have %d", q.Memory(), sum)
				}
			},
		})
	})
}

func TestNoAllocation(t *testing.T) {
	q := NewQueue[int](1<<20, 0)
	c, n := NewClass[int](1, 1<<20), &Node[int]{}
	if got := testing.AllocsPerRun(100, func() {
		q.Enqueue(c, n, 1000, 1000)
		q.Evict(c)
		class, _, _ := q.Next()
		q.Used(class, 1000)
		q.Pop(class)
	}); got != 0 {
		t.Errorf("%v allocations per packet", got)
	}
}

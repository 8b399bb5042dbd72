package fairness

import "testing"

var superpacket = Packet{Segments: 44, Wire: 1490, LastWire: 1490, Memory: 65920}

// cycle is the life of a superpacket in one slice.
func cycle(q *Queue[int], now int64, c *Class[int], n *Node[int], flow uint64) {
	p := superpacket
	p.Flow = flow
	q.Enqueue(now, c, n, p)
	q.Evict()
	for {
		s := q.Next(now)
		if s.Verdict == Nothing || q.Done(s, s.Segments) {
			return
		}
	}
}

// No packet may cost an allocation, neither of the first nor of a new flow, neither alone
// nor in a full queue: once as many flows as ever wait have waited.
func TestNoAllocation(t *testing.T) {
	for _, c := range []Config{{}, {Rate: 1e8}, {FIFO: true}, {Limit: 100 * 65920}} {
		q := NewQueue[int](c)
		var classes []*Class[int]
		for range 20 {
			classes = append(classes, q.NewClass(ClassConfig{Limit: 10 * 65920}))
		}
		throttled := q.NewClass(ClassConfig{Rate: 1e6, Limit: 10 * 65920})
		now, spare := int64(1), []*Node[int]{}
		for range 2000 {
			spare = append(spare, new(Node[int]))
		}
		step := func() {
			for i := range 20 {
				now += 400_000
				p := superpacket
				p.Flow = uint64(now) * 0x9e3779b97f4a7c15
				class := classes[i]
				if i == 7 {
					class = throttled
				}
				n := spare[len(spare)-1]
				spare = spare[:len(spare)-1]
				q.Enqueue(now, class, n, p)
				for {
					_, n := q.Evict()
					if n == nil {
						break
					}
					spare = append(spare, n)
				}
				q.InFlight(now, i%2*1000, 0)
				for {
					s := q.Next(now)
					if s.Verdict == Nothing {
						break
					}
					if q.Done(s, s.Segments) {
						spare = append(spare, s.Node)
					}
				}
				if i%10 == 0 {
					q.Block(class)
				} else if i%10 == 5 {
					q.Unblock(classes[i/10*10])
				}
			}
		}
		for range 2000 {
			step()
		}
		if n := testing.AllocsPerRun(100, step); n != 0 {
			t.Errorf("%+v: %v allocations in 20 packets", c, n)
		}
	}
}

func BenchmarkAlone(b *testing.B) {
	q := NewQueue[int](Config{})
	c, n := q.NewClass(ClassConfig{}), new(Node[int])
	for i := range b.N {
		cycle(q, int64(i+1), c, n, 1)
	}
}

// In each of four tunnels four flows have something waiting, so that each slice is decided
// by deficits and CoDel.
func BenchmarkCompeting(b *testing.B) {
	for _, tunnels := range []int{4, 1000} {
		b.Run(map[int]string{4: "4", 1000: "1000"}[tunnels], func(b *testing.B) {
			q := NewQueue[*Class[int]](Config{Limit: 1 << 40})
			p := superpacket
			for range tunnels {
				c := q.NewClass(ClassConfig{Limit: 1 << 40})
				for i := range 16 {
					p.Flow = uint64(i%4) * 0x9e3779b97f4a7c15
					q.Enqueue(1, c, &Node[*Class[int]]{}, p)
				}
			}
			slices := 0
			b.ResetTimer()
			for i := range b.N {
				now := int64(i + 2)
				for {
					s := q.Next(now)
					spent := q.Done(s, s.Segments)
					slices++
					if spent {
						p.Flow = s.Node.packet.Flow
						q.Enqueue(now, s.Class, s.Node, p)
						q.Evict()
						break
					}
				}
			}
			b.ReportMetric(float64(slices)/float64(b.N), "slices/op")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(slices), "ns/slice")
		})
	}
}

// A flood of small packets of ever new flows into a full queue of many tunnels.
func BenchmarkOverload(b *testing.B) {
	q := NewQueue[int](Config{Limit: 32 << 20, Rate: 1e6})
	var classes []*Class[int]
	for range 5000 {
		classes = append(classes, q.NewClass(ClassConfig{}))
	}
	p := Packet{Segments: 1, Wire: 130, LastWire: 130, Memory: 2048}
	spare := []*Node[int]{}
	b.ResetTimer()
	for i := range b.N {
		n := new(Node[int])
		if len(spare) > 0 {
			n = spare[len(spare)-1]
			spare = spare[:len(spare)-1]
		}
		p.Flow = uint64(i) * 0x9e3779b97f4a7c15
		c := classes[i%2]
		if i%4 == 0 {
			c = classes[uint64(i)*0x9e3779b97f4a7c15>>32%5000]
		}
		q.Enqueue(int64(i+1), c, n, p)
		for {
			_, n := q.Evict()
			if n == nil {
				break
			}
			spare = append(spare, n)
		}
	}
}

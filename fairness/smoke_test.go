package fairness

import "testing"

func TestSmoke(t *testing.T) {
	for _, fifo := range []bool{false, true} {
		q := NewQueue[int](Config{FIFO: fifo})
		a, b := q.NewClass(ClassConfig{}), q.NewClass(ClassConfig{Rate: 1e6})
		for i := range 20 {
			p := Packet{Flow: uint64(i % 3), Segments: 44, Wire: 1490, LastWire: 700, Memory: 65536}
			q.Enqueue(1, a, &Node[int]{Value: i}, p)
			q.Enqueue(1, b, &Node[int]{Value: i}, p)
		}
		now := int64(1)
		sent := map[*Class[int]]int{}
		for q.Len() > 0 {
			s := q.Next(now)
			if s.Verdict == Nothing {
				if q.Wake() <= now {
					t.Fatal("wake")
				}
				now = q.Wake()
				continue
			}
			sent[s.Class] += s.Segments
			q.Done(s, s.Segments)
		}
		t.Log(now, sent[a], sent[b])
	}
}

package fairness

import "pgregory.net/rapid"

// scales is the memory of classes and of flows: of what the queue takes for one.
type scales struct {
	all     int
	classes map[*modelClass]int
	flows   map[*flow[*modelPacket]]int
	of      map[*modelPacket]*flow[*modelPacket]
}

func (m *model) weigh() *scales {
	s := &scales{classes: map[*modelClass]int{}, flows: map[*flow[*modelPacket]]int{}, of: map[*modelPacket]*flow[*modelPacket]{}}
	for _, p := range m.waiting() {
		s.all += p.memory
		s.classes[p.class] += p.memory
		s.flows[p.node.flow] += p.memory
		s.of[p] = p.node.flow
	}
	return s
}

// check checks that the victim is of the fattest flow of the fattest class, or of the class
// that is over its own limit.
func (s *scales) check(t *rapid.T, m *model, victim *modelPacket, arrived *modelClass) {
	own := s.classes[arrived] > arrived.limit
	switch {
	case !own && s.all <= m.limit:
		t.Fatal("a packet was evicted though no bound is exceeded")
	case own && victim.class != arrived:
		t.Fatal("the class over its limit does not pay")
	}
	for c, memory := range s.classes {
		if w := victim.class.c.weight; !own && (memory<<8)/c.c.weight > (s.classes[victim.class]<<8)/w {
			t.Fatalf("a class of weight %d with %d bytes pays for one of %d with %d", w, s.classes[victim.class], c.c.weight, memory)
		}
	}
	for f, memory := range s.flows {
		if f.class == victim.class.c && memory > s.flows[s.of[victim]] {
			t.Fatalf("a flow with %d bytes pays for one with %d", s.flows[s.of[victim]], memory)
		}
	}
}

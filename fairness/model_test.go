package fairness

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is what a queue should hold.
type model struct {
	q       *Queue[*modelPacket]
	now     int64
	limit   int
	fifo    bool
	classes []*modelClass
	next    int
}

type modelClass struct {
	c     *Class[*modelPacket]
	limit int
	flows map[uint64][]*modelPacket
}

type modelPacket struct {
	node     Node[*modelPacket]
	class    *modelClass
	flow     uint64
	number   int
	segments int
	memory   int
}

// flows of the model: many fall into one set of the table, more than it has ways, and two
// share everything that the table looks at.
func modelFlow(i int) uint64 {
	if i < 12 {
		return uint64(i)<<33 | 5
	}
	return uint64(i) << 33 / 7
}

func (m *model) waiting() (packets []*modelPacket) {
	for _, c := range m.classes {
		for _, f := range c.flows {
			packets = append(packets, f...)
		}
	}
	return packets
}

// took checks that so many segments of a packet were the next of its flow. spent says
// whether the packet left the queue.
func (m *model) took(t *rapid.T, c *Class[*modelPacket], n *Node[*modelPacket], segments int, spent bool) {
	p := n.Value
	if p.class.c != c {
		t.Fatalf("packet %d came out of another class", p.number)
	}
	waiting := p.class.flows[p.flow]
	if len(waiting) == 0 || waiting[0] != p {
		t.Fatalf("packet %d is not the next of its flow", p.number)
	}
	if segments > p.segments {
		t.Fatalf("%d segments of packet %d, which has %d left", segments, p.number, p.segments)
	}
	p.segments -= segments
	if p.segments == 0 && !spent {
		t.Fatalf("packet %d has nothing left and is not spent", p.number)
	}
	if spent {
		p.class.flows[p.flow] = waiting[1:]
	}
}

func (m *model) evict(t *rapid.T, arrival *modelPacket) {
	for {
		before := m.weigh()
		c, n := m.q.Evict()
		if n == nil {
			break
		}
		if m.fifo {
			if n.Value != arrival {
				t.Fatal("a FIFO drops what is not the arrival")
			}
			arrival.class.flows[arrival.flow] = slices.DeleteFunc(arrival.class.flows[arrival.flow], func(p *modelPacket) bool { return p == arrival })
			return
		}
		before.check(t, m, n.Value, arrival.class)
		m.took(t, c, n, n.packet.Segments, true)
	}
	if m.q.Memory() > m.limit || arrival.class.c.Memory() > arrival.class.limit && !m.fifo {
		t.Fatal("a bound is exceeded after Evict")
	}
}

// heldBack tells whether nothing of a class may leave now.
func (m *model) heldBack(c *modelClass) bool {
	return m.q.Blocked(c.c) || c.c.shaper.rate != 0 && c.c.shaper.at > m.now
}

// serve lets the queue decide once.
func (m *model) serve(t *rapid.T) {
	s := m.q.Next(m.now)
	if s.Verdict == Nothing {
		m.checkNothing(t)
		return
	}
	p := s.Node.Value
	if m.heldBack(p.class) {
		t.Fatal("served a class that is held back")
	}
	if m.q.uplink.rate != 0 && m.q.uplink.at > m.now || m.q.inflight.full() {
		t.Fatal("served while the uplink is held back")
	}
	if s.Segments < 1 || s.Segments > p.segments || s.Verdict == Drop && s.Segments != 1 {
		t.Fatalf("a slice of %d segments of %d", s.Segments, p.segments)
	}
	if m.fifo {
		if s.Segments != p.segments || s.Verdict != Send {
			t.Fatal("a FIFO cuts or drops")
		}
		for _, w := range m.waiting() {
			if w.number < p.number && !m.heldBack(w.class) {
				t.Fatalf("packet %d goes before %d", p.number, w.number)
			}
		}
	}
	f := s.Node.flow
	if wire := s.Node.wire(s.Segments - 1); s.Segments > 1 && !m.fifo &&
		(wire >= maxSlice || f.kind == Bulk && m.q.uplink.rate != 0 && (wire >= f.deficit || wire >= p.class.c.deficit)) {
		t.Fatalf("a slice is more than a segment beyond what may go: %d bytes, deficits %d and %d", wire, f.deficit, p.class.c.deficit)
	}
	switch rapid.IntRange(0, 9).Draw(t, "outcome") {
	case 0:
		n := m.q.Cancel(s)
		m.took(t, s.Class, n, p.segments, true)
	case 1:
		done := rapid.IntRange(0, s.Segments).Draw(t, "done")
		m.took(t, s.Class, s.Node, done, m.q.Done(s, done))
		m.q.Block(s.Class)
	default:
		m.took(t, s.Class, s.Node, s.Segments, m.q.Done(s, s.Segments))
	}
}

// checkNothing checks that Next had reason to say so, and that Wake tells when there will be
// something.
func (m *model) checkNothing(t *rapid.T) {
	servable, throttled := 0, 0
	for _, p := range m.waiting() {
		switch {
		case m.q.Blocked(p.class.c):
		case m.heldBack(p.class):
			throttled++
		default:
			servable++
		}
	}
	uplink := m.q.uplink.rate != 0 && m.q.uplink.at > m.now
	if servable > 0 && !uplink && !m.q.inflight.full() {
		t.Fatalf("nothing to serve although %d packets could be", servable)
	}
	wake := m.q.Wake()
	if servable+throttled == 0 {
		if wake != 0 {
			t.Fatalf("Wake says %d although no time can change anything", wake)
		}
		return
	}
	if wake <= m.now {
		t.Fatalf("Wake says %d at %d", wake, m.now)
	}
	if rapid.Bool().Draw(t, "sleep") {
		m.now = wake
		if m.q.inflight.known {
			m.q.InFlight(m.now, 0, 0)
		}
		if m.q.Next(m.now).Verdict == Nothing {
			t.Fatal("nothing to serve when Wake said there would be")
		}
	}
}

func TestModel(t *testing.T) { rapid.Check(t, runModel) }

func runModel(t *rapid.T) {
	rates := rapid.SampledFrom([]uint64{0, 8_000, 1_000_000, 100_000_000, 1_000_000_000_000})
	m := &model{now: 1, limit: rapid.IntRange(400, 9000).Draw(t, "limit"), fifo: rapid.IntRange(0, 4).Draw(t, "fifo") == 0}
	m.q = NewQueue[*modelPacket](Config{Limit: m.limit, FIFO: m.fifo, Rate: rates.Draw(t, "rate")})
	drawClass := func(t *rapid.T) ClassConfig {
		return ClassConfig{Weight: rapid.IntRange(1, 3).Draw(t, "weight"), Limit: rapid.IntRange(100, 9000).Draw(t, "class limit"), Rate: rates.Draw(t, "class rate")}
	}
	for range rapid.IntRange(1, 4).Draw(t, "classes") {
		c := drawClass(t)
		m.classes = append(m.classes, &modelClass{c: m.q.NewClass(c), limit: c.Limit, flows: map[uint64][]*modelPacket{}})
	}
	class := func(t *rapid.T) *modelClass { return rapid.SampledFrom(m.classes).Draw(t, "class") }
	flow := rapid.Map(rapid.IntRange(0, 20), modelFlow)
	enqueue := func(t *rapid.T) {
		p := &modelPacket{class: class(t), flow: flow.Draw(t, "flow"), number: m.next,
			segments: rapid.SampledFrom([]int{1, 1, 2, 50}).Draw(t, "segments"), memory: rapid.IntRange(1, 400).Draw(t, "memory")}
		m.next++
		p.node.Value = p
		p.class.flows[p.flow] = append(p.class.flows[p.flow], p)
		m.q.Enqueue(m.now, p.class.c, &p.node, Packet{Flow: p.flow, Segments: p.segments,
			Wire: rapid.IntRange(50, 9000).Draw(t, "wire"), LastWire: rapid.IntRange(50, 1500).Draw(t, "last"),
			Memory: p.memory, ECN: rapid.Bool().Draw(t, "ecn")})
		m.evict(t, p)
	}
	t.Repeat(map[string]func(*rapid.T){
		"enqueue": enqueue,
		"burst": func(t *rapid.T) {
			for range rapid.IntRange(2, 20).Draw(t, "packets") {
				enqueue(t)
			}
		},
		"drain": func(t *rapid.T) {
			for range rapid.IntRange(2, 20).Draw(t, "times") {
				m.serve(t)
			}
		},
		"serve":       m.serve,
		"serve again": m.serve,
		"block":       func(t *rapid.T) { m.q.Block(class(t).c) },
		"unblock":     func(t *rapid.T) { m.q.Unblock(class(t).c) },
		"time":        func(t *rapid.T) { m.now += rapid.Int64Range(0, 50_000_000).Draw(t, "ns") },
		"idle":        func(t *rapid.T) { m.now += 2 * idleAfter },
		"rate":        func(t *rapid.T) { m.q.SetRate(m.now, rates.Draw(t, "rate")) },
		"in flight": func(t *rapid.T) {
			m.q.InFlight(m.now, rapid.IntRange(0, 2*m.q.inflight.bytes+1).Draw(t, "bytes"), 0)
		},
		"class": func(t *rapid.T) {
			c, config := class(t), drawClass(t)
			config.Limit = c.limit
			m.q.SetClass(m.now, c.c, config)
		},
		"flush": func(t *rapid.T) {
			c := class(t)
			if n := m.q.Flush(c.c); n != nil {
				m.took(t, c.c, n, n.packet.Segments, true)
			} else if c.c.Len() != 0 {
				t.Fatal("Flush finds nothing in a class that has packets")
			}
		},
		"replace": func(t *rapid.T) {
			c := class(t)
			for n := m.q.Flush(c.c); n != nil; n = m.q.Flush(c.c) {
				m.took(t, c.c, n, n.packet.Segments, true)
			}
			m.q.Remove(c.c)
			config := drawClass(t)
			c.c, c.limit = m.q.NewClass(config), config.Limit
		},
		"": m.check,
	})
}

// check compares all sums, and looks at the rounds.
func (m *model) check(t *rapid.T) {
	memory, packets, weight := 0, 0, 0
	for _, c := range m.classes {
		own, count, wire := 0, 0, 0
		for _, f := range c.flows {
			for _, p := range f {
				own += p.memory
				count++
				wire += p.node.wire(p.segments)
			}
		}
		if c.c.Memory() != own || c.c.Len() != count {
			t.Fatalf("a class has %d packets of %d bytes, should have %d of %d", c.c.Len(), c.c.Memory(), count, own)
		}
		memory += own
		packets += count
		k := &c.c.Counters().Kind
		if backlog := k[Sparse].Backlog.Load() + k[Bulk].Backlog.Load(); backlog != int64(wire) {
			t.Fatalf("a class counts a backlog of %d bytes, should be %d", backlog, wire)
		}
		for k := range kinds {
			in, want := c.c.rounds[k].linked(), c.c.flows[k].len > 0 && !m.q.held(c.c)
			if in != want {
				t.Fatalf("a class in the %v round: %v, should be %v", k, in, want)
			}
		}
		if c.c.rounds[Bulk].linked() {
			weight += c.c.weight
		}
	}
	if m.q.Memory() != memory || m.q.Len() != packets || m.q.weight != weight {
		t.Fatalf("%d packets of %d bytes, weight %d; should be %d of %d, %d", m.q.Len(), m.q.Memory(), m.q.weight, packets, memory, weight)
	}
}

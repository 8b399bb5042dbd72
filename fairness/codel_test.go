package fairness

import (
	"math"
	"slices"
	"testing"
	"time"
)

const (
	codelTarget   = int64(5 * time.Millisecond)
	codelInterval = int64(100 * time.Millisecond)
)

// With a standing queue the times of the drops follow from RFC 8289 §4.1: the first after
// an interval, the next after interval ÷ √count each.
func TestCoDelControlLaw(t *testing.T) {
	var d codel
	var drops []int64
	for now := int64(1); now < int64(time.Second); now += int64(time.Millisecond) / 10 {
		if d.judge(now, 2*codelTarget, codelTarget, codelInterval) {
			d.acted(now, codelInterval)
			drops = append(drops, now)
		}
	}
	want := float64(codelInterval)
	for i, at := range drops {
		if math.Abs(float64(at)-want) > 2e6 {
			t.Errorf("drop %d at %v, want %v", i, time.Duration(at), time.Duration(want))
		}
		want += float64(codelInterval) / math.Sqrt(float64(i+1))
	}
	if len(drops) < 15 {
		t.Errorf("%d drops in a second", len(drops))
	}
}

func TestCoDelEndsBelowTarget(t *testing.T) {
	var d codel
	now := int64(1)
	standing := func(until int64) (drops int) {
		for ; now < until; now += int64(time.Millisecond) {
			if d.judge(now, 2*codelTarget, codelTarget, codelInterval) {
				d.acted(now, codelInterval)
				drops++
			}
		}
		return drops
	}
	standing(10 * codelInterval)
	count := d.count
	if d.judge(now, codelTarget-1, codelTarget, codelInterval) || d.dropping {
		t.Error("still dropping although the wait is below target")
	}
	if n := standing(now + codelInterval - 1); n != 0 {
		t.Errorf("%d drops within an interval after the wait was below target", n)
	}
	if n := standing(now + codelInterval/2); n == 0 {
		t.Error("no drop after an interval")
	}
	if d.lastCount < count/2 {
		t.Errorf("begins with count %d although it was at %d just before", d.lastCount, count)
	}
}

// A flow that could not be served for ten seconds pays no burst of drops for it.
func TestCoDelAfterSilence(t *testing.T) {
	var d codel
	d.judge(1, 2*codelTarget, codelTarget, codelInterval)
	d.acted(codelInterval+1, codelInterval)
	now, drops := 101*codelInterval, 0
	for d.judge(now, 2*codelTarget, codelTarget, codelInterval) {
		d.acted(now, codelInterval)
		drops++
	}
	if drops > 4 {
		t.Errorf("%d drops at one instant", drops)
	}
}

// play sends what waits in q at its rate until it is empty, and returns how many segments
// AQM dropped and marked.
func play(t *testing.T, q *Queue[int], now int64) (drops, marks int) {
	for q.Len() > 0 {
		s := q.Next(now)
		switch s.Verdict {
		case Nothing:
			if now = q.Wake(); now == 0 {
				t.Fatal("packets wait for ever")
			}
			continue
		case Drop:
			drops += s.Segments
		}
		if s.Mark {
			marks++
		}
		q.Done(s, s.Segments)
	}
	return drops, marks
}

func TestAQM(t *testing.T) {
	for _, c := range []struct {
		name     string
		packets  int
		segments int
		ecn      bool
		dropped  bool
		marked   bool
	}{
		{"a superpacket that takes half a second to serialise", 1, 44, false, false, false},
		{"a standing queue of superpackets", 20, 44, false, true, false},
		{"the same, ECN-capable", 20, 44, true, false, true},
		{"a standing queue of packets", 500, 1, false, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := NewQueue[int](Config{Rate: 1e6})
			class := q.NewClass(ClassConfig{})
			for range c.packets {
				q.Enqueue(1, class, new(Node[int]), Packet{Flow: 1, Segments: c.segments, Wire: 1500, LastWire: 1500, Memory: 1, ECN: c.ecn})
			}
			drops, marks := play(t, q, 1)
			if (drops > 0) != c.dropped || (marks > 0) != c.marked {
				t.Errorf("%d drops, %d marks", drops, marks)
			}
			k := &class.Counters().Kind[Bulk]
			if k.Drops.Load() != uint64(drops) || k.Marks.Load() != uint64(marks) {
				t.Error("not as counted")
			}
			all := c.packets * c.segments
			if sent := int(k.Packets.Load() + class.Counters().Kind[Sparse].Packets.Load()); sent+drops != all {
				t.Errorf("%d sent and %d dropped of %d", sent, drops, all)
			}
		})
	}
}

// The last segment of a flow is never dropped: nothing would come behind it to tell.
func TestAQMSparesTheLastSegment(t *testing.T) {
	q := NewQueue[int](Config{Rate: 1e6})
	class := q.NewClass(ClassConfig{})
	put(q, 1, class, 1, 4)
	put(q, 1, class, 1, 1)
	var verdicts []Verdict
	for now := 10 * codelInterval; q.Len() > 0; now += 10 * codelInterval {
		s := q.Next(now)
		verdicts = append(verdicts, s.Verdict)
		q.Done(s, 1)
	}
	if want := []Verdict{Send, Send, Send, Drop, Send}; !slices.Equal(verdicts, want) {
		t.Errorf("verdicts %v, want %v", verdicts, want)
	}
}

// At a low rate the target is one and a half segments at the flow's share.
func TestTarget(t *testing.T) {
	ms := float64(time.Millisecond)
	for _, c := range []struct {
		rate, own uint64
		tunnels   int
		flows     int
		want      float64
	}{
		{0, 0, 3, 3, 5 * ms},
		{1e9, 0, 3, 3, 5 * ms},
		{1e6, 0, 1, 1, 18 * ms},
		{1e6, 0, 4, 2, 8 * 18 * ms},
		{1e9, 1e6, 4, 2, 2 * 18 * ms},
		{0, 1e6, 4, 1, 18 * ms},
	} {
		q := NewQueue[int](Config{Rate: c.rate})
		for range c.tunnels {
			class := q.NewClass(ClassConfig{Rate: c.own})
			for f := range c.flows {
				for range 3 {
					put(q, 1, class, uint64(f)*0x9e3779b97f4a7c15, 1)
				}
				q.demote(class.flows[Sparse].front())
			}
		}
		n := q.rounds[Bulk].front().flows[Bulk].front().head
		if got := float64(q.target(n)); math.Abs(got-c.want) > 1 {
			t.Errorf("%+v: target %v", c, time.Duration(got))
		}
	}
}

package lane

import (
	"testing"
	"time"
)

// TestUnansweredIsTold: what leaves without an answer is told after two seconds, and
// not where something authentic came.
func TestUnansweredIsTold(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	told := func() int {
		g.tun.push(tcp4(1, 5).plain(nil))
		g.settle()
		return len(of[Unanswered](g.events()))
	}
	for i, c := range []struct {
		passes time.Duration
		hears  func()
		want   int
	}{
		{0, nil, 0},
		{1900 * time.Millisecond, nil, 0},
		{200 * time.Millisecond, nil, 1},
		{time.Second, nil, 0},
		{time.Second, nil, 1},
		{3 * time.Second, func() { s.receive(g, nil) }, 0},
		{1900 * time.Millisecond, nil, 0},
		{200 * time.Millisecond, func() { // what does not authenticate is no answer
			d := s.seal(tcp4(1, 5).back().packet(nil, false))
			d[30] ^= 1
			s.arrives(g, d, nil)
		}, 1},
		{time.Hour, func() { s.receive(g, nil) }, 0},
	} {
		g.passes(c.passes)
		if c.hears != nil {
			c.hears()
		}
		if got := told(); got != c.want {
			t.Errorf("step %d: told %d times, want %d", i, got, c.want)
		}
	}
	// Silence alone is nothing: an idle tunnel is left alone.
	g.events()
	g.passes(time.Hour)
	g.settle()
	if got := of[Unanswered](g.events()); len(got) != 0 {
		t.Errorf("idle: %v", got)
	}
}

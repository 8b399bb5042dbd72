package lane

import "testing"

func TestLinger(t *testing.T) {
	for _, c := range []struct {
		what     string
		slept    int64
		byTUN    bool
		lingered bool
	}{
		{"a long sleep, ended by the TUN", longSleep, true, true},
		{"a short sleep", longSleep - 1, true, false},
		{"a long sleep, ended by a socket", longSleep, false, false},
	} {
		l := newGate(t).lane
		l.now = 10 * second
		l.tunReady = c.byTUN
		l.linger(l.now - c.slept)
		if l.lingers() != c.lingered {
			t.Errorf("%s: lingers %v", c.what, !c.lingered)
		}
		l.now += lingerTime
		if l.lingers() {
			t.Errorf("%s: lingers for longer than %d µs", c.what, lingerTime/1000)
		}
	}
}

// The answer ends it.
func TestLingerAnswered(t *testing.T) {
	l := newGate(t).lane
	l.now, l.tunReady = 10*second, true
	l.linger(0)
	l.ready = append(l.ready, new(endpoint))
	if l.lingers() {
		t.Error("lingers with the answer there")
	}
	if l.ready = l.ready[:0]; l.lingers() {
		t.Error("lingers again after the answer")
	}
}

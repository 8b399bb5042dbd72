package demo

import (
	"math"
	"time"

	"vpngw/integration/lab/load"
)

// contest is what became of the tunnels behind one queue.
type contest struct {
	flows   []load.Flow
	moments []moment

	gap    time.Duration // the longest between two ACKs of a flow
	delays []time.Duration

	last load.Reading
}

// moment is one second of a contest.
type moment struct {
	mbit  []float64       // goodput of each tunnel, Mbit/s
	probe []time.Duration // one-way delays of the datagrams that arrived
}

// add takes the next reading and returns the second that it ends.
func (c *contest) add(r load.Reading) moment {
	m := moment{mbit: make([]float64, branches)}
	for i, f := range c.flows {
		before := uint64(0)
		if c.last.Received != nil {
			before = c.last.Received[i]
		}
		m.mbit[f.Tunnel] += float64(r.Received[i]-before) * 8 / 1e6 / (r.At - c.last.At).Seconds()
	}
	for _, d := range r.Delays {
		m.probe = append(m.probe, d...)
	}
	c.last = r
	c.moments = append(c.moments, m)
	return m
}

// finish takes what is known in the end only.
func (c *contest) finish(r *load.Result) {
	for _, f := range r.Flows {
		c.gap = max(c.gap, f.LongestGap)
	}
	for _, p := range r.Probes {
		c.delays = append(c.delays, p.Delays...)
	}
}

// warmUp is how many seconds flows are given to find their rates before they are judged.
const warmUp = 2

// judged are the moments after the warm-up; all, where there are no more than that.
func (c *contest) judged() []moment {
	if len(c.moments) <= warmUp {
		return c.moments
	}
	return c.moments[warmUp:]
}

// share is the mean goodput of tunnel i, from 0, in Mbit/s.
func (c *contest) share(i int) float64 {
	sum := 0.0
	for _, m := range c.judged() {
		sum += m.mbit[i]
	}
	return sum / float64(max(1, len(c.judged())))
}

// worstJain is the index of the second in which the tunnels were least equal.
func (c *contest) worstJain() float64 {
	worst := math.Inf(1)
	for _, m := range c.judged() {
		worst = min(worst, load.Jain(m.mbit))
	}
	if len(c.judged()) == 0 {
		return 0
	}
	return worst
}

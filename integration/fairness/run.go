package main

import (
	"context"
	"fmt"
	"time"

	"vpngw/integration/lab/load"
)

// run is one contestant in one scenario.
type run struct {
	*bench
	*arena
	scenario   scenario
	rate       uint64
	congestion string
	bars       []bar
}

func (r *run) title() string {
	return fmt.Sprintf("%s, %s, %s, %s", r.scenario.name, rateText(r.rate), r.congestion, r.contestant.name())
}

// key tells apart the situations in which a fair share differs.
func (r *run) key() string { return fmt.Sprint(r.contestant.name(), r.rate, r.congestion) }

// judge notes bars of this run.
func (r *run) judge(bars ...bar) {
	for _, b := range bars {
		b.Scenario, b.Contestant, b.Rate, b.Congestion = r.scenario.name, r.contestant.name(), r.rate, r.congestion
		r.bars = append(r.bars, b)
	}
}

// measure runs a load on a wire and notes its figures. The variant tells apart the measurements of one scenario.
func (r *run) measure(ctx context.Context, w wire, variant string, l load.Load) (*measurement, error) {
	if err := r.arena.wire(ctx, w); err != nil {
		return nil, err
	}
	if err := r.rest(ctx); err != nil {
		return nil, err
	}
	r.tired = len(l.Flows)+len(l.Floods) > 0
	m := &measurement{Scenario: r.scenario.name, Variant: variant, Contestant: r.contestant.name(), Wire: w, Congestion: r.congestion, Seconds: l.Duration.Seconds()}
	before, err := r.strain()
	if err != nil {
		return nil, err
	}
	result, err := l.Run(ctx)
	if err != nil {
		return nil, err
	}
	after, err := r.strain()
	if err != nil {
		return nil, err
	}
	m.fill(result)
	m.Busy, m.Waited = after.since(before)
	r.report.Measurements = append(r.report.Measurements, m)
	r.say("%s %s: %s", r.title(), variant, m.brief())
	return m, nil
}

// idleDelay is the median delay of a probe without load on this wire, in milliseconds, measured once.
func (r *run) idleDelay(ctx context.Context, w wire) (float64, error) {
	key := fmt.Sprint(r.contestant.name(), w.Rate)
	if d, ok := r.idle[key]; ok {
		return d, nil
	}
	m, err := r.measure(ctx, w, "idle", load.Load{Probes: []load.Probe{r.probe()}, Duration: idleTime})
	if err != nil {
		return 0, err
	}
	r.idle[key] = m.Probe.P50
	return m.Probe.P50, nil
}

// idleTime gives two hundred probes.
const idleTime = time.Second

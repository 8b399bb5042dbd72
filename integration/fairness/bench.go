package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// bench runs contestants through scenarios.
type bench struct {
	contestants []contestant
	scenarios   []scenario
	rates       []uint64
	congestion  []string
	seconds     time.Duration
	progress    io.Writer

	arenas map[string]*arena // by contestant
	report *report
	idle   map[string]float64 // median delay of an idle probe in ms, by contestant and rate
	fair   map[string]float64 // what each of four equal tunnels gets in Mbit/s, by run.key
}

// run measures everything. A failure of one run is noted in the report and the others go on; the error is of the end of the
// context, or of a lab that could not be removed.
func (b *bench) run(ctx context.Context, build *builder) (err error) {
	b.arenas, b.idle, b.fair = map[string]*arena{}, map[string]float64{}, map[string]float64{}
	defer func() {
		for _, a := range b.arenas {
			err = errors.Join(err, a.close())
		}
	}()
	for _, c := range b.contestants {
		if err := b.ready(ctx, c, build); err != nil {
			b.fail(c.name(), err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := b.checkWires(ctx); err != nil {
		return err
	}
	if err := b.checkCongestion(); err != nil {
		return err
	}
	b.say("%d turns, about %v", b.turnsAhead(), (time.Duration(b.turnsAhead()) * (b.seconds + turnOverhead)).Round(time.Minute))
	for _, rate := range append([]uint64{0}, b.rates...) { // outermost, as the gateways are restarted for each
		for _, s := range b.scenarios {
			for _, congestion := range b.congestion {
				if !s.at(rate) || !s.with(congestion) {
					continue
				}
				if err := b.turns(ctx, run{bench: b, scenario: s, rate: rate, congestion: congestion}); err != nil {
					return err
				}
			}
		}
	}
	b.report.Bars = append(b.report.Bars, besideFIFO(b.report.Measurements)...)
	return nil
}

// turns measures one contestant right after the other, so that what is compared lies seconds apart.
func (b *bench) turns(ctx context.Context, r run) error {
	for _, c := range b.contestants {
		a := b.arenas[c.name()]
		if a == nil || !r.scenario.takes(c.name()) {
			continue
		}
		turn := r
		turn.arena = a
		b.measure(ctx, &turn)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (b *bench) ready(ctx context.Context, c contestant, build *builder) error {
	b.say("building and starting %s", c.name())
	version, err := c.build(ctx, build)
	if err != nil {
		return err
	}
	b.report.Contestants = append(b.report.Contestants, contestantInfo{Name: c.name(), About: c.about(), Version: version})
	a, err := newArena(ctx, c)
	if err != nil {
		return err
	}
	b.arenas[c.name()] = a
	return nil
}

// runSlack is how much longer than its traffic a run may take.
const runSlack = 2 * time.Minute

func (b *bench) measure(ctx context.Context, r *run) {
	limited, cancel := context.WithTimeout(ctx, b.seconds+runSlack)
	defer cancel()
	if err := r.scenario.run(limited, r); err != nil {
		r.forget() // who knows in what state its gateways are
		if ctx.Err() == nil {
			b.fail(r.title(), err)
		}
	}
	for _, bar := range r.bars {
		mark := "ok    "
		if !bar.OK {
			mark = "MISSED"
		}
		b.say("  %s %s: %s (%s)", mark, bar.What, bar.got(), bar.want())
	}
	b.report.Bars = append(b.report.Bars, r.bars...)
}

func (b *bench) fail(what string, err error) {
	b.report.Failures = append(b.report.Failures, fmt.Sprintf("%s: %v", what, err))
	b.say("FAILED: %s: %v", what, err)
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "fairness: "+format+"\n", args...)
}

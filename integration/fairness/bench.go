package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"vpngw/integration/lab/load"
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

// checkCongestion leaves out the congestion controls that this kernel lacks, and notes that.
func (b *bench) checkCongestion() error {
	var there []string
	for _, name := range b.congestion {
		err := load.CheckCongestion(name)
		switch {
		case err == nil:
			there = append(there, name)
		case errors.Is(err, load.ErrNoCongestion):
			b.report.Notes = append(b.report.Notes, fmt.Sprintf("TCP %s was left out: %v", name, err))
		default:
			return err
		}
	}
	b.congestion = there
	return nil
}

// turnOverhead is what a turn takes beside its traffic, on average: rests, idle probes, restarts.
const turnOverhead = 3 * time.Second

// turnsAhead counts the turns of a whole run.
func (b *bench) turnsAhead() (n int) {
	for _, rate := range append([]uint64{0}, b.rates...) {
		for _, s := range b.scenarios {
			for _, congestion := range b.congestion {
				for name := range b.arenas {
					if s.at(rate) && s.with(congestion) && s.takes(name) {
						n++
					}
				}
			}
		}
	}
	return n
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
	err := r.scenario.run(limited, r)
	if err != nil && ctx.Err() == nil {
		b.fail(r.title(), err)
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
	r.rest(ctx)
	r.tired = len(l.Flows)+len(l.Floods) > 0
	m := &measurement{Scenario: r.scenario.name, Variant: variant, Contestant: r.contestant.name(), Wire: w, Congestion: r.congestion, Seconds: l.Duration.Seconds()}
	result, err := l.Run(ctx)
	if err != nil {
		return nil, err
	}
	m.fill(result)
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

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// measureSlack is how much longer than its traffic a measurement may take.
const measureSlack = 30 * time.Second

// turnOverhead is what a measurement usually takes beside its traffic.
const turnOverhead = 300 * time.Millisecond

// bench runs the chosen contestants through the chosen cases.
type bench struct {
	contestants []contestant
	wires       []wireKind
	cases       []benchCase
	rounds      int
	pin         bool
	meters      *meters
	progress    io.Writer

	result *result // filled by Run
}

// Run builds every contestant and measures. What goes wrong with one of them is
// noted in the result and does not stop the others; the error is only of the
// end of the context, or of a lab that could not be removed.
func (b *bench) Run(ctx context.Context, build builder) error {
	contestants := b.build(ctx, build)
	turns := len(b.wires) * len(b.cases) * len(contestants) * b.rounds
	estimate := time.Duration(turns) * (time.Duration(b.meters.seconds)*time.Second + turnOverhead)
	b.say("%d measurements, about %v", turns, estimate.Round(time.Second))
	for _, w := range b.wires {
		if err := b.runWire(ctx, w, contestants); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// build compiles the contestants and returns those that can run.
func (b *bench) build(ctx context.Context, build builder) []contestant {
	var ready []contestant
	for _, c := range b.contestants {
		b.say("building %s", c.Name())
		version, err := c.Build(ctx, build)
		if err != nil {
			b.fail(failure{Contestant: c.Name(), Error: fmt.Sprintf("building it: %v", err)})
			version = "not built"
		} else {
			ready = append(ready, c)
		}
		b.result.Contestants = append(b.result.Contestants, contestantInfo{c.Name(), version})
	}
	return ready
}

// runWire brings all contestants up side by side, each on its own sites, and
// takes turns between them: case by case, so that what is compared lies seconds
// apart, in an order that rotates with the round.
func (b *bench) runWire(ctx context.Context, w wireKind, contestants []contestant) (err error) {
	var arenas []*arena
	defer func() {
		for _, a := range arenas {
			err = errors.Join(err, a.Close())
		}
	}()
	for _, c := range contestants {
		b.say("%s wire: starting %s", w.Name, c.Name())
		a, err := newArena(ctx, c, w, b.pin)
		if ctx.Err() != nil {
			if a != nil {
				arenas = append(arenas, a)
			}
			return ctx.Err()
		}
		if err != nil {
			b.fail(failure{Wire: w.Name, Contestant: c.Name(), Error: fmt.Sprintf("starting it: %v", err)})
			continue
		}
		arenas = append(arenas, a)
	}
	for round := range b.rounds {
		for _, c := range b.cases {
			for position, a := range rotated(arenas, round) {
				s := sample{Wire: w.Name, Case: c.Name, Round: round, Position: position, Contestant: a.contestant}
				if err := b.measure(ctx, s, c, a); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// measure takes one sample; the error is of the end of the context only.
func (b *bench) measure(ctx context.Context, s sample, c benchCase, a *arena) error {
	limited, cancel := context.WithTimeout(ctx, time.Duration(b.meters.seconds)*time.Second+measureSlack)
	defer cancel()
	values, err := c.Run(limited, b.meters, a)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err != nil {
		b.fail(failure{Wire: s.Wire, Case: s.Case, Round: s.Round, Contestant: s.Contestant, Error: err.Error()})
		return nil
	}
	s.Values = values
	b.result.Samples = append(b.result.Samples, s)
	b.say("%s wire, round %d of %d, %s, %s: %s", s.Wire, s.Round+1, b.rounds, s.Case, s.Contestant, brief(values))
	return nil
}

func (b *bench) fail(f failure) {
	f.Error = strings.Join(strings.Fields(f.Error), " ") // on one line of the table's list
	b.result.Failures = append(b.result.Failures, f)
	b.say("FAILED: %s", f)
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

// brief formats the figures of one sample that the table shows.
func brief(values map[string]float64) string {
	text := ""
	for _, m := range metrics {
		v, ok := values[m.Key]
		if !ok || m.Extra {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s %.*f", m.Title, m.Digits, v)
	}
	return text
}

// Package load is the traffic of fairness measurements: TCP flows that begin at one instant, sparse probes beside them, and
// floods. One process sends and receives all of it, by sockets that it opened in the namespaces of a lab, so that everything
// is measured by one clock.
package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Load is traffic that begins together. Flows send as much as they can, from the start to the end.
type Load struct {
	Flows  []Flow
	Probes []Probe
	Floods []Flood
	Events []Event
	// Duration is how long it lasts; Interval how often goodput is read, 0: 100 ms.
	Duration, Interval time.Duration
	// Watch, if there is one, is given a reading each second, by a goroutine of the load's.
	Watch func(Reading)
}

// Event is something that happens under load. Do runs on a goroutine of its own.
type Event struct {
	At time.Duration // from the start
	Do func() error
}

// Result is what became of a load, in the order of its parts.
type Result struct {
	Times  []time.Duration // of the readings, from the start; the first is about 0
	Flows  []FlowTrace
	Probes []ProbeTrace
	Floods []FloodTrace
}

const (
	defaultInterval = 100 * time.Millisecond
	// lead is the time between everything being ready and the start.
	lead = 50 * time.Millisecond
	// tail is how long probes may take to arrive after the end.
	tail = 500 * time.Millisecond
)

// part is a piece of a load: opened before the start, run at it, closed after the end.
type part interface {
	run(start time.Time, end time.Time) error
	close()
}

// Run opens every socket, starts everything at one instant and returns when it has ended. The end of the context ends it early,
// with an error.
func (l Load) Run(ctx context.Context) (*Result, error) {
	if l.Interval == 0 {
		l.Interval = defaultInterval
	}
	var parts []part
	defer func() {
		for _, p := range parts {
			p.close()
		}
	}()
	flows := make([]*flow, len(l.Flows))
	for i, spec := range l.Flows {
		f, err := openFlow(ctx, spec)
		if err != nil {
			return nil, fmt.Errorf("flow %d from %s to %s: %w", i, spec.From.Role, spec.Address, err)
		}
		flows[i], parts = f, append(parts, f)
	}
	probes := make([]*probe, len(l.Probes))
	for i, spec := range l.Probes {
		p, err := openProbe(spec)
		if err != nil {
			return nil, fmt.Errorf("probe from %s to %s: %w", spec.From.Role, spec.Address, err)
		}
		probes[i], parts = p, append(parts, p)
	}
	floods := make([]*flood, len(l.Floods))
	for i, spec := range l.Floods {
		f, err := openFlood(spec)
		if err != nil {
			return nil, fmt.Errorf("flood from %s to %s: %w", spec.From.Role, spec.Address, err)
		}
		floods[i], parts = f, append(parts, f)
	}
	sampler := &sampler{flows: flows, floods: floods, interval: l.Interval}
	playing := append(slices.Clone(parts), sampler)
	if l.Watch != nil {
		playing = append(playing, newWatcher(flows, probes, l.Watch))
	}
	err := l.play(ctx, playing)
	r := &Result{Times: sampler.times}
	for _, f := range flows {
		r.Flows = append(r.Flows, f.trace)
	}
	for _, p := range probes {
		r.Probes = append(r.Probes, p.trace())
	}
	for _, f := range floods {
		r.Floods = append(r.Floods, f.trace)
	}
	return r, err
}

// play runs the parts and the events side by side.
func (l Load) play(ctx context.Context, parts []part) error {
	start := time.Now().Add(lead)
	end := start.Add(l.Duration)
	errs := make(chan error, len(parts)+len(l.Events))
	var running sync.WaitGroup
	for _, p := range parts {
		running.Go(func() { errs <- p.run(start, end) })
	}
	over, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	for _, e := range l.Events {
		running.Go(func() {
			select {
			case <-time.After(time.Until(start.Add(e.At))):
				errs <- e.Do()
			case <-over.Done():
				errs <- nil
			}
		})
	}
	defer context.AfterFunc(ctx, func() {
		for _, p := range parts {
			p.close()
		}
	})()
	running.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(all...)
}

package main

import (
	"context"
	"slices"

	"vpngw/integration/lab/load"
)

// scenario is a situation in which gateways are compared.
type scenario struct {
	name, title string
	// rates are the wires it makes sense on; nil: all.
	rates []uint64
	// congestion controls it is run with; nil: all.
	congestion []string
	// only these contestants take part; nil: all.
	only []string
	run  func(ctx context.Context, r *run) error
}

func scenarios() []scenario {
	return []scenario{
		{name: "even", title: "one flow in each of four tunnels", run: even},
		{name: "crowd", title: "eight flows in one tunnel against one in each other", run: crowd},
	}
}

// ratesOf and congestionOf are those of the asked that the scenario is run with.
func (s scenario) ratesOf(asked []uint64) []uint64      { return both(asked, s.rates) }
func (s scenario) congestionOf(asked []string) []string { return both(asked, s.congestion) }
func (s scenario) takes(contestant string) bool {
	return s.only == nil || slices.Contains(s.only, contestant)
}
func both[T comparable](asked []T, possible []T) (both []T) {
	for _, a := range asked {
		if possible == nil || slices.Contains(possible, a) {
			both = append(both, a)
		}
	}
	return both
}

// byteQueue is the usual wire: a queue of 256 KB.
func byteQueue(rate uint64) wire { return wire{Rate: rate, Bytes: 256 << 10} }

// oneEach is a flow in every tunnel, with a probe in another.
func (r *run) oneEach() load.Load {
	l := load.Load{Duration: r.seconds, Probes: []load.Probe{r.probe()}}
	for i := range tunnels {
		l.Flows = append(l.Flows, r.flow(i, r.congestion))
	}
	return l
}

func even(ctx context.Context, r *run) error { return shares(ctx, r, r.oneEach()) }

func crowd(ctx context.Context, r *run) error {
	l := r.oneEach()
	for range 7 {
		l.Flows = append(l.Flows, r.flow(0, r.congestion))
	}
	return shares(ctx, r, l)
}

// shares judges what holds for every load of TCP alone on the usual wire.
func shares(ctx context.Context, r *run, l load.Load) error {
	if err := r.use(ctx, setup{uplink: shaped(r.rate)}); err != nil {
		return err
	}
	w := byteQueue(r.rate)
	idle, err := r.idleDelay(ctx, w)
	if err != nil {
		return err
	}
	m, err := r.measure(ctx, w, "", l)
	if err != nil {
		return err
	}
	r.judge(evenShares(m)...)
	r.judge(noStarvation(m)...)
	r.judge(promptProbe(m, idle)...)
	return nil
}

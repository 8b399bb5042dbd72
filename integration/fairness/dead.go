package main

import (
	"context"
	"math"
	"slices"
	"time"

	"vpngw/integration/lab/load"
)

// stricken is the tunnel that fails in the middle of a measurement.
const stricken = tunnels - 1

// dead kills the gateway of a branch without a word, while packets for it go on.
func dead(ctx context.Context, r *run) error {
	if err := r.use(ctx, setup{uplink: shaped(r.rate)}); err != nil {
		return err
	}
	defer r.forget()
	return r.strike(ctx, func() error {
		r.gateways.branch(stricken).Kill()
		return nil
	})
}

// full slows what leaves for a branch down at the hub's own device, until the tunnel's socket holds all it may.
func full(ctx context.Context, r *run) error {
	if err := r.use(ctx, setup{uplink: shaped(r.rate)}); err != nil {
		return err
	}
	if err := r.arena.wire(ctx, byteQueue(r.rate)); err != nil { // takes away what else limits the hub's device
		return err
	}
	slow, err := r.slowLane(ctx, r.Branches[stricken].Outside4)
	if err != nil {
		return err
	}
	defer slow.remove()
	defer r.forget() // what waits for the slow lane must not come later
	return r.strike(ctx, func() error { return slow.set(ctx, stuckRate) })
}

// stuckRate in bits per second lets a full-sized packet out every eighth of a second.
const stuckRate = 100_000

// strike measures one flow in each healthy tunnel, and UDP at a fair share in the one that fails at half time. What the others
// have after that they must have had before.
func (r *run) strike(ctx context.Context, fail func() error) error {
	w := byteQueue(r.rate)
	fair, err := r.fairShare(ctx)
	if err != nil {
		return err
	}
	idle, err := r.idleDelay(ctx, w)
	if err != nil {
		return err
	}
	l := r.oneEach(stricken)
	l.Floods = []load.Flood{r.flood(stricken, uint64(fair*1e6))}
	half := (l.Duration / 2).Truncate(time.Second)
	l.Events = []load.Event{{At: half, Do: fail}}
	m, err := r.measure(ctx, w, "", l)
	if err != nil {
		return err
	}
	worst := math.Inf(1)
	for _, w := range m.Windows[:stricken] {
		before := min(max(int(half/time.Second)-warmUp/perWindow, 1), len(w)-1)
		worst = min(worst, slices.Min(w[before:])/mean(w[:before]))
	}
	r.judge(atLeast(9, "another tunnel's worst second after ÷ before", worst, leastBeside))
	r.judge(noStarvation(m)[0].as(9))
	r.judge(promptProbe(9, m, idle)...)
	return nil
}

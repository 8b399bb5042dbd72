package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vpngw/integration/lab/load"
)

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

const (
	// checkTime is how long a wire is checked.
	checkTime = 600 * time.Millisecond
	// frameOverhead is what a datagram has on the wire beside its payload: Ethernet, IPv4, UDP.
	frameOverhead = 14 + 20 + 8
)

// checkWires notes what the wires carry on this machine, for below their rate nothing is shaped as it should be.
func (b *bench) checkWires(ctx context.Context) error {
	var one *arena // any: their wires are alike
	for _, one = range b.arenas {
		break
	}
	for _, rate := range b.rates {
		for _, w := range []wire{byteQueue(rate), {Rate: rate, Superpackets: superpackets}} {
			if one == nil {
				return nil
			}
			got, err := one.carries(ctx, w)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				b.fail(wireText(w), err)
				continue
			}
			b.report.Notes = append(b.report.Notes, fmt.Sprintf("%s carried %.0f Mbit/s before the measurements", wireText(w), got))
		}
	}
	return nil
}

// carries is what a wire carries without any tunnel in Mbit/s, by a flood between the gateways: on a busy machine, the kernel's
// timer may come too late for the rate.
func (a *arena) carries(ctx context.Context, w wire) (float64, error) {
	if err := a.wire(ctx, w); err != nil {
		return 0, err
	}
	branch := a.Branches[0]
	l := load.Load{Duration: checkTime, Floods: []load.Flood{{
		From: a.Hub.Gateway, To: branch.Gateway, Address: branch.Outside4, Rate: w.Rate / 10 * 15}}}
	r, err := l.Run(ctx)
	if err != nil {
		return 0, err
	}
	received := r.Floods[0].Received
	n := len(received)
	if n < 3 {
		return 0, nil
	}
	payload := mbit(received[n-1]-received[1], r.Times[n-1]-r.Times[1])
	return payload * (load.FloodDatagram + frameOverhead) / load.FloodDatagram, nil
}

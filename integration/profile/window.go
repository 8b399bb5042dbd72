package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// watch takes the account of both gateways at once, and of the path around them.
func (a *arena) watch(ctx context.Context, t traffic, meter *lab.CPUMeter, length time.Duration) (run, error) {
	roleA, roleB := t.roles()
	r := run{Traffic: t.name, Unit: t.unit(), Gateways: []*gateway{{Name: "A", Role: roleA}, {Name: "B", Role: roleB}}}
	before, err := a.read(meter)
	if err != nil {
		return r, err
	}
	both, bothCtx := errgroup.WithContext(ctx)
	for i, d := range []*daemon.Gateway{a.a, a.b} {
		both.Go(func() error {
			if err := r.Gateways[i].watch(bothCtx, d, a.names[i], length, t.perPacket); err != nil {
				return fmt.Errorf("gateway %s: %w", r.Gateways[i].Name, err)
			}
			return nil
		})
	}
	if err := both.Wait(); err != nil {
		return r, err
	}
	after, err := a.read(meter)
	if err != nil {
		return r, err
	}
	r.Path = after.since(before, meter.Source())
	return r, nil
}

// watch fills in what one gateway did in a window.
func (g *gateway) watch(ctx context.Context, d *daemon.Gateway, names *symbols, length time.Duration, perPacket bool) error {
	ask := newAsker(d.Socket())
	counted, err := ask.counters(ctx)
	if err != nil {
		return err
	}
	used, err := d.Process.CPUSeconds()
	if err != nil {
		return err
	}
	switched, err := switches(d.Process.PID())
	if err != nil {
		return err
	}
	start := time.Now()
	if g.Account, err = take(d.Process.PID(), names, length); err != nil {
		return err
	}
	g.Seconds = time.Since(start).Seconds()
	after, err := d.Process.CPUSeconds()
	if err != nil {
		return err
	}
	total, err := switches(d.Process.PID())
	if err != nil {
		return err
	}
	now, err := ask.counters(ctx)
	if err != nil {
		return err
	}
	g.CPU, g.Switches, g.Counters = after-used, total-min(switched, total), now.since(counted)
	bytes, packets, _ := g.Counters.carried()
	if g.Units = float64(bytes) / superpacket; perPacket {
		g.Units = float64(packets)
	}
	if g.Units == 0 || g.Account.Samples == 0 {
		return fmt.Errorf("carried %d packets with %d samples: nothing to account for", packets, g.Account.Samples)
	}
	return nil
}

// reading is processor time so far.
type reading struct {
	at           time.Time
	path         lab.CPUUsage
	machine      lab.CPU
	gateA, gateB float64
}

func (a *arena) read(meter *lab.CPUMeter) (r reading, err error) {
	r.at = time.Now()
	if r.path, err = meter.Read(); err != nil {
		return r, err
	}
	if r.machine, err = lab.CPUSeconds(); err != nil {
		return r, err
	}
	if r.gateA, err = a.a.Process.CPUSeconds(); err != nil {
		return r, err
	}
	r.gateB, err = a.b.Process.CPUSeconds()
	return r, err
}

func (r reading) since(before reading, source string) path {
	return path{
		Seconds: r.at.Sub(before.at).Seconds(),
		CPU:     r.path.Sub(before.path).Of(source),
		SoftIRQ: r.machine.Sub(before.machine).SoftIRQ,
		A:       r.gateA - before.gateA,
		B:       r.gateB - before.gateB,
	}
}

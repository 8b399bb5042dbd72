package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"vpngw/integration/lab/load"
)

// superpackets are in the queue of the wire that treats flows worst.
const superpackets = 4

func even(ctx context.Context, r *run) error {
	m, err := r.share(ctx, r.oneEach(tunnels))
	if err == nil {
		r.fair[r.key()] = m.total() / tunnels
	}
	return err
}

func crowd(ctx context.Context, r *run) error {
	l := r.oneEach(tunnels)
	for range 7 {
		l.Flows = append(l.Flows, r.flow(0, r.congestion))
	}
	_, err := r.share(ctx, l)
	return err
}

// share judges what holds for every load of TCP alone on the usual wire.
func (r *run) share(ctx context.Context, l load.Load) (*measurement, error) {
	if err := r.use(ctx, setup{uplink: shaped(r.rate)}); err != nil {
		return nil, err
	}
	w := byteQueue(r.rate)
	idle, err := r.idleDelay(ctx, w)
	if err != nil {
		return nil, err
	}
	m, err := r.profiled(ctx, w, l)
	if err != nil {
		return nil, err
	}
	r.judge(evenShares(m)...)
	r.judge(noStarvation(m)...)
	r.judge(promptProbe(3, m, idle)...)
	return m, nil
}

func trains(ctx context.Context, r *run) error {
	if err := r.use(ctx, setup{uplink: shaped(r.rate)}); err != nil {
		return err
	}
	m, err := r.measure(ctx, wire{Rate: r.rate, Superpackets: superpackets}, "", r.oneEach(tunnels))
	if err != nil {
		return err
	}
	r.judge(noStarvation(m)...)
	return nil
}

// busy lets the processor be what everybody shares. It is where a scheduler's own cost shows.
func busy(ctx context.Context, r *run) error {
	if err := r.use(ctx, setup{}); err != nil {
		return err
	}
	m, err := r.profiled(ctx, wire{}, r.oneEach(tunnels))
	if err != nil {
		return err
	}
	r.judge(unshapedProbe(m)...)
	return nil
}

// device lets a gateway that knows no rate find by itself how much its device takes.
func device(ctx context.Context, r *run) error {
	if err := r.use(ctx, setup{}); err != nil {
		return err
	}
	w := byteQueue(r.rate)
	w.AtHub = true
	m, err := r.measure(ctx, w, "", r.oneEach(tunnels))
	if err != nil {
		return err
	}
	r.judge(evenShares(m)...)
	r.judge(noStarvation(m)...)
	r.judge(unshapedProbe(m)...)
	return nil
}

// Of a measurement, a profile leaves out the beginning and the end.
const (
	profileAfter  = 2 * time.Second
	profileBefore = time.Second
)

// profiled measures, with a profile of the hub's gateway where it gives one.
func (r *run) profiled(ctx context.Context, w wire, l load.Load) (*measurement, error) {
	socket := r.gateways.socket()
	if socket == "" {
		return r.measure(ctx, w, "", l)
	}
	file := filepath.Join(r.Dir(), "profile")
	l.Events = append(l.Events, load.Event{At: profileAfter, Do: func() error {
		return profile(ctx, socket, l.Duration-profileAfter-profileBefore, file)
	}})
	m, err := r.measure(ctx, w, "", l)
	if err != nil {
		return nil, err
	}
	share, err := schedulerShare(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("profile of the hub's gateway: %w", err)
	}
	m.Profile = &share
	r.judge(atMost(7, "scheduler's share of the gateway's CPU", 100*share, 100*mostCPU, "%.1f %%"))
	return m, nil
}

// fairShare is what each of four equal tunnels gets in Mbit/s, as measured, now if that was not done yet.
func (r *run) fairShare(ctx context.Context) (float64, error) {
	if s, ok := r.fair[r.key()]; ok {
		return s, nil
	}
	m, err := r.measure(ctx, byteQueue(r.rate), "reference", r.oneEach(tunnels))
	if err != nil {
		return 0, err
	}
	s := m.total() / tunnels
	r.fair[r.key()] = s
	return s, nil
}

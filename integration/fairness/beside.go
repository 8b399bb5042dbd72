package main

import (
	"context"
	"slices"

	"vpngw/integration/lab/load"
)

// floodTimes is how many times the wire's rate a flood has.
const floodTimes = 3

// flood fills the last tunnel with what listens to nobody.
func flood(ctx context.Context, r *run) error {
	if err := r.use(ctx, setup{uplink: shaped(r.rate)}); err != nil {
		return err
	}
	fair, err := r.fairShare(ctx)
	if err != nil {
		return err
	}
	l := r.oneEach(tunnels - 1)
	l.Floods = []load.Flood{r.flood(tunnels-1, floodTimes*r.rate)}
	m, err := r.measure(ctx, byteQueue(r.rate), "", l)
	if err != nil {
		return err
	}
	r.judge(atLeast(4, "least share beside a flood ÷ fair share", slices.Min(m.Shares[:tunnels-1])/fair, leastOthers))
	return nil
}

// uploadAccount is where an upload is counted, apart from the downloads of its tunnel.
const uploadAccount = tunnels

// upload goes the other way in the first tunnel, so that its ACKs share the hub's uplink.
func upload(ctx context.Context, r *run) error {
	if err := r.use(ctx, setup{uplink: shaped(r.rate)}); err != nil {
		return err
	}
	up := r.upload(0, r.congestion)
	up.Tunnel = uploadAccount
	alone, err := r.measure(ctx, byteQueue(r.rate), "alone", load.Load{Duration: r.seconds, Flows: []load.Flow{up}})
	if err != nil {
		return err
	}
	l := r.oneEach(tunnels)
	l.Flows = append(l.Flows, up)
	m, err := r.measure(ctx, byteQueue(r.rate), "", l)
	if err != nil {
		return err
	}
	r.judge(atLeast(5, "upload ÷ what it has alone", m.Shares[uploadAccount]/alone.Shares[uploadAccount], leastUpload))
	return nil
}

package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"vpngw/integration/lab/relay"
)

// mixed gives the third tunnel a round trip of 20 ms and the fourth one of 100 ms.
func mixed(ctx context.Context, r *run) error {
	delay := func(roundTrip time.Duration) relay.Profile { return relay.Profile{Delay: roundTrip / 2} }
	return r.badPaths(ctx, map[int]relay.Profile{2: delay(20 * time.Millisecond), 3: delay(100 * time.Millisecond)})
}

// loss takes every hundredth packet of the fourth tunnel, in both directions.
func loss(ctx context.Context, r *run) error {
	return r.badPaths(ctx, map[int]relay.Profile{3: {Loss: 0.01}})
}

// badPaths puts relays before some branches and judges the tunnels to the others.
func (r *run) badPaths(ctx context.Context, bad map[int]relay.Profile) (err error) {
	w := byteQueue(r.rate)
	direct := setup{uplink: shaped(r.rate)}
	if err := r.use(ctx, direct); err != nil {
		return err
	}
	fair, err := r.fairShare(ctx)
	if err != nil {
		return err
	}
	idle, err := r.idleDelay(ctx, w)
	if err != nil {
		return err
	}
	indirect := direct
	for i, profile := range bad {
		wire, faces, err := r.relay(i, profile)
		if err != nil {
			return err
		}
		defer wire.Close()
		indirect.via[i] = faces
	}
	defer r.forget() // the relays go, and the gateways must learn of it
	if err := r.use(ctx, indirect); err != nil {
		return err
	}
	m, err := r.measure(ctx, w, "", r.oneEach(tunnels))
	if err != nil {
		return err
	}
	var others []float64
	for i, share := range m.Shares {
		if _, isBad := bad[i]; !isBad {
			others = append(others, share)
		}
	}
	r.judge(atLeast(8, "least of the tunnels on good paths ÷ fair share", slices.Min(others)/fair, leastBeside))
	r.judge(promptProbe(8, m, idle)...)
	return nil
}

// Ports of relays: these and the branch's number.
const (
	relayHubPort    = 5000
	relayBranchPort = 6000
)

// relay stands at the far router, between the trunk and branch i.
func (r *run) relay(i int, p relay.Profile) (*relay.Relay, relayed, error) {
	branch := r.Branches[i]
	faces := relayed{
		hubSide:    netip.AddrPortFrom(branch.Next4, uint16(relayHubPort+i)),
		branchSide: netip.AddrPortFrom(branch.Next4, uint16(relayBranchPort+i)),
	}
	var wire *relay.Relay
	err := r.Far.Do(func() (err error) {
		wire, err = relay.Listen(faces.hubSide, faces.branchSide, relay.Options{
			Seed: relaySeed, AToB: p, BToA: p,
			PeerA: netip.AddrPortFrom(r.Hub.Outside4, port), PeerB: netip.AddrPortFrom(branch.Outside4, port),
		})
		return err
	})
	if err != nil {
		return nil, relayed{}, fmt.Errorf("relay before branch %d: %w", i+1, err)
	}
	return wire, faces, nil
}

// relaySeed makes the losses of every run the same.
const relaySeed = 1

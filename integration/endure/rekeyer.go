package main

import (
	"context"
	"fmt"
	"time"

	"vpngw/integration/lab/daemon"
)

// rekeyPlan is what to do in one round.
type rekeyPlan struct{ child, ike int }

// interval spreads the rekeys over nine tenths of a round, not closer than fastest.
func (p rekeyPlan) interval(round time.Duration) time.Duration {
	return max(round*9/10/time.Duration(max(p.child+p.ike, 1)), fastest)
}

// isIKE tells whether rekey i of the round is one of the IKE SA: they are spread
// evenly among the others.
func (p rekeyPlan) isIKE(i int) bool {
	n := p.child + p.ike
	return (i+1)*p.ike/n > i*p.ike/n
}

// rekeyer asks for rekeys, one after the other and in turns at each gateway, and
// counts those that both have done.
type rekeyer struct {
	pair         *pair
	plan         rekeyPlan
	interval     time.Duration
	idle         bool // go through the plan without rekeying anything
	seenA, seenB seenSAs
	failed       int // asked for, and not done in time
}

// rekeyTimeout is how long a rekey may take under load before it counts as failed.
const rekeyTimeout = 3 * time.Second

// run rekeys until the plan is done, and looks at the SAs until ctx ends. A round
// without rekeys starts a program as often as one with: vpngw status in place of
// vpngw rekey, so that the price of asking is no part of what is compared.
func (r *rekeyer) run(ctx context.Context) error {
	if err := r.look(ctx); err != nil {
		return ended(ctx, err)
	}
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	for i := 0; ; i++ {
		var err error
		switch {
		case i >= r.plan.child+r.plan.ike:
			err = r.look(ctx)
		case r.idle:
			if _, err = r.side(i).Status(ctx); err == nil {
				err = r.look(ctx)
			}
		default:
			err = r.rekey(ctx, r.side(i), r.plan.isIKE(i))
		}
		if err != nil {
			return ended(ctx, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// ended is err, unless it only says that the round is over.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (r *rekeyer) side(i int) *daemon.Gateway {
	if i%2 == 0 {
		return r.pair.a
	}
	return r.pair.b
}

// rekey asks one gateway, and waits until both have new SAs.
func (r *rekeyer) rekey(ctx context.Context, g *daemon.Gateway, ike bool) error {
	before := r.seenA.both(&r.seenB)
	args := []string{g.Binary, "rekey", "--socket", g.Socket(), tunnelName}
	if ike {
		args = append(args, "--ike")
	}
	if _, err := g.Namespace.Run(ctx, args...); err != nil {
		return err
	}
	for deadline := time.Now().Add(rekeyTimeout); time.Now().Before(deadline); {
		if err := r.look(ctx); err != nil {
			return err
		}
		now := r.seenA.both(&r.seenB)
		if ike && now.ike > before.ike || !ike && now.child > before.child {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookEvery):
		}
	}
	r.failed++
	return nil
}

// lookEvery is how often a rekey under way is looked at.
const lookEvery = 10 * time.Millisecond

// look notes the SAs of both gateways.
func (r *rekeyer) look(ctx context.Context) error {
	a, err := r.pair.controlA.state(ctx)
	if err != nil {
		return fmt.Errorf("gateway A: %w", err)
	}
	b, err := r.pair.controlB.state(ctx)
	if err != nil {
		return fmt.Errorf("gateway B: %w", err)
	}
	r.seenA.note(a.SAs[0])
	r.seenB.note(b.SAs[0])
	return nil
}

// seenSAs are the SAs that one gateway has had. An SA that was replaced stays for a
// while, for what is still on its way to it.
type seenSAs struct {
	child, ike map[string]bool
	first      rekeys // how many there were at the first look
}

func (s *seenSAs) note(t tunnelSAs) {
	begin := s.child == nil
	if begin {
		s.child, s.ike = map[string]bool{}, map[string]bool{}
	}
	for _, c := range t.Children {
		s.child[c.SPIIn] = true
	}
	if t.IKE != nil {
		s.ike[t.IKE.InitiatorSPI+t.IKE.ResponderSPI] = true
	}
	if begin {
		s.first = rekeys{len(s.child), len(s.ike)}
	}
}

// rekeys counts how often SAs were replaced.
type rekeys struct{ child, ike int }

// both counts the rekeys since the first look that s and o have both seen.
func (s *seenSAs) both(o *seenSAs) rekeys {
	return rekeys{
		child: min(len(s.child)-s.first.child, len(o.child)-o.first.child),
		ike:   min(len(s.ike)-s.first.ike, len(o.ike)-o.first.ike),
	}
}

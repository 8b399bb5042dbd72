package main

import (
	"context"
	"errors"
	"time"

	"vpngw/integration/lab"
)

// echoWait is how long one echo may take, and how exact the figures are.
const echoWait = 20 * time.Millisecond

// echoes is traffic from host A alone: one ping after the other to host B, whatever
// comes back.
type echoes struct {
	replies chan time.Time // when they came; those that nobody takes are left out
	failed  chan error
}

// startEchoes pings until ctx ends.
func (p *pair) startEchoes(ctx context.Context) *echoes {
	e := &echoes{replies: make(chan time.Time, 1), failed: make(chan error, 1)}
	go func() {
		for ctx.Err() == nil {
			r, err := lab.Ping{From: p.A.Host, To: p.B.Host4, Count: 1, Wait: echoWait}.Run(ctx)
			if err != nil {
				e.failed <- err
				return
			}
			if r.Received > 0 {
				select {
				case e.replies <- time.Now():
				default:
				}
				_ = pause(ctx, echoWait) // its error is that of ctx
			}
		}
	}()
	return e
}

var errNoEcho = errors.New("no echo comes back")

// first waits for a reply that came after since, and returns how long after.
func (e *echoes) first(ctx context.Context, since time.Time, timeout time.Duration) (time.Duration, error) {
	late := time.After(timeout)
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case err := <-e.failed:
			return 0, err
		case <-late:
			return timeout, errNoEcho
		case at := <-e.replies:
			if at.After(since) {
				return at.Sub(since), nil
			}
		}
	}
}

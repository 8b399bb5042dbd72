package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/load"
)

// arena is a contestant on a network of its own.
type arena struct {
	*lab.Bottleneck
	contestant contestant
	gateways   gateways
	now        setup // what runs
	running    bool
	tired      bool  // queues may still hold what the last load left
	slow       place // what limits the way from the hub
}

func newArena(ctx context.Context, c contestant) (*arena, error) {
	net, err := lab.Dumbbell(tunnels+1, lab.Options{})
	if err != nil {
		return nil, err
	}
	a := &arena{Bottleneck: net, contestant: c}
	hosts := []*lab.Namespace{net.Hub.Host}
	for _, b := range net.Branches {
		hosts = append(hosts, b.Host)
	}
	for _, host := range hosts {
		// A slow start threshold remembered from the last run would tie the runs together.
		err = errors.Join(err, host.Sysctl("net.ipv4.tcp_no_metrics_save", "1"))
	}
	if err == nil {
		a.gateways, err = c.prepare(ctx, net)
	}
	if err != nil {
		return nil, errors.Join(err, net.Close())
	}
	return a, nil
}

// use makes the gateways run with a setup; those that do so already are left alone.
func (a *arena) use(ctx context.Context, s setup) error {
	if a.running && a.now == s {
		return nil
	}
	a.gateways.stop()
	a.running = false
	if err := a.gateways.start(ctx, s); err != nil {
		return err
	}
	if err := a.waitForTraffic(ctx); err != nil {
		return err
	}
	a.now, a.running = s, true
	return nil
}

// forget makes the next use restart the gateways.
func (a *arena) forget() { a.running = false }

// waitForTraffic returns when every host is reached, so that each knows its path's MTU.
func (a *arena) waitForTraffic(ctx context.Context) error {
	for _, b := range a.Branches {
		err := lab.Poll(ctx, upTimeout, func() error {
			r, err := lab.Ping{From: a.Hub.Host, To: b.Host4, Count: 1, Wait: 200 * time.Millisecond}.Run(ctx)
			if err != nil {
				return lab.Fatal(err)
			}
			if r.Received == 0 {
				return fmt.Errorf("the hub's host does not reach %s; the hub's gateway says: %s", b.Host.Role, a.gateways.hub().Tail(3))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// wire limits what crosses the trunk, in both directions.
func (a *arena) wire(ctx context.Context, w wire) error {
	there := place{a.Near, lab.TrunkDevice}
	if w.AtHub {
		there = place{a.Hub.Gateway, lab.WAN}
	}
	back := place{a.Far, lab.TrunkDevice}
	if a.slow != there && a.slow.at != nil {
		if err := a.slow.limit(ctx, wire{}); err != nil {
			return err
		}
	}
	a.slow = there
	return errors.Join(there.limit(ctx, w), back.limit(ctx, w))
}

// place is a device that can be a wire's bottleneck.
type place struct {
	at     *lab.Namespace
	device string
}

func (p place) limit(ctx context.Context, w wire) error {
	switch {
	case w.Rate == 0:
		return p.at.Unlimited(ctx, p.device)
	case w.Superpackets > 0:
		return p.at.SuperpacketQueue(ctx, p.device, w.Rate, w.Superpackets)
	}
	return p.at.ByteQueue(ctx, p.device, w.Rate, w.Bytes)
}

// flow is one from the hub to branch i, from 0.
func (a *arena) flow(i int, congestion string) load.Flow {
	return load.Flow{From: a.Hub.Host, To: a.Branches[i].Host, Address: a.Branches[i].Host4, Congestion: congestion, Tunnel: i}
}

// upload is a flow from branch i to the hub.
func (a *arena) upload(i int, congestion string) load.Flow {
	return load.Flow{From: a.Branches[i].Host, To: a.Hub.Host, Address: a.Hub.Host4, Congestion: congestion, Tunnel: i}
}

// flood is one from the hub to branch i, in bits of payload per second.
func (a *arena) flood(i int, rate uint64) load.Flood {
	return load.Flood{From: a.Hub.Host, To: a.Branches[i].Host, Address: a.Branches[i].Host4, Rate: rate, Tunnel: i}
}

// probe is one through the tunnel that carries nothing else.
func (a *arena) probe() load.Probe {
	return load.Probe{From: a.Hub.Host, To: a.Branches[tunnels].Host, Address: a.Branches[tunnels].Host4}
}

// rest lets what the last load left in queues drain, however long they are.
func (a *arena) rest(ctx context.Context) error {
	if !a.tired {
		return nil
	}
	select {
	case <-time.After(restTime):
	case <-ctx.Done():
		return ctx.Err()
	}
	err := lab.Poll(ctx, upTimeout, func() error {
		r, err := lab.Ping{From: a.Hub.Host, To: a.Branches[tunnels].Host4, Count: 1, Wait: 200 * time.Millisecond}.Run(ctx)
		if err != nil {
			return lab.Fatal(err)
		}
		if r.Received == 0 || r.Max > restDelay {
			return fmt.Errorf("a ping takes %v", r.Max)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("the queues do not drain: %w", err)
	}
	a.tired = false
	return nil
}

const (
	// restTime is longer than a tunnel's own queue takes at the lowest rate, and restDelay what a drained one may take.
	restTime  = 1500 * time.Millisecond
	restDelay = 20 * time.Millisecond
)

// close ends the contestant and removes its network.
func (a *arena) close() error {
	a.gateways.stop()
	return a.Bottleneck.Close()
}

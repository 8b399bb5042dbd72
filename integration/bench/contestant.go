package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vpngw/integration/lab"
)

const (
	plainName = "plain"
	// subjectName is the contestant whose ratios to the others are reported.
	subjectName = "vpngw"
	// fifoName is the same program with its fair queue switched off.
	fifoName = "vpngw-fifo"
	// lanesName is the same program with two lanes.
	lanesName = "vpngw-lanes2"

	// startTimeout is how long a contestant may take from its start to the first packet.
	startTimeout = 15 * time.Second
	// stopTimeout is how long a daemon may take to end by itself.
	stopTimeout = 3 * time.Second
)

// contestant is one way of joining two sites.
type contestant interface {
	// Name is how -only, the table and the JSON call it.
	Name() string
	// Build compiles what Start runs and returns the version it has.
	Build(ctx context.Context, b builder) (version string, err error)
	// Start joins the gateways of s. Packets may begin to flow later than it
	// returns. What Start leaves running when it fails, the closing of s ends.
	Start(ctx context.Context, s *lab.Sites) (*join, error)
}

// join is a running contestant.
type join struct {
	A, B *lab.Process // of the gateways; nil where the kernel does the work
	// Close ends it; nil when there is nothing to end.
	Close func()
}

// usualContestants lists the contestants in the order of the table.
func usualContestants() []contestant {
	return []contestant{
		plain{},
		&wireguard{name: "wireguard-go", module: "golang.zx2c4.com/wireguard"},
		&wireguard{name: "tailscale", module: "github.com/tailscale/wireguard-go"},
		&vpngw{name: subjectName},
	}
}

// allContestants adds those that run only where -only names them.
func allContestants() []contestant {
	return append(usualContestants(), &vpngw{name: fifoName, fifo: true}, &vpngw{name: lanesName, lanes: 2})
}

// plain forwards without any tunnel: the cost of the machine, the hosts and
// iperf3, that every other contestant pays as well.
type plain struct{}

func (plain) Name() string { return plainName }

func (plain) Build(context.Context, builder) (string, error) {
	return "the kernel's forwarding, no tunnel", nil
}

// Start has nothing to do: the gateways of the lab route to one another.
func (plain) Start(context.Context, *lab.Sites) (*join, error) { return &join{}, nil }

// arena is one contestant, joined and checked, on its own pair of sites.
type arena struct {
	contestant string
	sites      *lab.Sites
	join       *join
}

// newArena builds the sites and starts the contestant in them. It returns when
// traffic flows both ways and both hosts know the path's MTU.
func newArena(ctx context.Context, c contestant, w wireKind, pin bool) (*arena, error) {
	sites, err := lab.TwoSites(lab.Options{NICLike: w.NICLike})
	if err != nil {
		return nil, err
	}
	a := &arena{contestant: c.Name(), sites: sites, join: &join{}}
	if err := a.start(ctx, c, pin); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *arena) start(ctx context.Context, c contestant, pin bool) (err error) {
	s := a.sites
	if pin {
		s.A.Host.Pin(0)
		s.A.Gateway.Pin(0)
		s.B.Host.Pin(1)
		s.B.Gateway.Pin(1)
	}
	for _, host := range []*lab.Namespace{s.A.Host, s.B.Host} {
		// A slow start threshold remembered from the last run would tie the rounds together.
		if err := host.Sysctl("net.ipv4.tcp_no_metrics_save", "1"); err != nil {
			return err
		}
	}
	if c.Name() != plainName {
		if err := a.closeClearPath(ctx); err != nil {
			return err
		}
	}
	if a.join, err = c.Start(ctx, s); err != nil {
		a.join = &join{}
		return err
	}
	if err := a.waitForTraffic(ctx); err != nil {
		return err
	}
	// Both hosts learn the path's MTU here, and not in the first measurement.
	_, err = lab.Iperf{Client: s.A.Host, Server: s.B.Host, Address: s.B.Host4, Seconds: 1, Bidirectional: true}.Run(ctx)
	return err
}

// closeClearPath makes sure that only a tunnel can join the sites: the gateways
// refuse the other's inside unless a better route exists.
func (a *arena) closeClearPath(ctx context.Context) error {
	s := a.sites
	for _, end := range []struct{ at, other lab.Site }{{s.A, s.B}, {s.B, s.A}} {
		_, err := end.at.Gateway.Run(ctx, "ip", "route", "add", "unreachable", end.other.Inside4.String(), "metric", "4096")
		if err != nil {
			return err
		}
	}
	r, err := lab.Ping{From: s.A.Host, To: s.B.Host4, Count: 2, Interval: 20 * time.Millisecond, Wait: 100 * time.Millisecond}.Run(ctx)
	if err != nil {
		return err
	}
	if r.Received > 0 {
		return errors.New("host A reaches host B before the tunnel is there: the figures would be those of plain forwarding")
	}
	return nil
}

func (a *arena) waitForTraffic(ctx context.Context) error {
	s := a.sites
	return lab.Poll(ctx, startTimeout, func() error {
		for _, p := range []*lab.Process{a.join.A, a.join.B} {
			if p != nil && !p.Running() {
				return lab.Fatal(fmt.Errorf("a gateway ended with exit code %d: %s", p.ExitCode(), p.Tail(5)))
			}
		}
		for _, end := range []struct{ from, to lab.Site }{{s.A, s.B}, {s.B, s.A}} {
			r, err := lab.Ping{From: end.from.Host, To: end.to.Host4, Count: 1, Wait: 200 * time.Millisecond}.Run(ctx)
			if err != nil {
				return lab.Fatal(err)
			}
			if r.Received == 0 {
				return fmt.Errorf("%s does not reach %s%s", end.from.Host.Role, end.to.Host.Role, a.lastWords())
			}
		}
		return nil
	})
}

// lastWords returns what the gateways logged last, for an error message.
func (a *arena) lastWords() string {
	words := ""
	for _, p := range []*lab.Process{a.join.A, a.join.B} {
		if p != nil {
			words += "; a gateway says: " + p.Tail(3)
		}
	}
	return words
}

// gatewayCPU reads the CPU seconds of the gateways' processes; ok is false if
// there are none.
func (a *arena) gatewayCPU() (cpuA, cpuB float64, ok bool, err error) {
	if a.join.A == nil || a.join.B == nil {
		return 0, 0, false, nil
	}
	if cpuA, err = a.join.A.CPUSeconds(); err != nil {
		return 0, 0, false, fmt.Errorf("%w%s", err, a.lastWords())
	}
	if cpuB, err = a.join.B.CPUSeconds(); err != nil {
		return 0, 0, false, fmt.Errorf("%w%s", err, a.lastWords())
	}
	return cpuA, cpuB, true, nil
}

// Close ends the contestant and removes its sites.
func (a *arena) Close() error {
	if a.join.Close != nil {
		a.join.Close()
	}
	return a.sites.Close()
}

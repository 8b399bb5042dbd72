package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

const (
	// startTimeout is how long the gateways may take to their first packet.
	startTimeout = 15 * time.Second
	stopGrace    = 3 * time.Second

	secret = "a shared secret of the cost account"
)

// arena is two sites, joined by gateways that run.
type arena struct {
	*lab.Sites
	a, b  *daemon.Gateway
	names [2]*symbols // of their programs, for a goroutine each
}

// newArena builds the sites on a wire and starts the program in them. It returns when the tunnel is up and both hosts
// know the path's MTU.
func newArena(ctx context.Context, w wire, program string, pin bool) (*arena, error) {
	sites, err := lab.TwoSites(lab.Options{NICLike: w.nicLike, Isolated: true})
	if err != nil {
		return nil, err
	}
	a := &arena{Sites: sites}
	for i := range a.names {
		if a.names[i], err = readSymbols(program); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	if err := a.start(ctx, program, pin); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *arena) start(ctx context.Context, program string, pin bool) (err error) {
	if pin {
		for i, site := range []lab.Site{a.A, a.B} {
			site.Host.Pin(i)
			site.Gateway.Pin(i)
		}
	}
	for _, host := range []*lab.Namespace{a.A.Host, a.B.Host} {
		// A slow start threshold remembered from the last run would tie the runs together.
		if err := host.Sysctl("net.ipv4.tcp_no_metrics_save", "1"); err != nil {
			return err
		}
	}
	if a.a, err = a.gateway("a", a.A, "b", a.B, program); err != nil {
		return err
	}
	if a.b, err = a.gateway("b", a.B, "a", a.A, program); err != nil {
		return err
	}
	for _, g := range []*daemon.Gateway{a.a, a.b} {
		if err := g.WaitUp(ctx, startTimeout); err != nil {
			return err
		}
	}
	// What a first connection finds out is not measured.
	_, err = lab.Iperf{Client: a.A.Host, Server: a.B.Host, Address: a.B.Host4, Seconds: 1, Bidirectional: true}.Run(ctx)
	return err
}

// gateway starts the program at a site, with a tunnel to the other.
func (a *arena) gateway(id string, own lab.Site, peer string, other lab.Site, program string) (*daemon.Gateway, error) {
	g, err := daemon.New(a.Lab, own.Gateway, program)
	if err != nil {
		return nil, err
	}
	psk, err := g.WriteSecret("psk", secret+"\n")
	if err != nil {
		return nil, err
	}
	err = g.Configure(daemon.Config{ID: id + ".profile.example", Tunnels: []daemon.Tunnel{{
		Name: "to-" + peer, Peer: other.Outside4.String(), PeerID: peer + ".profile.example", PSKFile: psk,
		Local: []netip.Prefix{own.Inside4}, Remote: []netip.Prefix{other.Inside4},
	}}})
	if err != nil {
		return nil, err
	}
	if err := g.Start(); err != nil {
		return nil, fmt.Errorf("gateway %s: %w", id, err)
	}
	return g, nil
}

// run sends traffic and returns where the processor time of the gateways went for so many seconds of it.
func (a *arena) run(ctx context.Context, t traffic, meter *lab.CPUMeter, seconds int) (r run, err error) {
	load := t.load
	load.Client, load.Server, load.Address = a.A.Host, a.B.Host, a.B.Host4
	load.Congestion = "cubic" // bbr would measure its own pacing
	// Longer than what is watched, at both ends.
	load.Seconds = seconds + int((headStart+tail)/time.Second)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(load.Seconds)*time.Second+slack)
	defer cancel()
	sent := make(chan error, 1)
	go func() {
		_, err := load.Run(ctx)
		sent <- err
	}()
	defer func() { err = errors.Join(err, <-sent) }()
	select {
	case <-ctx.Done():
		return r, ctx.Err()
	case <-time.After(headStart):
	}
	if r, err = a.watch(ctx, t, meter, time.Duration(seconds)*time.Second); err != nil {
		cancel()
	}
	return r, err
}

const (
	headStart = time.Second // the start of iperf3 and TCP's slow start
	tail      = 2 * time.Second
	slack     = 20 * time.Second // how much longer than its traffic a run may take
)

// close ends the gateways and removes the sites.
func (a *arena) close() error {
	for _, g := range []*daemon.Gateway{a.a, a.b} {
		if g != nil && g.Process != nil {
			g.Stop(stopGrace)
		}
	}
	return a.Sites.Close()
}

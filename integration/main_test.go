// Package integration runs real gateways against each other in network namespaces. Everything here needs root, and is skipped,
// with the reason, where that or a program is missing.
package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/command"
	"vpngw/integration/lab/daemon"
)

// program is the vpngw under test: given, or built once; empty where no lab can run.
var program string

func init() {
	flag.StringVar(&program, "program", "", "`path` of the vpngw to test; without it, one is built from these sources")
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if lab.Available() != nil || program != "" {
		return m.Run() // without a lab, every test says why it is skipped
	}
	// A lab without namespaces: its directory goes away however this process ends.
	l, err := lab.New()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer l.Close()
	if program, _, err = command.Program(context.Background(), "", l.Dir()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// needLab skips a test on a machine that cannot run it.
func needLab(t *testing.T, programs ...string) {
	t.Helper()
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	if m := lab.Missing(programs...); len(programs) > 0 && len(m) > 0 {
		t.Skipf("not installed: %v", m)
	}
}

// Bounds on waiting that are about the machine and not about the gateway.
const (
	upTimeout = 10 * time.Second
	stopGrace = 5 * time.Second
)

const tunnelDevice = "vpn0"

// goodPSK is shared by the gateways of tests about something else.
const goodPSK = "a shared secret of the integration tests"

// pair is two sites with a gateway each.
type pair struct {
	*lab.Sites
	t    *testing.T
	a, b *daemon.Gateway
	// The configurations as last written.
	configA, configB daemon.Config
}

// pairOptions choose what a pair is like. The zero value is a running pair with a PSK over IPv4.
type pairOptions struct {
	lab.Options
	leaky    bool                      // without a tunnel, the outside would carry packets between the sites in clear
	keys     bool                      // Ed25519 keys in place of the PSK
	outside6 bool                      // IPv6 between the gateways
	edit     func(a, b *daemon.Config) // last changes to the tunnel files
	before   func(p *pair)             // last changes to the lab before the gateways start
	stopped  bool                      // do not start the gateways
	noWait   bool                      // do not wait for the tunnel
	// peers gives the addresses under which the gateways look for A and for B, where those are not the gateways' own.
	peers func(p *pair) (addressA, addressB string)
}

// newPair makes two sites with gateways. Everything is removed with the test; if it failed, the gateways' logs are shown.
func newPair(t *testing.T, o pairOptions) *pair {
	t.Helper()
	needLab(t)
	o.Isolated = !o.leaky
	sites, err := lab.TwoSites(o.Options)
	must(t, err)
	p := &pair{Sites: sites, t: t}
	t.Cleanup(p.end)
	p.a, err = daemon.New(sites.Lab, sites.A.Gateway, program)
	must(t, err)
	p.b, err = daemon.New(sites.Lab, sites.B.Gateway, program)
	must(t, err)
	p.configA, p.configB = p.configs(o)
	if o.edit != nil {
		o.edit(&p.configA, &p.configB)
	}
	must(t, p.a.Configure(p.configA))
	must(t, p.b.Configure(p.configB))
	must(t, p.a.Check(t.Context()))
	must(t, p.b.Check(t.Context()))
	if o.before != nil {
		o.before(p)
	}
	if o.stopped {
		return p
	}
	must(t, p.a.Start())
	must(t, p.b.Start())
	if !o.noWait {
		p.waitUp()
	}
	return p
}

// configs are the tunnel files of both gateways.
func (p *pair) configs(o pairOptions) (a, b daemon.Config) {
	addressA, addressB := p.A.Outside4.String(), p.B.Outside4.String()
	if o.outside6 {
		addressA, addressB = p.A.Outside6.String(), p.B.Outside6.String()
	}
	if o.peers != nil {
		addressA, addressB = o.peers(p)
	}
	insideA := []netip.Prefix{p.A.Inside4, p.A.Inside6}
	insideB := []netip.Prefix{p.B.Inside4, p.B.Inside6}
	a = daemon.Config{ID: "gw-a.example", Interface: tunnelDevice, Tunnels: []daemon.Tunnel{
		{Name: "to-b", Peer: addressB, PeerID: "gw-b.example", Local: insideA, Remote: insideB}}}
	b = daemon.Config{ID: "gw-b.example", Interface: tunnelDevice, Tunnels: []daemon.Tunnel{
		{Name: "to-a", Peer: addressA, PeerID: "gw-a.example", Local: insideB, Remote: insideA}}}
	if o.keys {
		publicA, err := p.a.Genkey(p.t.Context())
		must(p.t, err)
		publicB, err := p.b.Genkey(p.t.Context())
		must(p.t, err)
		a.KeyFile, a.Tunnels[0].PublicKey = p.a.KeyFile(), publicB
		b.KeyFile, b.Tunnels[0].PublicKey = p.b.KeyFile(), publicA
		return a, b
	}
	var err error
	a.Tunnels[0].PSKFile, err = p.a.WriteSecret("psk", goodPSK)
	must(p.t, err)
	b.Tunnels[0].PSKFile, err = p.b.WriteSecret("psk", goodPSK)
	must(p.t, err)
	return a, b
}

func (p *pair) waitUp() {
	p.t.Helper()
	must(p.t, p.a.WaitUp(p.t.Context(), upTimeout))
	must(p.t, p.b.WaitUp(p.t.Context(), upTimeout))
}

func (p *pair) end() {
	if p.t.Failed() {
		for _, g := range []*daemon.Gateway{p.a, p.b} {
			showLog(p.t, g)
		}
	}
	if err := p.Close(); err != nil {
		p.t.Error(err)
	}
}

// showLog shows the last lines of a gateway's log.
func showLog(t *testing.T, g *daemon.Gateway) {
	t.Helper()
	if g != nil && g.Process != nil {
		t.Logf("log of %s:\n%s", g.Namespace.Role, g.Process.Tail(25))
	}
}

// status of a gateway, now.
func status(t *testing.T, g *daemon.Gateway) daemon.Status {
	t.Helper()
	s, err := g.Status(t.Context())
	must(t, err)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ping runs a ping and fails the test only if it could not be run.
func ping(t *testing.T, p lab.Ping) lab.PingResult {
	t.Helper()
	r, err := p.Run(t.Context())
	must(t, err)
	return r
}

// flows waits until one echo comes back, and returns how long that took.
func flows(ctx context.Context, from *lab.Namespace, to netip.Addr, timeout time.Duration) (time.Duration, error) {
	start := time.Now()
	err := lab.Poll(ctx, timeout, func() error {
		r, err := lab.Ping{From: from, To: to, Count: 1, Wait: 50 * time.Millisecond}.Run(ctx)
		if err == nil && r.Received == 0 {
			err = fmt.Errorf("no reply to %s from %s", from.Role, to)
		}
		return err
	})
	return time.Since(start), err
}

// waitDrops waits until a gateway has counted at least n drops for any of the reasons, and returns how many.
func waitDrops(t *testing.T, g *daemon.Gateway, n uint64, reasons ...string) (count uint64) {
	t.Helper()
	must(t, g.WaitStatus(t.Context(), 3*time.Second, func(s daemon.Status) error {
		drops := s.AllDrops()
		count = 0
		for _, r := range reasons {
			count += drops[r]
		}
		if count < n {
			return fmt.Errorf("%d drops for %v, expected %d; all: %s", count, reasons, n, daemon.FormatDrops(drops))
		}
		return nil
	}))
	return count
}

// waitRunning waits until a gateway answers: its device and routes stand, whatever becomes of its tunnels.
func waitRunning(t *testing.T, g *daemon.Gateway) {
	t.Helper()
	must(t, g.WaitStatus(t.Context(), upTimeout, func(daemon.Status) error { return nil }))
}

// waitBound waits until a gateway has opened its port: from then on it can hear its peer.
func waitBound(t *testing.T, g *daemon.Gateway) {
	t.Helper()
	must(t, lab.Poll(t.Context(), upTimeout, func() error {
		if !g.Process.Running() {
			return lab.Fatal(fmt.Errorf("the gateway ended with exit code %d:\n%s", g.Process.ExitCode(), g.Process.Tail(20)))
		}
		if !g.Process.Bound(4500) {
			return errors.New("port 4500 is not bound")
		}
		return nil
	}))
}

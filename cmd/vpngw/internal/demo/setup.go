package demo

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// upTimeout is generous: two gateways agree within a fraction of a second.
const upTimeout = 15 * time.Second

// tunnelDevice is the gateways' TUN device.
const tunnelDevice = "vpn0"

// setUp makes keys and tunnel files as a user would.
func (d *demo) setUp(ctx context.Context) (err error) {
	if d.a, err = d.newGateway(d.sites.Lab, d.sites.A.Gateway); err != nil {
		return err
	}
	if d.b, err = d.newGateway(d.sites.Lab, d.sites.B.Gateway); err != nil {
		return err
	}
	publicA, err := d.genkey(ctx, "A", d.a)
	if err != nil {
		return err
	}
	publicB, err := d.genkey(ctx, "B", d.b)
	if err != nil {
		return err
	}
	return firstError(
		d.configure(ctx, "A", d.a, d.sites.A, daemon.Tunnel{Name: "site-b", Peer: d.sites.B.Outside4.String(), PeerID: "gw-b.example", PublicKey: publicB}, d.sites.B),
		d.configure(ctx, "B", d.b, d.sites.B, daemon.Tunnel{Name: "site-a", Peer: d.sites.A.Outside4.String(), PeerID: "gw-a.example", PublicKey: publicA}, d.sites.A),
	)
}

func (d *demo) genkey(ctx context.Context, name string, g *daemon.Gateway) (public string, err error) {
	if public, err = g.Genkey(ctx); err != nil {
		return "", fmt.Errorf("key of gateway %s: %w", name, err)
	}
	d.say("gateway %s: vpngw genkey gw.key; vpngw pubkey gw.key: %s", name, public)
	return public, nil
}

// configure writes and checks one tunnel file.
func (d *demo) configure(ctx context.Context, name string, g *daemon.Gateway, own lab.Site, t daemon.Tunnel, far lab.Site) error {
	t.Local = []netip.Prefix{own.Inside4, own.Inside6}
	t.Remote = []netip.Prefix{far.Inside4, far.Inside6}
	c := daemon.Config{ID: ownID(name), KeyFile: g.KeyFile(), Interface: tunnelDevice, Tunnels: []daemon.Tunnel{t}}
	if err := g.Configure(c); err != nil {
		return fmt.Errorf("tunnel file of gateway %s: %w", name, err)
	}
	if err := g.Check(ctx); err != nil {
		return fmt.Errorf("tunnel file of gateway %s:\n%s\n%w", name, c.YAML(), err)
	}
	d.say("gateway %s: vpngw check tunnels.yaml: no mistakes", name)
	return nil
}

func ownID(name string) string {
	if name == "A" {
		return "gw-a.example"
	}
	return "gw-b.example"
}

// bringUp starts both gateways and waits for the tunnel.
func (d *demo) bringUp(ctx context.Context) error {
	start := time.Now()
	if err := firstError(d.a.Start(), d.b.Start()); err != nil {
		return err
	}
	d.say("both gateways: vpngw run tunnels.yaml")
	if err := d.a.WaitUp(ctx, upTimeout); err != nil {
		return fmt.Errorf("the tunnel did not come up: %w", err)
	}
	if err := d.b.WaitUp(ctx, upTimeout); err != nil {
		return fmt.Errorf("the tunnel did not come up: %w", err)
	}
	d.say("tunnel up on both sides, %.1f s after the start", time.Since(start).Seconds())
	return nil
}

// stopAll ends the act's gateways as a service manager would.
func (d *demo) stopAll() error {
	for _, g := range d.gateways {
		if err := d.stop(g); err != nil {
			return err
		}
	}
	d.say("all gateways ended cleanly on SIGTERM")
	return nil
}

func (d *demo) stop(g *daemon.Gateway) error {
	if code := g.Stop(stopGrace); code != 0 {
		return fmt.Errorf("gateway %s ended with exit code %d on SIGTERM, expected 0", g.Namespace.Role, code)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"vpngw/configs"
	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// vpngw is the project's own gateway.
type vpngw struct {
	title, text string
	fifo        bool // its queue switched off
	unshaped    bool // whatever the scenario shapes to

	binary  string
	without bool // the program does not know fifoLine
}

func (v *vpngw) name() string  { return v.title }
func (v *vpngw) about() string { return v.text }

func (v *vpngw) build(ctx context.Context, b *builder) (version string, err error) {
	if v.binary, version, err = b.vpngw(ctx); err != nil {
		return "", err
	}
	if v.fifo {
		known, err := knows(ctx, v.binary, b.bin, fifoLine)
		if err != nil {
			return "", err
		}
		if v.without = !known; v.without {
			version += ", which cannot switch its queue off: it is measured as it is"
		}
	}
	return version, nil
}

// fifoLine switches the queue off.
const fifoLine = "fairness: {queue: fifo}"

// gatewayLines are the lines of the tunnel file's gateway section that make the contestant.
func (v *vpngw) gatewayLines(uplink uint64) (lines []string) {
	if uplink > 0 && !v.unshaped {
		lines = append(lines, fmt.Sprintf("uplink: {rate: %v}", configs.Rate(uplink)))
	}
	if v.fifo && !v.without {
		lines = append(lines, fifoLine)
	}
	return lines
}

func (v *vpngw) prepare(ctx context.Context, net *lab.Bottleneck) (gateways, error) {
	g := &vpngwGateways{contestant: v, net: net}
	for i := -1; i < len(net.Branches); i++ {
		site := net.Hub
		if i >= 0 {
			site = net.Branches[i]
		}
		d, err := daemon.New(net.Lab, site.Gateway, v.binary)
		if err != nil {
			return nil, err
		}
		g.daemons = append(g.daemons, d)
	}
	return g, nil
}

// vpngwGateways are a hub and its branches, in this order.
type vpngwGateways struct {
	contestant *vpngw
	net        *lab.Bottleneck
	daemons    []*daemon.Gateway
}

func (g *vpngwGateways) hub() *lab.Process         { return g.daemons[0].Process }
func (g *vpngwGateways) branch(i int) *lab.Process { return g.daemons[i+1].Process }
func (g *vpngwGateways) socket() string            { return g.daemons[0].Socket() }

func (g *vpngwGateways) start(ctx context.Context, s setup) error {
	if err := g.configure(s); err != nil {
		return err
	}
	for _, d := range g.daemons {
		if err := d.Start(); err != nil {
			return err
		}
	}
	for _, d := range g.daemons {
		if err := d.WaitUp(ctx, upTimeout); err != nil {
			return err
		}
	}
	return nil
}

// configure writes the tunnel files. The branches begin; the hub begins as well where it knows their address.
func (g *vpngwGateways) configure(s setup) error {
	const hubID, device = "hub.example", "vpn0"
	lines := g.contestant.gatewayLines(s.uplink)
	hub := daemon.Config{ID: hubID, Interface: device, Port: port, Gateway: lines}
	for i, site := range g.net.Branches {
		id, psk := fmt.Sprintf("branch-%d.example", i+1), fmt.Sprintf("the shared secret of branch number %d", i+1)
		here, errHere := g.daemons[i+1].WriteSecret("psk", psk)
		there, errThere := g.daemons[0].WriteSecret(fmt.Sprintf("psk-%d", i+1), psk)
		hubNet, branchNet := []netip.Prefix{g.net.Hub.Inside4}, []netip.Prefix{site.Inside4}
		hub.Tunnels = append(hub.Tunnels, daemon.Tunnel{Name: fmt.Sprintf("branch-%d", i+1),
			Peer: s.hubSees(g.net, i).String(), PeerID: id, PSKFile: there, Local: hubNet, Remote: branchNet})
		branch := daemon.Config{ID: id, Interface: device, Port: port, Gateway: lines, Tunnels: []daemon.Tunnel{
			{Name: "hub", Peer: s.branchSees(g.net, i).String(), PeerID: hubID, PSKFile: here, Local: branchNet, Remote: hubNet}}}
		if err := errors.Join(errHere, errThere, g.daemons[i+1].Configure(branch)); err != nil {
			return err
		}
	}
	return g.daemons[0].Configure(hub)
}

func (g *vpngwGateways) stop() {
	for _, d := range g.daemons {
		if d.Process != nil && d.Process.Running() {
			d.Stop(stopGrace)
		}
	}
}

package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"net/netip"

	"vpngw/integration/lab"
	wg "vpngw/integration/lab/wireguard"
)

// wireguard is the reference implementation in user space: one device with a peer for each branch. It shapes nothing.
type wireguard struct{ binary string }

// wireguardModule is also the path of its main package.
const wireguardModule = "golang.zx2c4.com/wireguard"

func (*wireguard) name() string  { return wireguardName }
func (*wireguard) about() string { return "wireguard-go, unshaped" }

func (w *wireguard) build(ctx context.Context, b *builder) (version string, err error) {
	w.binary, version, err = b.peer(ctx, wireguardModule, w.name())
	return version, err
}

func (w *wireguard) prepare(_ context.Context, net *lab.Bottleneck) (gateways, error) {
	g := &wireguardGateways{contestant: w, net: net}
	for range len(net.Branches) + 1 {
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		g.keys = append(g.keys, key)
	}
	return g, nil
}

// wireguardGateways are a hub and its branches, in this order.
type wireguardGateways struct {
	contestant *wireguard
	net        *lab.Bottleneck
	keys       []*ecdh.PrivateKey
	daemons    []*wg.Daemon
}

func (g *wireguardGateways) hub() *lab.Process         { return g.daemons[0].Process }
func (g *wireguardGateways) branch(i int) *lab.Process { return g.daemons[i+1].Process }
func (g *wireguardGateways) socket() string            { return "" }

func (g *wireguardGateways) start(ctx context.Context, s setup) error {
	hub := wg.Config{Key: g.keys[0], Port: port}
	for i, site := range g.net.Branches {
		hub.Peers = append(hub.Peers, wg.Peer{Key: g.keys[i+1].PublicKey(), Endpoint: s.hubSees(g.net, i), AllowedIPs: []netip.Prefix{site.Inside4}})
	}
	err := g.run(ctx, g.net.Hub.Gateway, "h", hub)
	for i, site := range g.net.Branches {
		if err != nil {
			break
		}
		err = g.run(ctx, site.Gateway, fmt.Sprint(i+1), wg.Config{Key: g.keys[i+1], Port: port, Peers: []wg.Peer{
			{Key: g.keys[0].PublicKey(), Endpoint: s.branchSees(g.net, i), AllowedIPs: []netip.Prefix{g.net.Hub.Inside4}}}})
	}
	if err != nil {
		g.stop()
	}
	return err
}

func (g *wireguardGateways) run(ctx context.Context, n *lab.Namespace, suffix string, c wg.Config) error {
	d, err := wg.Start(ctx, n, g.contestant.binary, "wg"+g.net.ID()+suffix, c)
	if err != nil {
		return fmt.Errorf("wireguard-go in %s: %w", n.Role, err)
	}
	g.daemons = append(g.daemons, d)
	return nil
}

func (g *wireguardGateways) stop() {
	for _, d := range g.daemons {
		d.Stop()
	}
	g.daemons = nil
}

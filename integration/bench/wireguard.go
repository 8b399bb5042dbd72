package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"net/netip"

	"vpngw/integration/lab"
	wg "vpngw/integration/lab/wireguard"
)

const wireguardPort = 51820

// wireguard is a WireGuard daemon in user space, with its own defaults. Both
// peers have the same command line and configuration socket.
type wireguard struct {
	name   string
	module string // also the path of its main package
	binary string // after Build
}

func (w *wireguard) Name() string { return w.name }

func (w *wireguard) Build(ctx context.Context, b builder) (version string, err error) {
	if w.binary, err = b.peer(ctx, w.module, w.name); err != nil {
		return "", err
	}
	return b.moduleVersion(ctx, w.module)
}

func (w *wireguard) Start(ctx context.Context, s *lab.Sites, wire wireKind) (*join, error) {
	keyA, errA := ecdh.X25519().GenerateKey(rand.Reader)
	keyB, errB := ecdh.X25519().GenerateKey(rand.Reader)
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	a, err := w.startEnd(ctx, s, wire, s.A, s.B, "a", keyA, keyB.PublicKey())
	if err != nil {
		return nil, err
	}
	b, err := w.startEnd(ctx, s, wire, s.B, s.A, "b", keyB, keyA.PublicKey())
	if err != nil {
		a.Stop()
		return nil, err
	}
	return &join{A: a.Process, B: b.Process, Close: func() { a.Stop(); b.Stop() }}, nil
}

// startEnd runs the daemon of the gateway of site own.
func (w *wireguard) startEnd(ctx context.Context, s *lab.Sites, wire wireKind, own, other lab.Site, end string, key *ecdh.PrivateKey, peer *ecdh.PublicKey) (*wg.Daemon, error) {
	return wg.Start(ctx, own.Gateway, w.binary, "wg"+s.ID()+end, wg.Config{Key: key, Port: wireguardPort, MTU: wire.mtu() - wg.Overhead, Peers: []wg.Peer{
		{Key: peer, Endpoint: netip.AddrPortFrom(wire.outside(other), wireguardPort), AllowedIPs: []netip.Prefix{other.Inside4}}}})
}

package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"net/netip"
	"os"
	"strconv"

	"vpngw/integration/lab"
)

const (
	wireguardPort = 51820
	wireguardMTU  = 1420 // WireGuard's usual: 1500 − 80 for the largest outer headers
)

// wireguard is a WireGuard daemon in user space, with its own defaults. Both
// peers have the same command line and configuration socket.
type wireguard struct {
	name   string
	module string // also the path of its main package
	binary string // after Build
}

func (w *wireguard) Name() string { return w.name }

func (w *wireguard) Build(ctx context.Context, b builder) (version string, err error) {
	if w.binary, err = b.build(ctx, b.peersFolder(), w.module, w.name); err != nil {
		return "", err
	}
	return b.moduleVersion(ctx, w.module)
}

func (w *wireguard) Start(ctx context.Context, s *lab.Sites) (*join, error) {
	keyA, errA := ecdh.X25519().GenerateKey(rand.Reader)
	keyB, errB := ecdh.X25519().GenerateKey(rand.Reader)
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	a, err := w.startEnd(ctx, s, s.A, s.B, "a", keyA, keyB.PublicKey())
	if err != nil {
		return nil, err
	}
	b, err := w.startEnd(ctx, s, s.B, s.A, "b", keyB, keyA.PublicKey())
	if err != nil {
		a.close()
		return nil, err
	}
	return &join{A: a.process, B: b.process, Close: func() { a.close(); b.close() }}, nil
}

// wireguardEnd is one running daemon.
type wireguardEnd struct {
	device  string
	process *lab.Process
}

// close ends the daemon, and removes its socket in case it could not.
func (e wireguardEnd) close() {
	e.process.Stop(stopTimeout)
	_ = os.Remove(uapiSocket(e.device)) // it is gone where all went well
}

// startEnd runs the daemon of the gateway of site own and sets up its device.
func (w *wireguard) startEnd(ctx context.Context, s *lab.Sites, own, other lab.Site, end string, key *ecdh.PrivateKey, peer *ecdh.PublicKey) (wireguardEnd, error) {
	e := wireguardEnd{device: "wg" + s.ID() + end}
	gateway := own.Gateway
	p, err := gateway.Start(lab.Spec{
		Args: []string{w.binary, "-f", e.device},
		Env:  []string{"WG_PROCESS_FOREGROUND=1"},
	})
	if err != nil {
		return e, err
	}
	e.process = p
	err = func() error {
		err := configureWireGuard(ctx, p, e.device, wgPeer{
			Key: key, Port: wireguardPort,
			PeerKey: peer, Endpoint: netip.AddrPortFrom(other.Outside4, wireguardPort),
			AllowedIPs: []netip.Prefix{other.Inside4},
		})
		if err != nil {
			return err
		}
		for _, args := range [][]string{
			{"ip", "link", "set", e.device, "mtu", strconv.Itoa(wireguardMTU), "up"},
			{"ip", "route", "add", other.Inside4.String(), "dev", e.device},
		} {
			if _, err := gateway.Run(ctx, args...); err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil {
		e.close()
		return e, err
	}
	return e, nil
}

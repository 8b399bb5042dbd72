package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"vpngw/crypto/keys"
	"vpngw/integration/lab"
)

// vpngw is the project's own gateway, with its own defaults and public keys.
type vpngw struct {
	name   string
	fifo   bool   // its fair queue is switched off
	lanes  int    // 0: its own choice
	binary string // after Build
}

func (v *vpngw) Name() string { return v.name }

func (v *vpngw) Build(ctx context.Context, b builder) (version string, err error) {
	if v.binary, err = b.build(ctx, b.root, "./cmd/vpngw", "vpngw"); err != nil {
		return "", err
	}
	return b.sourceVersion(ctx), nil
}

func (v *vpngw) Start(_ context.Context, s *lab.Sites) (*join, error) {
	a, errA := newVPNGWEnd(s, s.A, "a")
	b, errB := newVPNGWEnd(s, s.B, "b")
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	processA, err := v.start(a, b)
	if err != nil {
		return nil, err
	}
	processB, err := v.start(b, a)
	if err != nil {
		processA.Stop(stopTimeout)
		return nil, err
	}
	return &join{A: processA, B: processB, Close: func() {
		processA.Stop(stopTimeout)
		processB.Stop(stopTimeout)
	}}, nil
}

// vpngwEnd is what one gateway is told and its peer must know.
type vpngwEnd struct {
	site   lab.Site
	id     string // IKE identity
	path   string // of the files, without their suffixes
	public keys.PublicKey
}

// newVPNGWEnd makes the identity and the key pair of the gateway of site.
func newVPNGWEnd(s *lab.Sites, site lab.Site, name string) (vpngwEnd, error) {
	e := vpngwEnd{site: site, id: name + ".bench.example", path: filepath.Join(s.Dir(), name)}
	key, err := keys.Generate(rand.Reader)
	if err != nil {
		return e, err
	}
	e.public = key.Public()
	return e, keys.WriteSecret(e.path+".key", key.MarshalPEM())
}

// start writes the tunnel file of own and runs its gateway.
func (v *vpngw) start(own, peer vpngwEnd) (*lab.Process, error) {
	file := own.path + ".yaml"
	if err := os.WriteFile(file, []byte(own.tunnelFile(peer, v.fifo, v.lanes)), 0o600); err != nil {
		return nil, err
	}
	return own.site.Gateway.Start(lab.Spec{Args: []string{v.binary, "run", file}})
}

// tunnelFile is the smallest one that joins the two sites.
func (e vpngwEnd) tunnelFile(peer vpngwEnd, fifo bool, lanes int) string {
	queue, number := "fair", "auto"
	if fifo {
		queue = "fifo"
	}
	if lanes != 0 {
		number = fmt.Sprint(lanes)
	}
	return fmt.Sprintf(`version: 1
gateway:
  id: %s
  key_file: %s.key
  control_socket: %s.sock
  fairness: {queue: %s}
  lanes: %s
tunnels:
  bench:
    peer:
      address: %s
      id: %s
      public_key: %s
    local_subnets: [%s]
    remote_subnets: [%s]
`, e.id, e.path, e.path, queue, number, peer.site.Outside4, peer.id, peer.public, e.site.Inside4, peer.site.Inside4)
}

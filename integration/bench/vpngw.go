package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"vpngw/crypto/keys"
	"vpngw/integration/lab"
	"vpngw/integration/lab/command"
)

// vpngw is the project's own gateway, with its own defaults and public keys.
type vpngw struct {
	name   string
	lines  []string // of its tunnel file beyond the usual, under gateway
	binary string   // after Build
}

func (v *vpngw) Name() string { return v.name }

func (v *vpngw) Build(ctx context.Context, b builder) (version string, err error) {
	v.binary, version, err = command.Program(ctx, "", b.bin)
	return version, err
}

func (v *vpngw) Start(_ context.Context, s *lab.Sites, w wireKind) (*join, error) {
	a, errA := newVPNGWEnd(s, w, s.A, "a")
	b, errB := newVPNGWEnd(s, w, s.B, "b")
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
	site    lab.Site
	outside netip.Addr // of its gateway
	id      string     // IKE identity
	path    string     // of the files, without their suffixes
	public  keys.PublicKey
}

// newVPNGWEnd makes the identity and the key pair of the gateway of site.
func newVPNGWEnd(s *lab.Sites, w wireKind, site lab.Site, name string) (vpngwEnd, error) {
	e := vpngwEnd{site: site, outside: w.outside(site), id: name + ".bench.example", path: filepath.Join(s.Dir(), name)}
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
	if err := os.WriteFile(file, []byte(own.tunnelFile(peer, v.lines)), 0o600); err != nil {
		return nil, err
	}
	return own.site.Gateway.Start(lab.Spec{Args: []string{v.binary, "run", file}})
}

// tunnelFile is the smallest one that joins the two sites, with further lines of its gateway.
func (e vpngwEnd) tunnelFile(peer vpngwEnd, lines []string) string {
	further := ""
	for _, l := range lines {
		further += "  " + l + "\n"
	}
	return fmt.Sprintf(`version: 1
gateway:
  id: %s
  key_file: %s.key
  control_socket: %s.sock
%stunnels:
  bench:
    peer:
      address: %q
      id: %s
      public_key: %s
    local_subnets: [%s]
    remote_subnets: [%s]
`, e.id, e.path, e.path, further, peer.outside, peer.id, peer.public, e.site.Inside4, peer.site.Inside4)
}

package main

import (
	"crypto/rand"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vpngw/configs"
	"vpngw/crypto/keys"
	"vpngw/integration/lab"
)

// The tunnel file is read by the project's own strict loader.
func TestTunnelFile(t *testing.T) {
	end := func(name, inside, outside string) vpngwEnd {
		site := lab.Site{Inside4: netip.MustParsePrefix(inside), Outside4: netip.MustParseAddr(outside)}
		e := vpngwEnd{site: site, id: name + ".bench.example", path: filepath.Join(t.TempDir(), name)}
		key, err := keys.Generate(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		e.public = key.Public()
		if err := keys.WriteSecret(e.path+".key", key.MarshalPEM()); err != nil {
			t.Fatal(err)
		}
		return e
	}
	own, peer := end("a", "10.1.0.0/24", "192.0.2.1"), end("b", "10.2.0.0/24", "192.0.2.2")
	if fair, fifo := own.tunnelFile(peer, false, 0), own.tunnelFile(peer, true, 0); strings.Replace(fair, "queue: fair", "queue: fifo", 1) != fifo || fair == fifo {
		t.Errorf("the queue is not all that differs:\n%s\n%s", fair, fifo)
	}
	text := own.tunnelFile(peer, true, 2)
	if err := os.WriteFile(own.path+".yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := configs.Load(own.path + ".yaml")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if c.Gateway.ID != own.id || c.Gateway.Key.Public() != own.public || len(c.Tunnels) != 1 {
		t.Fatalf("gateway %q with %d tunnels and key %v", c.Gateway.ID, len(c.Tunnels), c.Gateway.Key.Public())
	}
	if !c.Gateway.Fairness.FIFO {
		t.Error("the queue is fair")
	}
	if c.Gateway.Lanes != 2 {
		t.Errorf("%d lanes, want 2", c.Gateway.Lanes)
	}
	tunnel := c.Tunnels[0]
	if p := tunnel.Peer; p.Address != peer.site.Outside4.String() || p.ID != peer.id || p.PublicKey != peer.public {
		t.Errorf("peer %+v is not gateway B", p)
	}
	if len(tunnel.LocalSubnets) != 1 || tunnel.LocalSubnets[0] != own.site.Inside4 {
		t.Errorf("local subnets %v, want those of site A", tunnel.LocalSubnets)
	}
	if len(tunnel.RemoteSubnets) != 1 || tunnel.RemoteSubnets[0] != peer.site.Inside4 {
		t.Errorf("remote subnets %v, want those of site B", tunnel.RemoteSubnets)
	}
}

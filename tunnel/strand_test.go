package tunnel

import (
	"log/slog"
	"net/netip"
	"testing"

	"vpngw/tunnel/lane"
)

func TestStrandCount(t *testing.T) {
	for _, c := range []struct {
		name    string
		lanes   int
		strands int
		tunnels int
		shape   func(*Config)
		want    int
	}{
		{"one lane", 1, 0, 1, nil, 0},
		{"all lanes", 4, 0, 1, nil, 3},
		{"as many tunnels as lanes twice", 4, 0, 8, nil, 3},
		{"more", 4, 0, 9, nil, 0},
		{"more, but asked for", 4, 3, 9, nil, 2},
		{"more than lanes asked for", 2, 64, 1, nil, 1},
		{"switched off", 4, 1, 1, nil, 0},
		{"the tunnel has a rate", 4, 4, 1, func(c *Config) { c.Tunnels[0].Rate = 1e6 }, 0},
		{"the uplink has a rate", 4, 0, 1, func(c *Config) { c.Uplink.Rate = 1e6 }, 0},
		{"an uplink has a rate", 4, 0, 1, func(c *Config) { c.Uplinks = map[string]Uplink{"wan1": {Rate: 1e6}} }, 0},
		{"an uplink without", 4, 0, 1, func(c *Config) { c.Uplinks = map[string]Uplink{"wan1": {Overhead: 18}} }, 3},
	} {
		cfg := valid()
		for len(cfg.Tunnels) < c.tunnels {
			cfg.Tunnels = append(cfg.Tunnels, cfg.Tunnels[0])
		}
		cfg.Tunnels[0].Strands = c.strands
		if c.shape != nil {
			c.shape(&cfg)
		}
		if got := cfg.strandCount(&cfg.Tunnels[0], c.lanes); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// spreadGateway is a gateway with two lanes that do not run, and its only tunnel's strand.
func spreadGateway(t *testing.T) (*Gateway, *strand) {
	t.Helper()
	g, err := New(valid(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	lanes, err := lane.NewGroup(lane.Config{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lanes.Close)
	g.useLanes(lanes)
	tunnel := g.tunnels[0]
	tunnel.up, tunnel.source, tunnel.remote = true, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddrPort("127.0.0.1:45999")
	return g, tunnel.strands[0]
}

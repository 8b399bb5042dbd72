package integration

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// wrongFor is how long a tunnel that must not come up is watched: many times what a right one takes.
const wrongFor = 3 * time.Second

// TestWrongSecrets gives one side a wrong PSK, key or identity. The tunnel must never be up, the status must say why, and
// nothing may cross, least of all in clear.
func TestWrongSecrets(t *testing.T) {
	for name, c := range map[string]struct {
		keys bool
		edit func(t *testing.T, p *pair)
	}{
		"psk": {edit: func(t *testing.T, p *pair) {
			_, err := p.b.WriteSecret("psk", "quite another secret, as long as the first")
			must(t, err)
		}},
		"key": {keys: true, edit: func(t *testing.T, p *pair) {
			other := filepath.Join(p.Dir(), "nobody.key")
			_, err := p.B.Gateway.Run(t.Context(), program, "genkey", other)
			must(t, err)
			public, err := p.B.Gateway.Run(t.Context(), program, "pubkey", other)
			must(t, err)
			p.configB.Tunnels[0].PublicKey = strings.TrimSpace(public)
			must(t, p.b.Configure(p.configB))
		}},
		"their id": {edit: func(t *testing.T, p *pair) {
			p.configB.Tunnels[0].PeerID = "gw-x.example"
			must(t, p.b.Configure(p.configB))
		}},
		"our id": {keys: true, edit: func(t *testing.T, p *pair) {
			p.configB.ID = "gw-x.example"
			must(t, p.b.Configure(p.configB))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var capture *lab.Capture
			p := newPair(t, pairOptions{keys: c.keys, leaky: true, noWait: true, before: func(p *pair) {
				c.edit(t, p)
				var err error
				capture, err = p.A.Gateway.Capture(lab.WAN)
				must(t, err)
			}})
			waitRunning(t, p.a)
			waitRunning(t, p.b)
			// Both directions, so that each side wants the tunnel.
			for end := time.Now().Add(wrongFor); time.Now().Before(end); {
				for _, probe := range []lab.Ping{{From: p.A.Host, To: p.B.Host4}, {From: p.B.Host, To: p.A.Host6}} {
					probe.Count, probe.Interval, probe.Wait = 10, 10*time.Millisecond, 100*time.Millisecond
					if r := ping(t, probe); r.Received > 0 {
						t.Fatalf("a ping went through: %+v", r)
					}
				}
				for _, g := range []*daemon.Gateway{p.a, p.b} {
					if s := status(t, g).Tunnels[0]; s.Up() || s.Flowing || s.PacketsIn > 0 {
						t.Fatalf("%s says %+v", g.Namespace.Role, s)
					}
				}
			}
			for _, g := range []*daemon.Gateway{p.a, p.b} {
				s := status(t, g).Tunnels[0]
				t.Logf("%s: %s: %s", g.Namespace.Role, s.State, s.Reason)
				if !strings.Contains(s.Reason, "authentication failed") {
					t.Errorf("%s does not say why", g.Namespace.Role)
				}
			}
			if w := tally(t, capture, innerHeaders(p)); len(w.clear) > 0 || w.tunnel == 0 {
				t.Errorf("%d frames of the tunnel, %d in clear: %v", w.tunnel, len(w.clear), w.clear)
			}
		})
	}
}

package integration

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// reasonTimeout is how long a refusal may take to show: vpngw leaves an initiator whose child it refused some seconds for another.
const reasonTimeout = 8 * time.Second

// swanRefusal is a configuration on which the two ends cannot agree.
type swanRefusal struct {
	edit   func(a *daemon.Config, b *swanConfig)
	reason string // in vpngw's words
	// stranger: to a vpngw that waits, strongSwan is not the peer of its tunnel. The gateway then says why, and not the tunnel.
	stranger bool
}

var swanRefusals = map[string]swanRefusal{
	"psk": {
		edit:   func(_ *daemon.Config, b *swanConfig) { b.psk = "quite another secret, as long as the first" },
		reason: "authentication failed",
	},
	"their id": {
		edit:   func(a *daemon.Config, _ *swanConfig) { a.Tunnels[0].PeerID = "gw-x.example" },
		reason: "authentication failed", stranger: true,
	},
	"our id": {
		edit:   func(a *daemon.Config, _ *swanConfig) { a.ID = "gw-x.example" },
		reason: "authentication failed", stranger: true,
	},
	"selectors": {
		edit: func(_ *daemon.Config, b *swanConfig) {
			b.remoteTS = []netip.Prefix{netip.MustParsePrefix("10.77.0.0/24")}
		},
		reason: "no common traffic selectors",
	},
	"cipher of ESP": {
		edit:   func(_ *daemon.Config, b *swanConfig) { b.esp = "aes256-sha256" },
		reason: "no common proposal",
	},
}

// TestStrongSwanRefused gives the two ends what cannot agree. The tunnel must never be up, nothing may cross, and vpngw must say
// why.
func TestStrongSwanRefused(t *testing.T) {
	t.Parallel()
	for name, c := range swanRefusals {
		for _, waits := range []bool{false, true} {
			t.Run(name+", "+choose(waits, "strongSwan", "vpngw")+" initiates", func(t *testing.T) {
				t.Parallel()
				p := newSwanPair(t, swanOptions{waits: waits, stopped: true, edit: c.edit})
				must(t, p.b.start(t.Context()))
				must(t, p.a.Start())
				waitBound(t, p.a)
				waitRunning(t, p.a)
				if waits {
					if err := p.b.initiate(t.Context()); err == nil {
						t.Error("strongSwan says that it has built the tunnel")
					}
				}
				must(t, lab.Poll(t.Context(), reasonTimeout, func() error {
					p.checkNotUp()
					return p.saysWhy(c)
				}))
				for end := time.Now().Add(time.Second); time.Now().Before(end); {
					p.checkNotUp()
				}
			})
		}
	}
}

// saysWhy looks for the reason of a refusal, in the status or, for one that concerns no tunnel, among what the gateway counts
// and logs.
func (p *swanPair) saysWhy(c swanRefusal) error {
	p.t.Helper()
	s := p.status()
	said, want := s.Tunnels[0].Reason, c.reason
	if p.opts.waits && c.stranger {
		if s.Rejected["auth"] == 0 {
			return errors.New("vpngw status counts no refused authentication")
		}
		said, want = p.a.Process.Stderr(), "no such peer is configured"
	}
	if !strings.Contains(said, want) {
		return fmt.Errorf("vpngw says %q, expected %q", said, want)
	}
	p.t.Logf("vpngw says %q", said)
	return nil
}

// checkNotUp sends a few pings, expects none back, and neither end to show a child SA in use.
func (p *swanPair) checkNotUp() {
	p.t.Helper()
	for _, probe := range []lab.Ping{{From: p.A.Host, To: p.B.Host4}, {From: p.B.Host, To: p.A.Host4}} {
		probe.Count, probe.Interval, probe.Wait = 5, 10*time.Millisecond, 20*time.Millisecond
		if r := ping(p.t, probe); r.Received > 0 {
			p.t.Fatalf("a ping went through: %+v", r)
		}
	}
	if s := p.tunnel(); s.Up() || s.Flowing || s.PacketsIn > 0 || s.IKE != nil || len(s.Children) > 0 {
		p.t.Fatalf("vpngw says %+v", s)
	}
	theirs, err := p.sas()
	must(p.t, err)
	for _, sa := range theirs {
		for _, child := range sa.children {
			p.t.Fatalf("strongSwan has the child %+v", child)
		}
	}
}

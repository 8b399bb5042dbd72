package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// TestStrongSwanSelectors agrees on several selectors a side, of both families, and narrows each side's proposal in both directions
// at once. What is inside must get through, and what is outside must not.
func TestStrongSwanSelectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		ours, theirs []netip.Prefix // networks of A as vpngw and as strongSwan has them
		far, farther []netip.Prefix // networks of B as vpngw and as strongSwan has them
		local, other string         // what is agreed on, of A and of B
		carries6     bool
	}{
		{"several of both families",
			prefixes("10.1.0.0/26", "10.1.0.128/25", "fd00:1::/80", "fd00:1::1:0:0:0/80"), prefixes("10.1.0.0/26", "10.1.0.128/25", "fd00:1::/80", "fd00:1::1:0:0:0/80"),
			prefixes("10.2.0.0/25", "fd00:2::/80"), prefixes("10.2.0.0/25", "fd00:2::/80"), // strongSwan needs an address in each
			"10.1.0.0/26 10.1.0.128/25 fd00:1:0:0:1::/80 fd00:1::/80", "10.2.0.0/25 fd00:2::/80", true},
		{"each end is wider on one side",
			prefixes("10.1.0.0/24"), prefixes("10.1.0.0/25"),
			prefixes("10.2.0.0/25"), prefixes("10.2.0.0/16"),
			"10.1.0.0/25", "10.2.0.0/25", false},
		{"one network of two in common",
			prefixes("10.1.0.0/24", "fd00:1::/64"), prefixes("10.1.0.0/24"),
			prefixes("10.2.0.0/24", "fd00:2::/64"), prefixes("10.2.0.0/24", "10.77.0.0/24"),
			"10.1.0.0/24", "10.2.0.0/24", false},
		{"only IPv6 in common",
			prefixes("10.1.0.0/24", "fd00:1::/64"), prefixes("fd00:1::/64"),
			prefixes("10.2.0.0/24", "fd00:2::/64"), prefixes("fd00:2::/64"),
			"fd00:1::/64", "fd00:2::/64", true},
	} {
		for _, waits := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, %s initiates", c.name, choose(waits, "strongSwan", "vpngw")), func(t *testing.T) {
				t.Parallel()
				p := newSwanPair(t, swanOptions{waits: waits, edit: func(a *daemon.Config, b *swanConfig) {
					a.Tunnels[0].Local, a.Tunnels[0].Remote = c.ours, c.far
					b.remoteTS, b.localTS = c.theirs, c.farther
				}})
				s := p.settled()
				if local, remote := sorted(s.Children[0].Local), sorted(s.Children[0].Remote); local != c.local || remote != c.other {
					t.Errorf("agreed on %s to %s, expected %s to %s", local, remote, c.local, c.other)
				}
				p.reaches(p.A.Host, p.B.Host4, strings.Contains(c.local, "10."))
				p.reaches(p.B.Host, p.A.Host6, c.carries6)
				p.reaches(p.B.Host, p.A.Host4, strings.Contains(c.local, "10."))
			})
		}
	}
}

// reaches expects all of some pings back, or none.
func (p *swanPair) reaches(from *lab.Namespace, to netip.Addr, all bool) {
	p.t.Helper()
	r := ping(p.t, lab.Ping{From: from, To: to, Count: 5, Interval: 10 * time.Millisecond, Wait: 200 * time.Millisecond})
	if all && r.Received < r.Sent || !all && r.Received > 0 {
		p.t.Errorf("%d of %d pings from %s to %s came back", r.Received, r.Sent, from.Role, to)
	}
}

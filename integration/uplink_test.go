package integration

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// TestUplinks shapes a tunnel to the rate of the interface that it leaves by, then leads its route over another interface with
// another rate, then takes the other direction, where the tunnel's own rate is the lowest. The status says each time what it is
// limited by.
func TestUplinks(t *testing.T) {
	t.Parallel()
	needLab(t, "iperf3")
	const second = "wan2"
	nearA, nearB := netip.MustParsePrefix("203.0.113.1/30"), netip.MustParsePrefix("203.0.113.2/30")
	p := newPair(t, pairOptions{
		edit: func(a, b *daemon.Config) {
			a.Gateway = append(a.Gateway, "uplink: {rate: 50Mbit}", "uplinks: {"+second+": {rate: 20Mbit}}")
			b.Gateway = append(b.Gateway, "uplink: {rate: 50Mbit}")
			b.Tunnels[0].Lines = append(b.Tunnels[0].Lines, "rate: 10Mbit")
		},
		before: func(p *pair) {
			must(t, p.Wire(lab.End{Namespace: p.A.Gateway, Device: second, Addresses: []netip.Prefix{nearA}},
				lab.End{Namespace: p.B.Gateway, Device: second, Addresses: []netip.Prefix{nearB}}, 0))
		},
	})
	p.limited(p.a, &p.A, &p.B, lab.WAN, "uplink rate", 50)

	must(t, p.A.Gateway.AddRoute(netip.PrefixFrom(p.B.Outside4, 32), nearB.Addr()))
	must(t, p.a.WaitStatus(t.Context(), upTimeout, func(s daemon.Status) error {
		if q := s.Tunnels[0].Queue; q.Uplink != second {
			return fmt.Errorf("the tunnel leaves by %q, its route by %s", q.Uplink, second)
		}
		return nil
	}))
	p.limited(p.a, &p.A, &p.B, second, "uplink rate", 20)
	// The way back has a route of its own.
	p.limited(p.b, &p.B, &p.A, lab.WAN, "own rate", 10)
}

// limited sends TCP from one site to the other as fast as it goes, and wants the gateway to say by which uplink that leaves and
// what limits it, and the goodput to be what rate leaves of it, in Mbit/s on the wire.
func (p *pair) limited(g *daemon.Gateway, from, to *lab.Site, uplink, by string, rate float64) {
	p.t.Helper()
	type outcome struct {
		lab.IperfResult
		error
	}
	done := make(chan outcome, 1)
	go func() {
		r, err := lab.Iperf{Client: from.Host, Server: to.Host, Address: to.Host4, Seconds: 5, OmitSeconds: 1}.Run(p.t.Context())
		done <- outcome{r, err}
	}()
	err := g.WaitStatus(p.t.Context(), 10*time.Second, func(s daemon.Status) error {
		q := s.Tunnels[0].Queue
		if q.Uplink != uplink || q.LimitedBy != by || q.Sends < rate/2*1e6 || q.Share != 1 || len(s.Uplinks) != 1 || s.Uplinks[0].Name != uplink {
			return fmt.Errorf("by %s at %.1f Mbit/s limited by %q, share %.2f; uplinks %+v; expected %q on %s", q.Uplink, q.Sends/1e6, q.LimitedBy, q.Share, s.Uplinks, by, uplink)
		}
		return nil
	})
	if err != nil {
		p.t.Error(err)
	}
	r := <-done
	must(p.t, r.error)
	p.t.Logf("%s, %s: %.1f of %.0f Mbit/s", uplink, by, r.Gbit*1000, rate)
	if mbit := r.Gbit * 1000; mbit > rate || mbit < rate*0.8 {
		p.t.Errorf("goodput is %.1f Mbit/s at %.0f Mbit/s on the wire", mbit, rate)
	}
}

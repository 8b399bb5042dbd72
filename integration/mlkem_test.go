package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// TestMLKEM builds a tunnel between two gateways with ML-KEM beside the Diffie-Hellman group, as is the default, and with one of
// them not offering it. The packets of IKE are small, so that its key and ciphertext cross in fragments.
func TestMLKEM(t *testing.T) {
	t.Parallel()
	for _, both := range []bool{true, false} {
		t.Run(choose(both, "both", "one"), func(t *testing.T) {
			t.Parallel()
			var capture *lab.Capture
			p := newPair(t, pairOptions{keys: true, edit: func(a, b *daemon.Config) {
				for _, c := range []*daemon.Config{a, b} {
					c.Gateway = append(c.Gateway, fmt.Sprintf("ike_packet: %d", smallPacket), "mtu_discovery: false") // whose probes are large
				}
				if !both {
					b.Tunnels[0].Lines = append(b.Tunnels[0].Lines, "crypto: {mlkem768: false}")
				}
			}, before: func(p *pair) {
				var err error
				capture, err = p.A.Gateway.Capture(lab.WAN)
				must(t, err)
			}})
			for _, g := range []*daemon.Gateway{p.a, p.b} {
				out, err := g.Namespace.Run(t.Context(), program, "status", "--socket", g.Socket())
				must(t, err)
				if strings.Contains(out, "-mlkem768") != both {
					t.Errorf("status of %s:\n%s", g.Namespace.Role, out)
				}
			}
			checkPing(t, p.A.Host, p.B.Host4)
			for _, from := range []netip.Addr{p.A.Outside4, p.B.Outside4} {
				fragments, whole := ikeMessages(t, capture, from)
				if (fragments[exchangeIntermediate] >= 3) != both || whole[exchangeIntermediate] != 0 {
					t.Errorf("from %v: IKE_INTERMEDIATE in %d fragments and %d whole messages", from,
						fragments[exchangeIntermediate], whole[exchangeIntermediate])
				}
			}
		})
	}
}

package integration

import (
	"fmt"
	"testing"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// TestStrongSwanIKERekey has strongSwan rekey the IKE SA under traffic both ways, thrice,
// and the child after each. TCP must go on and stay intact, no ping may be lost, and the
// child must not change by a rekey of the IKE SA.
func TestStrongSwanIKERekey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, ike, esp string
		lines          []string // of vpngw's tunnel
	}{
		{"as it is", "aes256gcm16-prfsha256-x25519", "aes256gcm16-x25519", nil},
		{"after a wrong group", "aes256gcm16-prfsha384-x25519-ecp384", "aes256gcm16-ecp384", []string{"crypto: {groups: [p384]}"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{edit: func(a *daemon.Config, b *swanConfig) {
				b.ike, b.esp, a.Tunnels[0].Lines = c.ike, c.esp, c.lines
			}})
			last := p.settled()
			traffic := p.startTraffic()
			for range 3 {
				_, err := p.b.swanctl(p.t.Context(), "--rekey", "--ike", swanConnection)
				must(t, err)
				must(t, lab.Poll(t.Context(), upTimeout, func() error {
					if p.tunnel().IKE.InitiatorSPI == last.IKE.InitiatorSPI {
						return fmt.Errorf("no new IKE SA")
					}
					return nil
				}))
				now := p.settled()
				if now.Children[0].SPIIn != last.Children[0].SPIIn {
					t.Errorf("the child %s became %s", last.Children[0].SPIIn, now.Children[0].SPIIn)
				}
				must(t, p.rekeyThere()) // it must work on the new SA
				must(t, lab.Poll(t.Context(), upTimeout, func() error {
					if p.tunnel().Children[0].SPIIn == now.Children[0].SPIIn {
						return fmt.Errorf("no new child")
					}
					return nil
				}))
				last = p.settled()
			}
			traffic.end()
		})
	}
}

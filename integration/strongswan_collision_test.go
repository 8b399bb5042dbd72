package integration

import (
	"fmt"
	"strings"
	"testing"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// TestStrongSwanCollision has both ends ask at once (RFC 7296 section 2.25): neither hears the other one's request before it has
// sent its own, or both answer before they hear an answer. In the end both must have the same SAs, one of each kind, and with nothing deleted no packet of iperf3 both ways
// may be lost.
func TestStrongSwanCollision(t *testing.T) {
	t.Parallel()
	const (
		rekeyChild  = "child"
		rekeyIKE    = "IKE SA"
		deleteChild = "delete"
	)
	for _, c := range []struct {
		name             string
		here, there      string
		seen             string // by strongSwan, if it answers before it is answered
		newIKE, newChild bool   // is made in any case; without, one of the two
	}{
		{"both rekey the child", rekeyChild, rekeyChild, "CHILD_REKEY collision with CHILD_REKEY", false, true},
		{"both rekey the IKE SA", rekeyIKE, rekeyIKE, "IKE_REKEY collision with IKE_REKEY", true, false},
		{"vpngw rekeys the child, strongSwan the IKE SA", rekeyChild, rekeyIKE, "", false, false},
		{"vpngw rekeys the IKE SA, strongSwan the child", rekeyIKE, rekeyChild, "", false, false},
		{"vpngw rekeys the child, strongSwan deletes it", rekeyChild, deleteChild, "", false, true},
		{"vpngw rekeys the IKE SA, strongSwan deletes the child", rekeyIKE, deleteChild, "", false, true},
	} {
		for _, answered := range []bool{false, true} {
			t.Run(c.name+", "+choose(answered, "answers are late", "requests are late"), func(t *testing.T) {
				t.Parallel()
				p := newSwanPair(t, swanOptions{edit: func(a *daemon.Config, b *swanConfig) {
					a.Gateway = append(a.Gateway, "mtu_discovery: false") // whose probes would be held as well
					b.charon = []string{"retransmit_timeout = 1", "retransmit_base = 1"}
				}})
				first := p.settled()
				var load *swanLoad
				if c.there != deleteChild {
					load = p.startLoad(3)
				}
				late := p.holdIKE(false)
				p.rekeyHere(c.here == rekeyIKE)
				switch c.there {
				case rekeyChild:
					must(t, p.rekeyThere())
				case rekeyIKE:
					p.rekeyIKEThere()
				case deleteChild:
					p.terminateLater("--child", swanChild)
				}
				late.wait()
				if answered {
					answers := p.holdIKE(true)
					late.release()
					late = answers
					late.wait()
				}
				late.release()
				must(t, lab.Poll(t.Context(), settleTimeout, func() error {
					last := p.tunnel()
					ike, child := newIKE(first, last), newChild(first, last)
					switch {
					case c.newIKE:
						return ike
					case c.newChild || ike != nil:
						return child
					}
					return nil
				}))
				if load != nil {
					load.end()
				}
				p.settled()
				if answered && !strings.Contains(p.b.log(), c.seen) {
					t.Errorf("strongSwan saw no %s", c.seen)
				}
				p.carries()
			})
		}
	}
}

// newChild tells whether vpngw sends on another child.
func newChild(before, after tunnelSAs) error {
	for _, c := range after.Children {
		if c.Sending && c.SPIIn != before.Children[0].SPIIn {
			return nil
		}
	}
	return fmt.Errorf("the child is still %s", before.Children[0].SPIIn)
}

package integration

import (
	"strings"
	"testing"

	"vpngw/integration/lab/daemon"
)

// TestStrongSwanCollision has both ends ask at once (RFC 7296 section 2.25): neither hears the other one's request before it has
// sent its own. In the end both must have the same SAs, one of each kind, and with nothing deleted no packet of iperf3 both ways
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
		seen             string // by strongSwan
		newIKE, newChild bool   // must have been made; without, may
	}{
		{"both rekey the child", rekeyChild, rekeyChild, "CHILD_REKEY collision", false, true},
		{"both rekey the IKE SA", rekeyIKE, rekeyIKE, "IKE_REKEY collision", true, false},
		{"vpngw rekeys the child, strongSwan the IKE SA", rekeyChild, rekeyIKE, "", false, false},
		{"vpngw rekeys the IKE SA, strongSwan the child", rekeyIKE, rekeyChild, "", false, false},
		{"vpngw rekeys the child, strongSwan deletes it", rekeyChild, deleteChild, "", false, true},
		{"vpngw rekeys the IKE SA, strongSwan deletes the child", rekeyIKE, deleteChild, "", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{edit: func(_ *daemon.Config, b *swanConfig) {
				b.charon = []string{"retransmit_timeout = 1", "retransmit_base = 1"}
			}})
			first := p.settled()
			var load *swanLoad
			if c.there != deleteChild {
				load = p.startLoad(4)
			}
			sent, exchange := p.tunnel().MessagesOut, "CREATE_CHILD_SA"
			release := p.holdIKE()
			p.rekeyHere(c.here == rekeyIKE)
			switch c.there {
			case rekeyChild:
				must(t, p.rekeyThere())
			case rekeyIKE:
				p.rekeyIKEThere()
			case deleteChild:
				exchange = "INFORMATIONAL"
				p.terminateLater("--child", swanChild)
			}
			p.waitMessages(sent + 1)
			p.waitLogCount("generating "+exchange+" request", 1)
			release()
			p.waitLogCount("parsed "+exchange+" response", 1)
			if load != nil {
				load.end()
			}
			last := p.settled()
			if c.seen != "" && !strings.Contains(p.b.log(), c.seen) {
				t.Errorf("strongSwan saw no %s", c.seen)
			}
			if err := newIKE(first, last); c.newIKE && err != nil {
				t.Error(err)
			}
			if c.newChild && last.Children[0].SPIIn == first.Children[0].SPIIn {
				t.Errorf("the child is still %+v", last.Children[0])
			}
			p.carries()
		})
	}
}

package status

import (
	"strings"
	"testing"

	"vpngw/tunnel"
)

// TestPrintLanes: a gateway with one lane shows none, one with several those in use.
func TestPrintLanes(t *testing.T) {
	var b strings.Builder
	printLanes(&b, []tunnel.OneLaneStatus{{Busy: 1, Tunnels: 3}})
	if b.Len() > 0 {
		t.Errorf("one lane is shown: %s", &b)
	}
	printLanes(&b, []tunnel.OneLaneStatus{{Busy: 0.984, Tunnels: 3}, {Busy: 0.5, Tunnels: 1, HandedOver: 7}, {}})
	want := "  lane 0\tbusy 98 %, 3 tunnels, 0 packets handed to other lanes\n" +
		"  lane 1\tbusy 50 %, 1 tunnel, 7 packets handed to other lanes\n"
	if b.String() != want {
		t.Errorf("got %q", &b)
	}
}

package status

import (
	"strings"
	"testing"

	"vpngw/crypto/ike"
	"vpngw/tunnel"
)

func TestWhy(t *testing.T) {
	reason := ike.Reason{Code: ike.ReasonSelectors, Detail: "gw-b proposes 10.9.0.0/16; configured is 10.2.0.0/16"}
	for _, tt := range []struct {
		name string
		t    tunnel.TunnelStatus
		says []string
		not  string
	}{
		{"selectors", tunnel.TunnelStatus{State: "down", Reason: reason.String(), ReasonCode: reason.Code.String(), RefusedAgo: -1},
			[]string{"is down", "10.9.0.0/16", "10.2.0.0/16", "local_subnets here must be remote_subnets there"}, "refused by us"},
		{"refused by us", tunnel.TunnelStatus{State: "idle", Refused: "gw-x says that it is gw-x", RefusedAgo: 3},
			[]string{"gw-x says", "3s ago", "has to come to us"}, "reason"},
		{"up", tunnel.TunnelStatus{State: "up", Flow: "both ways", Flowing: true, LastOut: 1},
			[]string{"is up", "both ways"}, "to do"},
		{"silent", tunnel.TunnelStatus{State: "up", Flow: "out only: nothing comes back", LastOut: 1, Drops: map[string]uint64{"too_old": 2}},
			[]string{"keys are agreed", "too_old 2"}, "reason"},
	} {
		var out strings.Builder
		if err := Why(&out, &tunnel.Status{Tunnels: []tunnel.TunnelStatus{tt.t}}); err != nil {
			t.Fatal(err)
		}
		for _, s := range tt.says {
			if !strings.Contains(out.String(), s) {
				t.Errorf("%s: no %q in\n%s", tt.name, s, out.String())
			}
		}
		if strings.Contains(out.String(), tt.not) {
			t.Errorf("%s: %q in\n%s", tt.name, tt.not, out.String())
		}
	}
}

// TestRemedies holds that no reason is without a place to look, but those that are nobody's fault.
func TestRemedies(t *testing.T) {
	for c := ike.ReasonNone + 1; c.String() != "unknown"; c++ {
		if remedies[c] == "" && c != ike.ReasonRemoved && c != ike.ReasonReplaced {
			t.Errorf("nothing to do about %q", c)
		}
	}
}

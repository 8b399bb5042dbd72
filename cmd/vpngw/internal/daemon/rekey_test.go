package daemon

import (
	"strings"
	"testing"

	"vpngw/tunnel"
)

func TestNameHint(t *testing.T) {
	many := make([]string, listedTunnels+1)
	for i := range many {
		many[i] = strings.Repeat("x", 20)
	}
	for _, c := range []struct {
		name string
		have []string
		want string
	}{
		{"brnch-b", []string{"branch-a", "branch-b"}, "did you mean branch-b?"},
		{"Branch-A", []string{"branch-a", "other"}, "did you mean branch-a?"},
		{"hub", []string{"branch-a", "branch-b"}, "the tunnels are branch-a, branch-b"},
		{"hub", many, "`vpngw status` lists the tunnels"},
	} {
		if got := nameHint(&tunnel.NoTunnelError{Name: c.name, Have: c.have}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

package integration

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// noIKE is a firewall that lets ESP pass and no IKE message: their first four bytes are the non-ESP marker.
const noIKE = `table inet lab {
	chain forward {
		type filter hook forward priority filter
		udp dport 4500 @th,64,32 0 drop
	}
}
`

// TestHardLimit keeps two gateways from agreeing on new keys: traffic goes on until a quarter beyond the limit, then stops on both
// ends, and goes on with new keys as soon as there can be some.
func TestHardLimit(t *testing.T) {
	t.Parallel()
	needNAT(t) // the same program
	const limit = 1000
	p := newPair(t, pairOptions{Options: lab.Options{Router: true}, edit: func(a, b *daemon.Config) {
		// A child is always made by A, and nobody takes silence for death.
		b.Tunnels[0].Peer = ""
		a.Tunnels[0].Lines = []string{"rekey: {packets: 1000}", "dpd: {interval: 1h, timeout: 2h}"}
		b.Tunnels[0].Lines = a.Tunnels[0].Lines
	}})
	program, err := systemProgram("nft")
	must(t, err)
	rules := filepath.Join(t.TempDir(), "rules")
	must(t, os.WriteFile(rules, []byte(noIKE), 0o600))
	_, err = p.Router.Run(t.Context(), program, "-f", rules)
	must(t, err)

	r := ping(t, lab.Ping{From: p.A.Host, To: p.B.Host4, Count: 2 * limit, Interval: time.Millisecond, Wait: 500 * time.Millisecond})
	t.Logf("without new keys: %v; drops of A: %s", r, daemon.FormatDrops(status(t, p.a).AllDrops()))
	if r.Received < limit || r.Received > limit*5/4 {
		t.Errorf("%d packets came back on keys for %d, expected to stop at %d", r.Received, limit, limit*5/4)
	}
	waitDrops(t, p.a, limit/2, "sa_hard_limit", "tunnel_down")

	_, err = p.Router.Run(t.Context(), program, "flush", "ruleset")
	must(t, err)
	took, err := flows(t.Context(), p.A.Host, p.B.Host4, upTimeout)
	must(t, err)
	t.Logf("flows again after %v", took)
}

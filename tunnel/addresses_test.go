package tunnel

import (
	"net/netip"
	"testing"
	"time"

	"vpngw/crypto/ike"
)

// TestEveryAddressIsTried goes through the addresses of a name as attempts fail.
func TestEveryAddressIsTried(t *testing.T) {
	c := valid()
	c.Tunnels[0].PeerAddress = "gw-b.example"
	g, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	tn := g.tunnels[0]
	g.setPeer(tn, tn.peer)
	one, two, three := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::3")
	resolved := func(want netip.Addr, addrs ...netip.Addr) {
		t.Helper()
		g.peerResolved(resolution{tunnel: tn, addrs: addrs})
		if tn.peer.Addr() != want || g.machine.Status(0).Remote.Addr() != want {
			t.Fatalf("of %v with %v failed: %v is tried, want %v", addrs, tn.failed, tn.peer, want)
		}
	}
	fails := func(another bool) {
		t.Helper()
		g.down(ike.Down{ID: 0, Reason: ike.Reason{Code: ike.ReasonNoResponse}})
		if soon := time.Until(tn.resolveAt) < resolveTime/2; soon != another {
			t.Fatalf("with %v failed: looked up again in %v", tn.failed, time.Until(tn.resolveAt))
		}
	}
	resolved(one, one, two, three)
	resolved(one, one, two, three) // nothing failed meanwhile
	fails(true)
	resolved(two, one, two, three)
	fails(true)
	resolved(three, three, two, one) // in whatever order they come
	fails(false)
	resolved(one, one, two, three) // all have failed: begin again
	fails(true)
	resolved(two, two) // only one is left

	// What was up goes down at an address that is right.
	tn.cameUp()
	g.down(ike.Down{ID: 0, Reason: ike.Reason{Code: ike.ReasonDead}})
	resolved(two, two, three)
	fails(true)
	resolved(three, two, three)
}

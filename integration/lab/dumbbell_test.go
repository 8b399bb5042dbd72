package lab

import (
	"net/netip"
	"testing"
	"time"
)

// TestDumbbell reaches all gateways from the hub's and no inside; and what limits the trunk holds everybody back.
func TestDumbbell(t *testing.T) {
	t.Parallel()
	needLab(t)
	s, err := Dumbbell(2, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	received := func(from *Namespace, to netip.Addr, size int) int {
		t.Helper()
		r, err := Ping{From: from, To: to, Count: 10, Size: size, Interval: time.Millisecond, Wait: 100 * time.Millisecond}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r.Received
	}
	for _, b := range s.Branches {
		for _, to := range []netip.Addr{b.Outside4, b.Outside6} {
			if n := received(s.Hub.Gateway, to, 100); n != 10 {
				t.Errorf("%d of 10 to %s", n, to)
			}
		}
		if n := received(s.Hub.Host, b.Host4, 100); n != 0 {
			t.Errorf("%d of 10 to %s, in clear", n, b.Host4)
		}
	}
	// The bucket begins with 8 KiB, five of these, and of what waits then next to nothing leaves in time.
	if err := s.Near.ByteQueue(t.Context(), TrunkDevice, 10_000, 1600); err != nil {
		t.Fatal(err)
	}
	if n := received(s.Hub.Gateway, s.Branches[1].Outside4, 1400); n == 0 || n > 7 {
		t.Errorf("%d of 10 through a slow trunk", n)
	}
	if err := s.Near.Unlimited(t.Context(), TrunkDevice); err != nil {
		t.Fatal(err)
	}
	if n := received(s.Hub.Gateway, s.Branches[1].Outside4, 1400); n != 10 {
		t.Errorf("%d of 10 through a trunk without a limit", n)
	}
	if err := s.Near.SuperpacketQueue(t.Context(), TrunkDevice, 100_000_000, 4); err != nil {
		t.Fatal(err)
	}
	if n := received(s.Hub.Gateway, s.Branches[0].Outside4, 1400); n != 10 {
		t.Errorf("%d of 10 through a fast trunk", n)
	}
}

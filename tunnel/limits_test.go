package tunnel

import "testing"

// TestLimitsFollowEachOther: we ask for new keys by what we sent, later by what we
// received, and all ends a quarter above what is configured.
func TestLimitsFollowEachOther(t *testing.T) {
	for range 100 {
		c := &TunnelConfig{RekeyBytes: 1 << 30, RekeyPackets: 1_000_000}
		out, in := outboundLimits(c, true), inboundLimits(c, true)
		for _, l := range [][4]uint64{
			{out.SoftBytes, c.RekeyBytes, in.SoftBytes, in.HardBytes},
			{out.SoftPackets, c.RekeyPackets, in.SoftPackets, in.HardPackets},
		} {
			if l[0] > l[1] || l[0] < l[1]*9/10 || l[2] <= l[1] || l[3] <= l[2] || l[3] != l[1]*5/4 {
				t.Fatalf("sent %d, configured %d, received %d, hard %d", l[0], l[1], l[2], l[3])
			}
		}
		if out.HardBytes != in.HardBytes || out.HardPackets != in.HardPackets {
			t.Fatalf("the hard limits differ: %+v and %+v", out, in)
		}
	}
	if l := outboundLimits(&TunnelConfig{}, false); l.SoftBytes != 0 || l.HardBytes != 0 || l.HardPackets > 1<<32 {
		t.Errorf("without limits: %+v", l)
	}
}

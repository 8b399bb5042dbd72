package integration

import (
	"fmt"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/crowd"
)

// TestManyTunnels: a hub with 200 tunnels, of which two carry traffic. All come up, the status shows them, an idle one
// takes little memory, a change of the network disturbs none, and all peers hear of a clean end.
func TestManyTunnels(t *testing.T) {
	t.Parallel()
	needLab(t)
	const (
		busy, idle = 2, 198
		perTunnel  = 200 << 10 // bytes of resident memory, generously
	)
	h, err := crowd.NewHub(t.Context(), program, busy, idle)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			showLog(t, h.Gateway)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, g := range h.Gateways {
		must(t, g.Start())
	}
	must(t, h.Configure(crowd.Configuration{}))
	must(t, h.Gateway.Start())
	must(t, h.Gateway.WaitUp(t.Context(), upTimeout))
	small, err := h.Gateway.Process.RSS()
	must(t, err)
	if code := h.Gateway.Stop(stopGrace); code != 0 {
		t.Fatalf("the small hub ended with %d", code)
	}

	must(t, h.Configure(crowd.Configuration{Members: idle}))
	must(t, h.Gateway.Check(t.Context()))
	start := time.Now()
	must(t, h.Gateway.Start())
	members, err := h.Gather(idle)
	must(t, err)
	defer members.Stop()
	must(t, h.Gateway.WaitUp(t.Context(), 3*upTimeout))
	t.Logf("%d tunnels are up after %v", busy+idle, time.Since(start).Round(time.Millisecond))
	if s := status(t, h.Gateway); len(s.Tunnels) != busy+idle {
		t.Errorf("the status shows %d tunnels", len(s.Tunnels))
	}
	large, err := h.Gateway.Process.RSS()
	must(t, err)
	t.Logf("resident: %d KiB with %d tunnels, %d KiB with %d", small>>10, busy, large>>10, busy+idle)
	if large-small > idle*perTunnel {
		t.Errorf("%d KiB for each idle tunnel", (large-small)/idle>>10)
	}

	for i, site := range h.Star.Branches {
		checkPing(t, h.Star.Hub.Host, site.Host4)
		checkStream(t, site.Host, h.Star.Hub.Host, h.Star.Hub.Host4, 4<<20)
		if s, err := status(t, h.Gateway).Tunnel(crowd.BranchTunnel(i)); err != nil || s.PacketsIn == 0 {
			t.Errorf("tunnel of branch %d: %+v %v", i+1, s, err)
		}
	}
	must(t, h.Gateway.Namespace.LinkUp(lab.LAN, false))
	must(t, h.Gateway.Namespace.LinkUp(lab.LAN, true))
	checkPing(t, h.Star.Branches[0].Host, h.Star.Hub.Host4)
	if up := members.Up(); up != idle {
		t.Errorf("after a change of the network %d of %d members are up", up, idle)
	}

	if code := h.Gateway.Stop(stopGrace); code != 0 {
		t.Errorf("the hub ended with %d", code)
	}
	must(t, lab.Poll(t.Context(), upTimeout, func() error {
		if up := members.Up(); up > 0 {
			return fmt.Errorf("%d members have not heard of the end", up)
		}
		return nil
	}))
	must(t, members.Stop())
}

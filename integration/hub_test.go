package integration

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// TestHub joins three branches to a hub that waits for them, each with its own PSK. Each branch reaches the hub, and only the
// hub; one that goes away does not disturb the others.
func TestHub(t *testing.T) {
	t.Parallel()
	needLab(t)
	const n = 3
	s, err := lab.Hub(n, lab.Options{Isolated: true})
	must(t, err)
	var gateways []*daemon.Gateway
	t.Cleanup(func() {
		if t.Failed() {
			for _, g := range gateways {
				showLog(t, g)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	hub, err := daemon.New(s.Lab, s.Hub.Gateway, program)
	must(t, err)
	gateways = append(gateways, hub)
	config := daemon.Config{ID: "hub.example", Interface: tunnelDevice}
	hubInside := []netip.Prefix{s.Hub.Inside4, s.Hub.Inside6}
	for i, branch := range s.Branches {
		g, err := daemon.New(s.Lab, branch.Gateway, program)
		must(t, err)
		gateways = append(gateways, g)
		psk := fmt.Sprintf("the shared secret of branch number %d", i+1)
		here, err := g.WriteSecret("psk", psk)
		must(t, err)
		there, err := hub.WriteSecret(fmt.Sprintf("psk-%d", i+1), psk)
		must(t, err)
		inside := []netip.Prefix{branch.Inside4, branch.Inside6}
		id := fmt.Sprintf("branch-%d.example", i+1)
		config.Tunnels = append(config.Tunnels, daemon.Tunnel{Name: fmt.Sprintf("branch-%d", i+1), PeerID: id, PSKFile: there, Local: hubInside, Remote: inside})
		must(t, g.Configure(daemon.Config{ID: id, Interface: tunnelDevice, Tunnels: []daemon.Tunnel{
			{Name: "hub", Peer: s.Hub.Outside4.String(), PeerID: "hub.example", PSKFile: here, Local: inside, Remote: hubInside}}}))
	}
	must(t, hub.Configure(config))
	for _, g := range gateways {
		must(t, g.Start())
	}
	for _, g := range gateways {
		must(t, g.WaitUp(t.Context(), upTimeout))
	}
	for _, branch := range s.Branches {
		checkPing(t, s.Hub.Host, branch.Host4)
		checkPing(t, branch.Host, s.Hub.Host6)
		checkStream(t, branch.Host, s.Hub.Host, s.Hub.Host4, 1<<20)
	}
	if r := ping(t, lab.Ping{From: s.Branches[0].Host, To: s.Branches[1].Host4, Count: 3, Interval: 10 * time.Millisecond, Wait: 200 * time.Millisecond}); r.Received > 0 {
		t.Errorf("a branch reached another, which no tunnel allows: %+v", r)
	}

	// The second branch is killed in the middle of the others' traffic.
	watch := lab.Ping{From: s.Branches[0].Host, To: s.Hub.Host4, Count: 150, Interval: 10 * time.Millisecond}
	other := watch
	other.From = s.Branches[2].Host
	results := make(chan lab.PingResult, 2)
	for _, p := range []lab.Ping{watch, other} {
		go func() {
			r, err := p.Run(t.Context())
			if err != nil {
				t.Error(err)
			}
			results <- r
		}()
	}
	time.Sleep(300 * time.Millisecond)
	gateways[2].Process.Kill()
	for range 2 {
		r := <-results
		t.Logf("while another branch is killed: %v", r)
		if r.Received != r.Sent {
			t.Errorf("a branch lost %d of %d packets when another was killed", r.Sent-r.Received, r.Sent)
		}
	}
	must(t, gateways[2].Start())
	must(t, gateways[2].WaitUp(t.Context(), upTimeout))
	took, err := flows(t.Context(), s.Branches[1].Host, s.Hub.Host4, upTimeout)
	must(t, err)
	t.Logf("the killed branch flows again %v after it is up", took.Round(time.Millisecond))
}

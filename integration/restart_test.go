package integration

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"vpngw/integration/lab/daemon"
)

// flowAgain is the bar: packets flow so soon after a peer that was away can be heard again.
const flowAgain = 2 * time.Second

// awayFor is how long a gateway stays away.
const awayFor = time.Second

// TestRestart ends gateways in several ways and starts them again. It measures from the moment at which the restarted gateways
// have opened their port. It runs alone, as it measures time.
func TestRestart(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(p *pair)
		wait bool // the restarted gateway does not know its peer's address: the survivor must find out
	}{
		{name: "A ends cleanly", end: func(p *pair) { endCleanly(p, p.a) }},
		{name: "B ends cleanly", end: func(p *pair) { endCleanly(p, p.b) }},
		{name: "both end cleanly", end: func(p *pair) { endCleanly(p, p.a, p.b) }},
		{name: "B killed", end: func(p *pair) { p.b.Process.Kill() }},
		{name: "both killed", end: func(p *pair) { p.a.Process.Kill(); p.b.Process.Kill() }},
		{name: "B killed and waits for its peer", wait: true, end: func(p *pair) { p.b.Process.Kill() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, pairOptions{edit: func(_, b *daemon.Config) {
				if c.wait {
					b.Tunnels[0].Peer = ""
				}
			}})
			checkPing(t, p.A.Host, p.B.Host4)
			c.end(p)
			// Meanwhile the survivor has traffic, for a peer that is not there.
			if took, err := flows(t.Context(), p.A.Host, p.B.Host4, awayFor); err == nil {
				t.Fatalf("a gateway that has ended carried a packet after %v", took)
			}
			for _, g := range []*daemon.Gateway{p.a, p.b} {
				if !g.Process.Running() {
					must(t, g.Start())
				}
			}
			waitBound(t, p.a)
			waitBound(t, p.b)
			took, err := flows(t.Context(), p.A.Host, p.B.Host4, 5*flowAgain)
			if err != nil {
				t.Fatalf("does not flow again: %v", err)
			}
			t.Logf("flows again %v after the gateways are ready", took.Round(time.Millisecond))
			if took > flowAgain {
				t.Errorf("flows again after %v, the bar is %v", took, flowAgain)
			}
			if _, err := flows(t.Context(), p.B.Host, p.A.Host6, flowAgain); err != nil {
				t.Errorf("the other way: %v", err)
			}
		})
	}
}

// endCleanly ends gateways with SIGTERM and expects exit code 0 of each.
func endCleanly(p *pair, gateways ...*daemon.Gateway) {
	p.t.Helper()
	for _, g := range gateways {
		if code := g.Stop(stopGrace); code != 0 {
			p.t.Errorf("%s ended with exit code %d on SIGTERM", g.Namespace.Role, code)
		}
	}
}

// TestSignals ends a gateway in each way a person or a service manager would, at once after its start and with a tunnel up.
func TestSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, pairOptions{})
			start := time.Now()
			p.a.Process.Signal(s)
			select {
			case <-p.a.Process.Done():
			case <-time.After(stopGrace):
				t.Fatalf("still there %v after the signal", stopGrace)
			}
			t.Logf("ended in %v with code %d", time.Since(start).Round(time.Millisecond), p.a.Process.ExitCode())
			if code := p.a.Process.ExitCode(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			// It told its peer.
			must(t, p.b.WaitStatus(t.Context(), 2*time.Second, func(s daemon.Status) error {
				if tunnel := s.Tunnels[0]; tunnel.Up() {
					return fmt.Errorf("the peer still says %s", tunnel.State)
				}
				return nil
			}))
		})
	}
}

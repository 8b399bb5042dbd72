package integration

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// recoverTimeout is how long a test waits for a recovery; what it took is printed.
const recoverTimeout = 5 * time.Second

// checkRecovers waits until packets flow both ways.
func (p *pair) checkRecovers(what string) {
	p.t.Helper()
	took, err := flows(p.t.Context(), p.A.Host, p.B.Host4, recoverTimeout)
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	p.t.Logf("%s: flows again after %v", what, took.Round(time.Millisecond))
	if _, err := flows(p.t.Context(), p.B.Host, p.A.Host6, recoverTimeout); err != nil {
		p.t.Fatalf("%s, the other way: %v", what, err)
	}
}

// TestTUNDeleted deletes the TUN device under a running gateway, and then sets it down.
func TestTUNDeleted(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{})
	for _, n := range []*lab.Namespace{p.A.Gateway, p.B.Gateway} {
		before, _ := n.LinkIndex(tunnelDevice)
		must(t, n.DeleteLink(tunnelDevice))
		p.checkRecovers("TUN device of " + n.Role + " deleted")
		if after, ok := n.LinkIndex(tunnelDevice); !ok || after == before {
			t.Errorf("device %d before, %d after: it was not deleted", before, after)
		}
	}
	must(t, p.A.Gateway.LinkUp(tunnelDevice, false))
	time.Sleep(200 * time.Millisecond)
	if _, there := p.A.Gateway.LinkIndex(tunnelDevice); there {
		must(t, p.A.Gateway.LinkUp(tunnelDevice, true))
	}
	p.checkRecovers("TUN device set down and up")
}

// TestUplinkAddressChanged gives gateway A another address outside, in another network, and takes the old one.
func TestUplinkAddressChanged(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{})
	checkPing(t, p.A.Host, p.B.Host4)
	fresh := netip.MustParsePrefix("203.0.113.1/30")
	next := fresh.Addr().Next()
	must(t, p.B.Gateway.AddAddress(lab.WAN, netip.PrefixFrom(next, 30)))
	must(t, p.A.Gateway.DeleteAddress(lab.WAN, netip.PrefixFrom(p.A.Outside4, 30)))
	must(t, p.A.Gateway.AddAddress(lab.WAN, fresh))
	must(t, p.A.Gateway.AddRoute(netip.PrefixFrom(p.B.Outside4, 32), next))
	p.checkRecovers("uplink address changed")
	must(t, p.b.WaitStatus(t.Context(), 2*time.Second, func(s daemon.Status) error {
		if peer := s.Tunnels[0].Peer; !strings.HasPrefix(peer, fresh.Addr().String()) {
			return errors.New("gateway B says its peer is at " + peer)
		}
		return nil
	}))
}

// TestUplinkDown takes the wire away for a while.
func TestUplinkDown(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{})
	must(t, p.B.Gateway.LinkUp(lab.WAN, false))
	if _, err := flows(t.Context(), p.A.Host, p.B.Host4, time.Second); err == nil {
		t.Fatal("packets flow over a cut wire")
	}
	must(t, p.B.Gateway.LinkUp(lab.WAN, true))
	p.checkRecovers("wire back")
}

// floodRate and floodFor make the flood of junk: as much as leaves a small machine time for the rest.
const (
	floodRate = 20_000 // datagrams a second
	floodFor  = 2 * time.Second
)

// TestJunk floods gateway B's port with datagrams that are nothing, nearly IKE or nearly ESP. Traffic of the tunnel must lose
// nothing, and memory must not grow by more than 16 MiB.
func TestJunk(t *testing.T) {
	p := newPair(t, pairOptions{})
	checkPing(t, p.A.Host, p.B.Host4)
	before, err := p.b.Process.RSS()
	must(t, err)
	flooded := make(chan int, 1)
	go func() { flooded <- flood(t, p.A.Gateway, netip.AddrPortFrom(p.B.Outside4, 4500)) }()
	r := ping(t, lab.Ping{From: p.A.Host, To: p.B.Host4, Interval: 5 * time.Millisecond, Count: int(floodFor / (5 * time.Millisecond))})
	n := <-flooded
	after, err := p.b.Process.RSS()
	must(t, err)
	s := status(t, p.b)
	t.Logf("%d junk datagrams; ping: %v; memory %d to %d KiB; drops: %s", n, r, before>>10, after>>10, daemon.FormatDrops(s.AllDrops()))
	if r.Received != r.Sent {
		t.Errorf("%d of %d packets lost", r.Sent-r.Received, r.Sent)
	}
	if grown := after - before; grown > 16<<20 {
		t.Errorf("memory grew by %d KiB", grown>>10)
	}
	if s.AllDrops()["unknown_spi"] == 0 {
		t.Error("no datagram is counted as unknown_spi")
	}
	if !s.Tunnels[0].Up() {
		t.Errorf("the tunnel is %s: %s", s.Tunnels[0].State, s.Tunnels[0].Reason)
	}
}

// flood sends junk from a namespace for floodFor and returns how much.
func flood(t *testing.T, from *lab.Namespace, to netip.AddrPort) (sent int) {
	var c net.Conn
	if err := from.Do(func() (err error) { c, err = net.Dial("udp", to.String()); return err }); err != nil {
		t.Error(err)
		return 0
	}
	defer c.Close()
	random := rand.New(rand.NewPCG(1, 2))
	const tick = 2 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for end := time.Now().Add(floodFor); time.Now().Before(end); <-ticker.C {
		for range int(floodRate * tick / time.Second) {
			b := randomBytes(random.Uint64(), random.IntN(1400))
			if random.IntN(4) == 0 && len(b) > 32 {
				clear(b[:4]) // non-ESP marker, so IKE
				b[4+17] = 0x20
			}
			if _, err := c.Write(b); err == nil {
				sent++
			}
		}
	}
	return sent
}

// TestBrokenFile spoils the tunnel file under a running gateway, and tries to start another gateway with that file, and with the
// right one. What works must go on working.
func TestBrokenFile(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{})
	right, err := os.ReadFile(p.a.File())
	must(t, err)
	broken := []byte(strings.Replace(string(right), "remote_subnets", "remote_subnet", 1))
	watch := make(chan lab.PingResult, 1)
	go func() {
		r, err := lab.Ping{From: p.A.Host, To: p.B.Host4, Count: 200, Interval: 10 * time.Millisecond}.Run(t.Context())
		if err != nil {
			t.Error(err)
		}
		watch <- r
	}()
	must(t, os.WriteFile(p.a.File(), broken, 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var exit *lab.ExitError
	if err := p.a.Check(t.Context()); !errors.As(err, &exit) || exit.Code != 1 {
		t.Errorf("check of a broken file: %v", err)
	}
	if _, err := p.A.Gateway.Run(ctx, program, "run", p.a.File()); !errors.As(err, &exit) || exit.Code <= 0 {
		t.Errorf("run of a broken file: %v", err)
	} else {
		t.Logf("run of a broken file: %s", exit.Stderr)
		if !strings.Contains(exit.Stderr, "remote_subnet") {
			t.Error("it does not name the mistake")
		}
	}
	p.a.Process.Signal(syscall.SIGHUP)
	must(t, lab.Poll(ctx, 5*time.Second, func() error {
		if !strings.Contains(p.a.Process.Tail(20), "SIGHUP: mistake in the tunnel file") {
			return errors.New("SIGHUP with a broken file is not in the log")
		}
		return nil
	}))
	must(t, os.WriteFile(p.a.File(), right, 0o600))
	if _, err := p.A.Gateway.Run(ctx, program, "run", p.a.File()); !errors.As(err, &exit) || exit.Code <= 0 {
		t.Errorf("a second gateway on the same device: %v", err)
	} else {
		t.Logf("a second gateway: %s", exit.Stderr)
	}
	r := <-watch
	t.Logf("meanwhile: %v", r)
	if r.Received != r.Sent {
		t.Errorf("%d of %d packets lost", r.Sent-r.Received, r.Sent)
	}
	if !p.a.Process.Running() {
		t.Errorf("the gateway ended with exit code %d", p.a.Process.ExitCode())
	}
	if _, err := p.a.Status(t.Context()); err != nil {
		t.Errorf("status: %v", err)
	}
}

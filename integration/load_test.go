package integration

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
	"vpngw/integration/lab/relay"
)

// superpacket is the bar: average bytes at each edge under one TCP connection.
const superpacket = 40_000

// memoryBound is more than the queue limits of the defaults (32 MiB) and Go's own needs.
const memoryBound = 128 << 20

// TestSuperpackets measures what one system call carries at each of the four edges under one TCP connection, each way and for
// both families inside. It runs alone.
func TestSuperpackets(t *testing.T) {
	needLab(t, "iperf3")
	p := newPair(t, pairOptions{})
	for _, c := range []struct {
		name             string
		address          netip.Addr
		reverse          bool
		sender, receiver *daemon.Gateway
	}{
		{"IPv4, A to B", p.B.Host4, false, p.a, p.b},
		{"IPv4, B to A", p.B.Host4, true, p.b, p.a},
		{"IPv6, A to B", p.B.Host6, false, p.a, p.b},
	} {
		beforeSender, beforeReceiver := status(t, c.sender).Edges, status(t, c.receiver).Edges
		r, err := lab.Iperf{Client: p.A.Host, Server: p.B.Host, Address: c.address, Seconds: 3, Reverse: c.reverse}.Run(t.Context())
		must(t, err)
		sender, receiver := status(t, c.sender).Edges.Sub(beforeSender), status(t, c.receiver).Edges.Sub(beforeReceiver)
		t.Logf("%s: %.2f Gbit/s, %d retransmits, %.2f CPU-s per Gbit; bytes per TUN read %.0f, UDP send %.0f, UDP receive %.0f, TUN write %.0f",
			c.name, r.Gbit, r.Retransmits, r.CPUPerGbit(), sender.TunRead.BytesPerCall(), sender.UDPSend.BytesPerCall(),
			receiver.UDPReceive.BytesPerCall(), receiver.TunWrite.BytesPerCall())
		for edge, e := range map[string]daemon.Edge{"TUN read": sender.TunRead, "UDP send": sender.UDPSend,
			"UDP receive": receiver.UDPReceive, "TUN write": receiver.TunWrite} {
			if e.BytesPerCall() < superpacket {
				t.Errorf("%s, %s: %.0f bytes per call, the bar is %d", c.name, edge, e.BytesPerCall(), superpacket)
			}
		}
	}
}

// TestMemory loads a gateway in both directions with several connections and small datagrams, and looks at its resident memory.
func TestMemory(t *testing.T) {
	needLab(t, "iperf3")
	p := newPair(t, pairOptions{})
	most := map[string]int64{}
	look := func() {
		for _, g := range []*daemon.Gateway{p.a, p.b} {
			rss, err := g.Process.RSS()
			must(t, err)
			most[g.Namespace.Role] = max(most[g.Namespace.Role], rss)
		}
	}
	look()
	t.Logf("idle: A %d KiB, B %d KiB", most["gwa"]>>10, most["gwb"]>>10)
	for _, i := range []lab.Iperf{{Streams: 8, Bidirectional: true}, {UDP: true, RateMbit: 300, Length: 300, Streams: 2}} {
		i.Client, i.Server, i.Address, i.Seconds = p.A.Host, p.B.Host, p.B.Host4, 3
		done := make(chan error, 1)
		go func() {
			_, err := i.Run(t.Context())
			done <- err
		}()
		for running := true; running; {
			select {
			case err := <-done:
				must(t, err)
				running = false
			case <-time.After(100 * time.Millisecond):
				look()
			}
		}
	}
	t.Logf("under load at most: A %d KiB, B %d KiB", most["gwa"]>>10, most["gwb"]>>10)
	for role, rss := range most {
		if rss > memoryBound {
			t.Errorf("%s used %d KiB, the bound is %d", role, rss>>10, memoryBound>>10)
		}
	}
}

// TestBadWire puts a relay between the gateways that loses, reorders, repeats and spoils datagrams. The tunnel must come up over
// it, TCP must go on, and data must arrive intact.
func TestBadWire(t *testing.T) {
	t.Parallel()
	bad := relay.Profile{Loss: 0.05, Reorder: 0.1, Duplicate: 0.02, Corrupt: 0.01, HoldBack: time.Millisecond}
	var wire *relay.Relay
	p := newPair(t, pairOptions{Options: lab.Options{Router: true}, noWait: true,
		// Each gateway takes the relay, on the router's side towards it, for its peer.
		peers: func(p *pair) (addressA, addressB string) { return p.B.Next4.String(), p.A.Next4.String() },
		before: func(p *pair) {
			must(t, p.Router.Do(func() (err error) {
				wire, err = relay.Listen(netip.AddrPortFrom(p.A.Next4, 4500), netip.AddrPortFrom(p.B.Next4, 4500), relay.Options{
					Seed: 1, AToB: bad, BToA: bad,
					PeerA: netip.AddrPortFrom(p.A.Outside4, 4500), PeerB: netip.AddrPortFrom(p.B.Outside4, 4500)})
				return err
			}))
			t.Cleanup(wire.Close)
		}})
	start := time.Now()
	// IKE retransmits a lost message after some hundred milliseconds, and more each time.
	must(t, p.a.WaitUp(t.Context(), 2*upTimeout))
	must(t, p.b.WaitUp(t.Context(), 2*upTimeout))
	t.Logf("up after %v", time.Since(start).Round(time.Millisecond))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := flows(ctx, p.A.Host, p.B.Host4, 5*time.Second)
	must(t, err)
	checkStream(t, p.A.Host, p.B.Host, p.B.Host4, 2<<20)
	checkStream(t, p.B.Host, p.A.Host, p.A.Host6, 2<<20)
	aToB, bToA := wire.Counts()
	s := status(t, p.b)
	drops := s.AllDrops()
	t.Logf("wire A to B %+v, B to A %+v; drops of B: %s", aToB, bToA, daemon.FormatDrops(drops))
	if aToB.Lost == 0 || aToB.Corrupted == 0 || aToB.Duplicated == 0 {
		t.Error("the wire was not bad")
	}
	if drops["unauthentic"] == 0 || drops["replayed"] == 0 {
		t.Error("spoiled and repeated datagrams were not dropped under their names")
	}
	if drops["too_old"] > 0 {
		t.Errorf("%d reordered packets were too old for the replay window", drops["too_old"])
	}
	if !s.Tunnels[0].Up() {
		t.Errorf("the tunnel is %s: %s", s.Tunnels[0].State, s.Tunnels[0].Reason)
	}
}

package integration

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// TestSelectors sends what the tunnel's traffic selectors do not allow. It must be dropped and counted under its name, while
// what they allow goes on.
func TestSelectors(t *testing.T) {
	t.Parallel()
	// A would send to more networks than B agrees to; IKE narrows the selectors to B's (RFC 7296 §2.9).
	wide := netip.MustParsePrefix("10.77.0.0/24")
	p := newPair(t, pairOptions{edit: func(a, b *daemon.Config) {
		a.Tunnels[0].Remote = append(a.Tunnels[0].Remote, wide)
	}})
	var arrived *lab.Capture
	var err error
	arrived, err = p.B.Gateway.Capture(lab.LAN)
	must(t, err)

	const n = 20
	stranger := netip.MustParseAddr("10.9.9.9")
	must(t, p.A.Host.AddAddress("lo", netip.PrefixFrom(stranger, 32)))
	sendFrom(t, p.A.Host, stranger, p.B.Host4, n)
	spoofed := waitDrops(t, p.a, n, "source_policy")
	t.Logf("%d datagrams from %s: source_policy %d", n, stranger, spoofed)
	if spoofed != n {
		t.Errorf("source_policy counts %d of %d", spoofed, n)
	}

	sendFrom(t, p.A.Host, p.A.Host4, wide.Addr().Next(), n)
	outside := waitDrops(t, p.a, 2*n, "source_policy", "no_route") - spoofed
	t.Logf("%d datagrams to %s: %d dropped; all: %s", n, wide.Addr().Next(), outside, daemon.FormatDrops(status(t, p.a).AllDrops()))
	if outside != n {
		t.Errorf("%d of %d counted", outside, n)
	}

	checkPing(t, p.A.Host, p.B.Host4)
	must(t, arrived.Frames(func(frame []byte) {
		if len(frame) >= 34 && (netip.AddrFrom4([4]byte(frame[26:30])) == stranger || wide.Contains(netip.AddrFrom4([4]byte(frame[30:34])))) {
			t.Errorf("a forbidden packet came out of gateway B: %x", frame[14:34])
		}
	}))
}

// sendFrom sends n UDP datagrams with a source address of the namespace's.
func sendFrom(t *testing.T, from *lab.Namespace, source, to netip.Addr, n int) {
	t.Helper()
	var c *net.UDPConn
	must(t, from.Do(func() (err error) {
		c, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
		return err
	}))
	defer c.Close()
	for range n {
		// An unreachable destination is told by ICMP, as an error of the next write.
		_, _ = c.Write([]byte("not allowed"))
		time.Sleep(time.Millisecond)
	}
}

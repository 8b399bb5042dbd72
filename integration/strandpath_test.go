package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// filter makes a router's firewall, which is replaced, drop the UDP datagrams that one of the rules names.
func filter(t *testing.T, router *lab.Namespace, rules ...string) {
	t.Helper()
	program, err := systemProgram("nft")
	must(t, err)
	text := "table inet firewall\ndelete table inet firewall\n"
	if len(rules) > 0 {
		text += "table inet firewall {\n\tchain forward {\n\t\ttype filter hook forward priority filter\n"
		for _, r := range rules {
			text += "\t\t" + r + " drop\n"
		}
		text += "\t}\n}\n"
	}
	file := filepath.Join(t.TempDir(), "rules")
	must(t, os.WriteFile(file, []byte(text), 0o600))
	_, err = router.Run(t.Context(), program, "-f", file)
	must(t, err)
}

// ofStrands are the rules for all datagrams of strands: not from port 4500 to port 4500. With a device, of those that come by it.
func ofStrands(device string) []string {
	if device != "" {
		device = fmt.Sprintf("iifname %q ", device)
	}
	return []string{device + "udp sport != 4500", device + "udp dport != 4500"}
}

// steady sends a little by many TCP connections all the time until stop, which returns the longest time in which one of them
// brought nothing.
func steady(t *testing.T, from, to *lab.Namespace, address netip.Addr, connections int) (stop func() time.Duration) {
	t.Helper()
	l, err := to.ListenTCP(address)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var sending, receiving sync.WaitGroup
	var mu sync.Mutex
	longest := time.Duration(0)
	for range connections {
		out, err := from.DialTCP(ctx, netip.MustParseAddrPort(l.Addr().String()))
		must(t, err)
		in, err := l.Accept()
		must(t, err)
		sending.Go(func() {
			defer out.Close()
			b := make([]byte, 500)
			for ctx.Err() == nil {
				if _, err := out.Write(b); err != nil {
					t.Errorf("a connection has ended: %v", err)
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
		receiving.Go(func() {
			defer in.Close()
			b := make([]byte, 64<<10)
			for last := time.Now(); ; {
				_, err := in.Read(b)
				if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
					return
				}
				if err != nil {
					t.Errorf("a connection has ended: %v", err)
					return
				}
				mu.Lock()
				longest = max(longest, time.Since(last))
				mu.Unlock()
				last = time.Now()
			}
		})
	}
	return func() time.Duration {
		cancel()
		sending.Wait()
		receiving.Wait()
		l.Close()
		return longest
	}
}

// strandIs waits until the first strand of a gateway is, or is not, in use, and returns how long that took.
func strandIs(t *testing.T, g *daemon.Gateway, inUse bool, timeout time.Duration) time.Duration {
	t.Helper()
	start := time.Now()
	must(t, g.WaitStatus(t.Context(), timeout, func(s daemon.Status) error {
		if one := s.Tunnels[0].Strands[0]; one.InUse != inUse {
			return fmt.Errorf("the strand: %+v", one)
		}
		return nil
	}))
	return time.Since(start)
}

// Bars for a strand whose path dies: how long a connection may stand still, and until the strand is in use again once its path is
// well. What it takes is printed.
const (
	strandPause = 3 * time.Second
	strandBack  = 40 * time.Second
)

// TestStrandPathDies blocks what belongs to a strand in the middle, in one direction or both, while the tunnel's own path is well:
// connections that go by the strand go on by the tunnel, and the strand comes back.
func TestStrandPathDies(t *testing.T) {
	t.Parallel()
	needNAT(t)
	p := newPair(t, pairOptions{Options: lab.Options{Router: true}, edit: twoLanes})
	p.spread()
	for i, c := range []struct {
		name  string
		rules func() []string
		only  bool // one port, so that another helps
	}{
		{"forth", func() []string { return ofStrands(lab.RouterDeviceA) }, false},
		{"back", func() []string { return ofStrands(lab.RouterDeviceB) }, false},
		{"both ways", func() []string { return ofStrands("") }, false},
		{"one port", func() []string {
			opener := p.a
			if !status(t, opener).Tunnels[0].Strands[0].Opener {
				opener = p.b
			}
			local := netip.MustParseAddrPort(status(t, opener).Tunnels[0].Strands[0].Local)
			return []string{fmt.Sprintf("udp sport %d", local.Port()), fmt.Sprintf("udp dport %d", local.Port())}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := status(t, p.a).Tunnels[0].Strands[0]
			stop := steady(t, p.A.Host, p.B.Host, p.B.Host4, 16)
			time.Sleep(time.Second)
			if n := status(t, p.a).Tunnels[0].Strands[0].PacketsOut - before.PacketsOut; n < 50 {
				t.Errorf("%d packets by the strand in a second", n)
			}
			filter(t, p.Router, c.rules()...)
			took := strandIs(t, p.a, false, strandPause)
			took += strandIs(t, p.b, false, strandPause)
			t.Logf("given up after about %v", took)
			time.Sleep(strandPause)
			if s := status(t, p.a).Tunnels[0].Strands[0]; s.Lost != uint64(i+1) || s.Reason == "" {
				t.Errorf("the strand's status: %+v", s)
			}
			checkStream(t, p.A.Host, p.B.Host, p.B.Host4, 4<<20)
			if !c.only {
				filter(t, p.Router)
			}
			took = strandIs(t, p.a, true, strandBack)
			took += strandIs(t, p.b, true, strandBack)
			t.Logf("in use again after %v", took)
			filter(t, p.Router)
			before = status(t, p.a).Tunnels[0].Strands[0]
			time.Sleep(time.Second)
			if n := status(t, p.a).Tunnels[0].Strands[0].PacketsOut - before.PacketsOut; n < 50 {
				t.Errorf("%d packets of connections that are older go by the strand in a second", n)
			}
			pause := stop()
			t.Logf("no connection stood still for more than %v", pause)
			if pause > strandPause {
				t.Errorf("a connection stood still for %v", pause)
			}
			if drops := status(t, p.a).Tunnels[0].Drops; drops["dummy"] > 0 {
				t.Errorf("questions count as drops: %v", drops)
			}
		})
	}
}

// TestStrandsOpenedByTheOther lets nothing through that the end begins which is to open the strands: the other one does.
func TestStrandsOpenedByTheOther(t *testing.T) {
	t.Parallel()
	needNAT(t)
	p := newPair(t, pairOptions{Options: lab.Options{Router: true}, edit: func(a, b *daemon.Config) {
		twoLanes(a, b)
		b.Tunnels[0].Peer = "" // so that A begins
	}, before: func(p *pair) {
		filter(t, p.Router, fmt.Sprintf("iifname %q udp sport != 4500 ct state new", lab.RouterDeviceA))
	}})
	strandIs(t, p.a, true, strandBack)
	strandIs(t, p.b, true, strandBack)
	if s := status(t, p.a).Tunnels[0].Strands[0]; !s.Opener || netip.MustParseAddrPort(s.Local).Port() != 4500 {
		t.Errorf("the strand: %+v", s)
	}
	for range 8 {
		checkUDP(t, p.A.Host, p.B.Host, p.B.Host4)
	}
}

// TestStrandsAndOutage cuts the whole path for a while: the strands are not blamed for it.
func TestStrandsAndOutage(t *testing.T) {
	t.Parallel()
	needNAT(t)
	p := newPair(t, pairOptions{Options: lab.Options{Router: true}, edit: twoLanes})
	p.spread()
	stop := steady(t, p.A.Host, p.B.Host, p.B.Host4, 16)
	filter(t, p.Router, "meta l4proto udp")
	time.Sleep(3 * time.Second)
	filter(t, p.Router)
	time.Sleep(2 * time.Second)
	t.Logf("no connection stood still for more than %v", stop())
	for _, g := range []*daemon.Gateway{p.a, p.b} {
		if s := status(t, g).Tunnels[0].Strands[0]; !s.InUse || s.Lost > 0 {
			t.Errorf("strand of %s: %+v", g.Namespace.Role, s)
		}
	}
}

// TestStrandsOnOneQueue has somebody else make a TUN device with a single queue while gateway A's is gone: what comes by the
// strand is written to that one, too.
func TestStrandsOnOneQueue(t *testing.T) {
	t.Parallel()
	needLab(t)
	p := newPair(t, pairOptions{edit: twoLanes})
	p.spread()
	ip, err := systemProgram("ip")
	must(t, err)
	p.a.Process.Signal(syscall.SIGSTOP) // it would be faster
	must(t, p.A.Gateway.DeleteLink(tunnelDevice))
	_, err = p.A.Gateway.Run(t.Context(), ip, "tuntap", "add", "dev", tunnelDevice, "mode", "tun")
	must(t, err)
	p.a.Process.Signal(syscall.SIGCONT)
	p.checkRecovers("a TUN device with one queue")
	before := status(t, p.a)
	stop := numbered(t, p.B.Host, p.A.Host, p.A.Host4, 16)
	time.Sleep(2 * time.Second)
	n, late := stop()
	after := status(t, p.a)
	byStrand := after.Tunnels[0].Strands[0].PacketsIn - before.Tunnels[0].Strands[0].PacketsIn
	t.Logf("%d datagrams, %d packets by the strand", n, byStrand)
	if n < 1000 || len(late) > 0 || byStrand < 100 {
		t.Errorf("%d datagrams came, %d packets by the strand, late: %v", n, byStrand, late[:min(len(late), 5)])
	}
	for _, reason := range []string{"tun_down", "lane_full"} {
		if a, b := after.AllDrops()[reason], before.AllDrops()[reason]; a != b {
			t.Errorf("%d packets dropped as %s", a-b, reason)
		}
	}
	checkStream(t, p.A.Host, p.B.Host, p.B.Host4, 16<<20)
	checkStream(t, p.B.Host, p.A.Host, p.A.Host6, 16<<20)
}

// TestStrandsWhenNATedPeerIsCalled restarts the gateway behind a NAT as one that waits: the other end begins the new IKE SA, by
// the mapping that the NAT still has, and the strands are opened from within nevertheless.
func TestStrandsWhenNATedPeerIsCalled(t *testing.T) {
	t.Parallel()
	p := newNATPair(t, twoLanes)
	p.spread()
	waits := p.configA
	waits.Tunnels = []daemon.Tunnel{p.configA.Tunnels[0]}
	waits.Tunnels[0].Peer = ""
	must(t, p.a.Configure(waits))
	p.a.Process.Kill()
	must(t, p.a.Start())
	waitBound(t, p.a)
	_, err := flows(t.Context(), p.B.Host, p.A.Host4, upTimeout) // traffic shows B that A is another one
	must(t, err)
	s := status(t, p.a).Tunnels[0]
	if s.IKE == nil || s.IKE.Initiator {
		t.Fatalf("A began the IKE SA itself: %+v", s)
	}
	p.spread()
	if one := status(t, p.a).Tunnels[0].Strands[0]; !one.Opener {
		t.Errorf("the strand behind the NAT: %+v", one)
	}
	for range 8 {
		checkUDP(t, p.A.Host, p.B.Host, p.B.Host4)
		checkUDP(t, p.B.Host, p.A.Host, p.A.Host4)
	}
}

package integration

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// Sizes of the wire in the middle, and what of IPv4 fits inside.
const (
	wideWire, narrowWire   = 1500, 1300
	wideInner, narrowInner = 1438, 1238
	safeInner              = 1218 // of a wire of 1280 bytes: what senders are told before the path is known precisely
)

// resumeLimit is how long a flow may stand still when the wire changes under it.
const resumeLimit = 2 * time.Second

// pulse is a TCP connection that sends all the time, and when what arrived.
type pulse struct {
	mu    sync.Mutex
	at    time.Time // of the last bytes
	gap   time.Duration
	bytes int64
	err   error
}

// startPulse sends from one host to another until the test ends.
func startPulse(t *testing.T, from, to *lab.Namespace, address netip.Addr) *pulse {
	t.Helper()
	l, err := to.ListenTCP(address)
	must(t, err)
	conn, err := from.DialTCP(t.Context(), netip.AddrPortFrom(address, uint16(l.Addr().(*net.TCPAddr).Port)))
	must(t, err)
	in, err := l.Accept()
	must(t, err)
	p := &pulse{at: time.Now()}
	var running sync.WaitGroup
	running.Go(func() {
		chunk := make([]byte, 16<<10)
		for {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
			time.Sleep(time.Millisecond) // some 100 Mbit/s, so that the machine has time for others
		}
	})
	running.Go(func() {
		b := make([]byte, 64<<10)
		for {
			n, err := in.Read(b)
			p.arrived(n, err)
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		in.Close()
		l.Close()
		running.Wait()
	})
	return p
}

func (p *pulse) arrived(n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.gap = max(p.gap, now.Sub(p.at))
	p.at, p.err = now, err
	p.bytes += int64(n)
}

// longestGap is the longest time without bytes since the last call, the one that may last included.
func (p *pulse) longestGap(t *testing.T) time.Duration {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil && !errors.Is(p.err, io.EOF) {
		t.Errorf("the connection ended: %v", p.err)
	}
	gap := max(p.gap, time.Since(p.at))
	p.gap = 0
	return gap
}

// udpWithDF opens a UDP socket whose kernel never fragments, and believes what ICMP says of the path; udpMayFragment one whose
// packets may be fragmented by anybody.
func udpWithDF(t *testing.T, from *lab.Namespace, to netip.Addr) *net.UDPConn {
	t.Helper()
	return dialUDP(t, from, to, unix.IP_PMTUDISC_DO)
}

func udpMayFragment(t *testing.T, from *lab.Namespace, to netip.Addr) *net.UDPConn {
	t.Helper()
	return dialUDP(t, from, to, unix.IP_PMTUDISC_DONT)
}

func dialUDP(t *testing.T, from *lab.Namespace, to netip.Addr, discover int) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	must(t, from.Do(func() (err error) {
		conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
		if err != nil {
			return err
		}
		raw, err := conn.SyscallConn()
		if err != nil {
			return err
		}
		var set error
		err = raw.Control(func(fd uintptr) {
			if to.Is4() {
				set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discover)
			} else { // whose constants are the same
				set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, discover)
			}
		})
		return errors.Join(err, set)
	}))
	t.Cleanup(func() { conn.Close() })
	return conn
}

// untilTooBig sends datagrams that do not fit any more until the kernel knows, as it does from an ICMP message.
func untilTooBig(t *testing.T, conn *net.UDPConn, size int) time.Duration {
	t.Helper()
	start := time.Now()
	must(t, lab.Poll(t.Context(), 10*time.Second, func() error {
		_, err := conn.Write(make([]byte, size))
		if errors.Is(err, unix.EMSGSIZE) {
			return nil
		}
		return fmt.Errorf("sending a datagram of %d bytes: %v", size, err)
	}))
	return time.Since(start)
}

// waitMTU waits until a gateway has found out that its path carries packets of that size.
func waitMTU(t *testing.T, g *daemon.Gateway, outer int, timeout time.Duration) (took time.Duration) {
	t.Helper()
	start := time.Now()
	must(t, g.WaitStatus(t.Context(), timeout, func(s daemon.Status) error {
		if m := s.Tunnels[0].MTU; m.Outer != outer || m.Known != "probed" {
			return fmt.Errorf("its MTU is %+v, expected %d", m, outer)
		}
		return nil
	}))
	return time.Since(start)
}

// setWire changes the MTU of the wire between the router and B. What A sends the router refuses, with ICMP; what B sends is
// lost without a word.
func (p *pair) setWire(mtu int) { must(p.t, p.Router.SetMTU(lab.RouterDeviceB, mtu)) }

// silence makes the router send no ICMP.
func (p *pair) silence() {
	program, err := systemProgram("nft")
	must(p.t, err)
	_, err = p.Router.Run(p.t.Context(), program, "add table inet silence; add chain inet silence out { type filter hook output priority 0; }; "+
		"add rule inet silence out icmp type destination-unreachable drop; "+
		"add rule inet silence out icmpv6 type packet-too-big drop")
	must(p.t, err)
}

// TestWireMTUChanges shrinks the wire in the middle under TCP both ways and under UDP with DF, and widens it again, with the
// router's ICMP and without.
func TestWireMTUChanges(t *testing.T) {
	t.Parallel()
	needNAT(t) // for nft
	for _, icmp := range []bool{true, false} {
		t.Run(choose(icmp, "with", "without")+" ICMP", func(t *testing.T) {
			t.Parallel()
			p := newPair(t, pairOptions{Options: lab.Options{Router: true, OnePacketPerFrame: true}, before: func(p *pair) {
				if !icmp {
					p.silence()
				}
			}})
			waitMTU(t, p.a, wideWire, 5*time.Second)
			waitMTU(t, p.b, wideWire, 5*time.Second)
			out := startPulse(t, p.A.Host, p.B.Host, p.B.Host4)
			back := startPulse(t, p.B.Host, p.A.Host, p.A.Host4)
			df := udpWithDF(t, p.A.Host, p.B.Host4)
			_, err := df.Write(make([]byte, wideInner-28))
			must(t, err)
			time.Sleep(3 * time.Second)
			out.longestGap(t)
			back.longestGap(t)

			p.setWire(narrowWire)
			told := untilTooBig(t, df, wideInner-28)
			if told > resumeLimit {
				t.Errorf("a sender of UDP with DF was told after %v", told)
			}
			found := max(waitMTU(t, p.a, narrowWire, 10*time.Second), waitMTU(t, p.b, narrowWire, 10*time.Second))
			time.Sleep(3 * time.Second)
			a, b := out.longestGap(t), back.longestGap(t)
			t.Logf("narrower: TCP stood still for %v and %v, UDP with DF told after %v, MTU found after %v", a, b, told, found)
			if a > resumeLimit || b > resumeLimit {
				t.Errorf("TCP stood still for %v and %v", a, b)
			}
			// What fits goes through, in one piece.
			_, _ = df.Write(make([]byte, safeInner-28)) // may be told once more of the one before
			if _, err := df.Write(make([]byte, safeInner-28)); err != nil {
				t.Errorf("what fits: %v", err)
			}

			p.setWire(wideWire)
			again := max(waitMTU(t, p.a, wideWire, 90*time.Second), waitMTU(t, p.b, wideWire, 90*time.Second))
			a, b = out.longestGap(t), back.longestGap(t)
			t.Logf("wider: TCP stood still for %v and %v, MTU found after %v", a, b, again)
			if a > resumeLimit || b > resumeLimit {
				t.Errorf("TCP stood still for %v and %v", a, b)
			}
			for _, h := range []*lab.Namespace{p.A.Host, p.B.Host} { // hosts remember for ten minutes what they were told
				_, err := h.Run(t.Context(), "ip", "route", "flush", "cache")
				must(t, err)
			}
			r := ping(t, lab.Ping{From: p.A.Host, To: p.B.Host4, Count: 5, Interval: 20 * time.Millisecond, Size: wideInner - 28})
			if r.Received != 5 {
				t.Errorf("packets of %d bytes inside: %v", wideInner, r)
			}
			for _, g := range []*daemon.Gateway{p.a, p.b} {
				s := status(t, g)
				t.Logf("%s: %+v, drops %s", g.Namespace.Role, s.Tunnels[0].MTU, daemon.FormatDrops(s.AllDrops()))
				if s.Tunnels[0].MTU.Reports == 0 {
					t.Errorf("%s told nobody", g.Namespace.Role)
				}
			}
		})
	}
}

// TestMSSAndFragments: connections that are opened while the wire is narrow use segments that fit it from the start, and what
// may be fragmented is, and is made whole again by the far host's kernel.
func TestMSSAndFragments(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{Options: lab.Options{Router: true, OnePacketPerFrame: true}, before: func(p *pair) { p.setWire(narrowWire) }})
	waitMTU(t, p.a, narrowWire, 10*time.Second)
	waitMTU(t, p.b, narrowWire, 10*time.Second)
	for _, to := range []netip.Addr{p.B.Host4, p.B.Host6} {
		pulse := startPulse(t, p.A.Host, p.B.Host, to)
		time.Sleep(time.Second)
		if gap := pulse.longestGap(t); gap > 500*time.Millisecond {
			t.Errorf("TCP to %v stood still for %v", to, gap)
		}
	}
	for _, g := range []*daemon.Gateway{p.a, p.b} {
		if m := status(t, g).Tunnels[0]; m.MTU.MSSClamped == 0 || m.Drops["path_mtu"] > 0 {
			t.Errorf("%s: %+v, drops %s", g.Namespace.Role, m.MTU, daemon.FormatDrops(m.Drops))
		}
	}

	var in *net.UDPConn
	must(t, p.B.Host.Do(func() (err error) {
		in, err = net.ListenUDP("udp", &net.UDPAddr{IP: p.B.Host4.AsSlice(), Port: 9})
		return err
	}))
	defer in.Close()
	out := udpMayFragment(t, p.A.Host, p.B.Host4)
	for _, size := range []int{1300, 1410, 8000} { // the host itself fragments the last, for its own wire
		_, err := out.Write(make([]byte, size))
		must(t, err)
		must(t, in.SetReadDeadline(time.Now().Add(3*time.Second)))
		b := make([]byte, 64<<10)
		n, err := in.Read(b)
		if err != nil || n != size {
			t.Errorf("a datagram of %d bytes: %d arrived, %v", size, n, err)
		}
	}
	if m := status(t, p.a).Tunnels[0]; m.MTU.Fragmented == 0 || m.Drops["path_mtu"] > 0 {
		t.Errorf("%+v, drops %s", m.MTU, daemon.FormatDrops(m.Drops))
	}
}

// TestMessagesToSenders: hosts behind the gateway hear of the path's MTU over IPv4 and IPv6, whatever the gateway's kernel filters
// by the way back to a source.
func TestMessagesToSenders(t *testing.T) {
	t.Parallel()
	for _, filter := range []string{"0", "1", "2"} {
		t.Run("rp_filter "+filter, func(t *testing.T) {
			t.Parallel()
			const wire, inner = 1400, 1338
			p := newPair(t, pairOptions{Options: lab.Options{Router: true}, before: func(p *pair) {
				must(t, p.A.Gateway.Sysctl("net.ipv4.conf.all.rp_filter", filter))
				p.setWire(wire)
			}})
			waitMTU(t, p.a, wire, 10*time.Second)
			for to, headers := range map[netip.Addr]int{p.B.Host4: 28, p.B.Host6: 48} {
				df := udpWithDF(t, p.A.Host, to)
				if took := untilTooBig(t, df, inner-headers+1); took > resumeLimit {
					t.Errorf("a sender to %v was told after %v", to, took)
				}
				_, _ = df.Write(make([]byte, inner-headers)) // may be told once more of the one before
				if _, err := df.Write(make([]byte, inner-headers)); err != nil {
					t.Errorf("what fits on the way to %v: %v", to, err)
				}
			}
		})
	}
}

// TestStrongSwanPathMTU: strongSwan answers probes, and what the wire carries is found with it as well.
func TestStrongSwanPathMTU(t *testing.T) {
	t.Parallel()
	p := newSwanPair(t, swanOptions{router: true})
	waitMTU(t, p.a, wideWire, 5*time.Second)
	out := startPulse(t, p.A.Host, p.B.Host, p.B.Host4)
	time.Sleep(time.Second)
	sas := p.settled()
	must(t, p.Router.SetMTU(lab.RouterDeviceB, narrowWire))
	out.longestGap(t)
	found := waitMTU(t, p.a, narrowWire, 15*time.Second)
	time.Sleep(2 * time.Second)
	gap := out.longestGap(t)
	t.Logf("narrower: TCP stood still for %v, MTU found after %v", gap, found)
	if gap > resumeLimit {
		t.Errorf("TCP stood still for %v", gap)
	}
	must(t, p.Router.SetMTU(lab.RouterDeviceB, wideWire))
	t.Logf("wider: MTU found after %v", waitMTU(t, p.a, wideWire, 90*time.Second))
	p.carries()
	if now := p.settled(); *now.IKE != *sas.IKE {
		t.Errorf("the IKE SA is another one: %+v, was %+v", now.IKE, sas.IKE)
	}
}

package integration

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// backTimeout is a generous bound on how long a tunnel takes to be back after a peer that was killed.
const backTimeout = 20 * time.Second

// TestStrongSwanKilled ends one end with SIGKILL or SIGTERM and starts it again, with traffic of the other end all the while. Packets
// must flow again by themselves.
func TestStrongSwanKilled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		waits bool // vpngw waits for strongSwan
		kill  func(p *swanPair) error
		from  func(p *swanPair) lab.Ping // the survivor's traffic
	}{
		{"strongSwan, which vpngw initiates to", false, (*swanPair).restartSwan, (*swanPair).pingB},
		{"strongSwan cleanly, which vpngw initiates to", false, (*swanPair).stopSwan, (*swanPair).pingB},
		{"vpngw cleanly, which strongSwan initiates to", true, (*swanPair).stopVPNGW, (*swanPair).pingA},
		{"vpngw, which initiates", false, (*swanPair).restartVPNGW, (*swanPair).pingA},
		{"vpngw, which strongSwan initiates to", true, (*swanPair).restartVPNGW, (*swanPair).pingA},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{waits: c.waits, edit: func(a *daemon.Config, b *swanConfig) {
				a.Tunnels[0].Lines = []string{"dpd: {interval: 1s, timeout: 3s}"}
				if c.waits {
					b.connection = []string{"dpd_delay = 1s", "keyingtries = 0"}
					b.child = []string{"dpd_action = restart", "close_action = start"}
					b.charon = []string{"retransmit_timeout = 1", "retransmit_base = 1", "retransmit_tries = 1"}
				}
			}})
			before := p.settled()
			p.carries()
			must(t, c.kill(p))
			ready := time.Now()
			probe := c.from(p)
			if _, err := flows(t.Context(), probe.From, probe.To, backTimeout); err != nil {
				t.Fatal(err)
			}
			t.Logf("flows again %v after the killed end is ready", time.Since(ready).Round(time.Millisecond))
			after := p.settled()
			if after.IKE.InitiatorSPI == before.IKE.InitiatorSPI {
				t.Error("the IKE SA outlived the end that was killed")
			}
			p.carries()
		})
	}
}

func (p *swanPair) pingA() lab.Ping { return lab.Ping{From: p.B.Host, To: p.A.Host4} }
func (p *swanPair) pingB() lab.Ping { return lab.Ping{From: p.A.Host, To: p.B.Host4} }

// restartSwan kills strongSwan, leaves it away for a moment with vpngw's traffic for it, and starts it again.
func (p *swanPair) restartSwan() error {
	p.b.process.Kill()
	p.away(p.pingB())
	return p.b.start(p.t.Context())
}

// stopSwan ends strongSwan with SIGTERM, upon which it deletes its SAs.
func (p *swanPair) stopSwan() error {
	p.b.process.Stop(stopGrace)
	p.waitDown("DELETE of " + p.B.Outside4.String())
	p.away(p.pingB())
	return p.b.start(p.t.Context())
}

// restartVPNGW does the same with vpngw.
func (p *swanPair) restartVPNGW() error {
	p.a.Process.Kill()
	p.away(p.pingA())
	err := p.a.Start()
	waitBound(p.t, p.a)
	return err
}

// stopVPNGW ends vpngw with SIGTERM, upon which it deletes its SAs.
func (p *swanPair) stopVPNGW() error {
	if code := p.a.Stop(stopGrace); code != 0 {
		p.t.Errorf("vpngw ended with exit code %d", code)
	}
	p.away(p.pingA())
	err := p.a.Start()
	waitBound(p.t, p.a)
	return err
}

// away sends pings to an end that has ended.
func (p *swanPair) away(probe lab.Ping) {
	if took, err := flows(p.t.Context(), probe.From, probe.To, awayFor); err == nil {
		p.t.Errorf("a gateway that has ended carried a packet after %v", took)
	}
}

// TestStrongSwanFindsOut kills one end for good: the other one must find out by itself, within its own time, drop its SAs and say
// why.
func TestStrongSwanFindsOut(t *testing.T) {
	t.Parallel()
	t.Run("vpngw dead", func(t *testing.T) {
		t.Parallel()
		p := newSwanPair(t, swanOptions{edit: func(_ *daemon.Config, b *swanConfig) {
			b.connection = []string{"dpd_delay = 1s"}
			b.charon = []string{"retransmit_timeout = 1", "retransmit_base = 1", "retransmit_tries = 1"}
		}})
		p.settled()
		p.a.Process.Kill()
		p.waitNoSAs(upTimeout)
		if !strings.Contains(p.b.log(), "giving up after 1 retransmits") {
			t.Error("strongSwan does not say that the peer is dead")
		}
		must(t, p.a.Start())
		must(t, p.a.WaitUp(t.Context(), upTimeout))
		p.settled()
		p.carries()
	})
	t.Run("strongSwan dead", func(t *testing.T) {
		t.Parallel()
		p := newSwanPair(t, swanOptions{waits: true, edit: func(a *daemon.Config, _ *swanConfig) {
			a.Tunnels[0].Lines = []string{"dpd: {interval: 1s, timeout: 3s}"}
		}})
		p.settled()
		p.b.process.Kill()
		p.waitDown("no answer of " + p.B.Outside4.String())
		if s := p.tunnel(); len(s.Children) > 0 {
			t.Errorf("vpngw still has %+v", s.Children)
		}
		must(t, p.b.start(t.Context()))
		must(t, p.b.initiate(t.Context()))
		p.settled()
		p.carries()
	})
}

// TestStrongSwanCookie has strongSwan demand a cookie: it does so while there is a half-open SA, which an IKE_SA_INIT request that
// nobody follows up leaves behind.
func TestStrongSwanCookie(t *testing.T) {
	t.Parallel()
	p := newSwanPair(t, swanOptions{stopped: true, edit: func(_ *daemon.Config, b *swanConfig) {
		b.charon = []string{"cookie_threshold = 1", "cookie_threshold_ip = 1"}
	}})
	request := recordInit(t, p.A, func() {
		must(t, p.a.Start())
		waitRunning(t, p.a)
		p.waitMessages(1)
		p.a.Process.Kill()
	})
	must(t, p.b.start(t.Context()))
	must(t, sendInit(p.A.Gateway, p.A.Outside4, p.B.Outside4, request))
	p.waitLog("generating IKE_SA_INIT response 0 [ SA KE No")
	must(t, p.a.Start())
	must(t, p.a.WaitUp(t.Context(), upTimeout))
	p.waitLog("generating IKE_SA_INIT response 0 [ N(COOKIE) ]")
	p.waitLog("parsed IKE_SA_INIT request 0 [ N(COOKIE) SA KE No")
	if !strings.Contains(p.b.log(), "established between") {
		t.Error("strongSwan does not say that the IKE SA is established")
	}
	p.carries()
}

// TestStrongSwanSendsCookie has vpngw demand a cookie of strongSwan: it does so while there are many half-open SAs, here from as
// many addresses.
func TestStrongSwanSendsCookie(t *testing.T) {
	t.Parallel()
	p := newSwanPair(t, swanOptions{waits: true, stopped: true})
	must(t, p.b.start(t.Context()))
	request := recordInit(t, p.B, func() {
		out, err := p.b.swanctl(t.Context(), "--initiate", "--child", swanChild, "--timeout", "1")
		if err == nil {
			t.Errorf("strongSwan reached a vpngw that does not run:\n%s", out)
		}
		_, err = p.b.swanctl(t.Context(), "--terminate", "--ike", swanConnection, "--force")
		must(t, err)
	})
	must(t, p.a.Start())
	waitBound(t, p.a)
	waitRunning(t, p.a)
	const strangers = 40
	must(t, p.A.Gateway.AddRoute(netip.MustParsePrefix("203.0.113.0/24"), p.B.Outside4))
	for i := range strangers {
		from := netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + i)})
		must(t, p.B.Gateway.AddAddress("lo", netip.PrefixFrom(from, 32)))
		// Without an answer it is not known to count: vpngw takes so many at a time.
		must(t, lab.Poll(t.Context(), upTimeout, func() error {
			return sendInit(p.B.Gateway, from, p.A.Outside4, request)
		}))
	}
	must(t, lab.Poll(t.Context(), upTimeout, func() error {
		return p.b.initiate(t.Context())
	}))
	must(t, p.a.WaitUp(t.Context(), upTimeout))
	p.waitLog("parsed IKE_SA_INIT response 0 [ N(COOKIE) ]")
	p.waitLog("generating IKE_SA_INIT request 0 [ N(COOKIE) SA KE No")
	p.carries()
}

// initiatorSPI is where an IKE message over port 4500 begins, behind the non-ESP marker.
const initiatorSPI = 4

// recordInit returns the payload of the first IKE datagram that a site's gateway sends meanwhile, an IKE_SA_INIT request.
func recordInit(t *testing.T, from lab.Site, meanwhile func()) (request []byte) {
	t.Helper()
	capture, err := from.Gateway.Capture(lab.WAN)
	must(t, err)
	meanwhile()
	must(t, capture.Frames(func(frame []byte) {
		const payload = 14 + 20 + 8
		source := from.Outside4.As4()
		if request == nil && len(frame) > payload+32 && frame[23] == unix.IPPROTO_UDP && [4]byte(frame[26:30]) == source &&
			binary.BigEndian.Uint32(frame[payload:]) == 0 {
			request = slices.Clone(frame[payload:])
		}
	}))
	if request == nil {
		t.Fatalf("%s sent no IKE message", from.Gateway.Role)
	}
	return request
}

// sendInit sends a recorded request with another initiator SPI, from another port, and waits a moment for an answer.
func sendInit(n *lab.Namespace, from, to netip.Addr, request []byte) error {
	request[initiatorSPI]++
	return n.Do(func() error {
		c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 4500)))
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write(request); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 2048))
		return err
	})
}

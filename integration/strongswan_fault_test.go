package integration

import (
	"encoding/binary"
	"errors"
	"net"
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

// TestStrongSwanKilled kills one end with SIGKILL and starts it again, with traffic of the other end all the while. Packets must
// flow again by themselves.
func TestStrongSwanKilled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		waits bool // vpngw waits for strongSwan
		kill  func(p *swanPair) error
		from  func(p *swanPair) lab.Ping // the survivor's traffic
	}{
		{"strongSwan, which vpngw initiates to", false, (*swanPair).restartSwan, (*swanPair).pingB},
		{"vpngw, which initiates", false, (*swanPair).restartVPNGW, (*swanPair).pingA},
		{"vpngw, which strongSwan initiates to", true, (*swanPair).restartVPNGW, (*swanPair).pingA},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{waits: c.waits, edit: func(a *daemon.Config, b *swanConfig) {
				a.Tunnels[0].Lines = []string{"dpd: {interval: 1s, timeout: 3s}"}
				if c.waits {
					b.connection = []string{"dpd_delay = 1s"}
					b.child = []string{"dpd_action = restart"}
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

// restartVPNGW does the same with vpngw.
func (p *swanPair) restartVPNGW() error {
	p.a.Process.Kill()
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

// TestStrongSwanCookie has strongSwan demand a cookie: it does so while there is a half-open SA, which an IKE_SA_INIT request that
// nobody follows up leaves behind.
func TestStrongSwanCookie(t *testing.T) {
	t.Parallel()
	p := newSwanPair(t, swanOptions{stopped: true, edit: func(_ *daemon.Config, b *swanConfig) {
		b.charon = []string{"cookie_threshold = 1", "cookie_threshold_ip = 1"}
	}})
	request := p.recordInit()
	must(t, p.b.start(t.Context()))
	p.sendInit(request)
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

// initiatorSPI is where an IKE message over port 4500 begins, behind the non-ESP marker.
const initiatorSPI = 4

// recordInit runs vpngw against nobody for a moment and returns the payload of its first datagram, an IKE_SA_INIT request.
func (p *swanPair) recordInit() (request []byte) {
	p.t.Helper()
	capture, err := p.A.Gateway.Capture(lab.WAN)
	must(p.t, err)
	must(p.t, p.a.Start())
	waitRunning(p.t, p.a)
	must(p.t, lab.Poll(p.t.Context(), upTimeout, func() error {
		if p.tunnel().MessagesOut == 0 {
			return errors.New("vpngw sent no IKE message")
		}
		return nil
	}))
	p.a.Process.Kill()
	must(p.t, capture.Frames(func(frame []byte) {
		const payload = 14 + 20 + 8
		source := p.A.Outside4.As4()
		if request == nil && len(frame) > payload+32 && frame[23] == unix.IPPROTO_UDP && [4]byte(frame[26:30]) == source &&
			binary.BigEndian.Uint32(frame[payload:]) == 0 {
			request = slices.Clone(frame[payload:])
		}
	}))
	if request == nil {
		p.t.Fatal("vpngw sent no IKE message")
	}
	return request
}

// sendInit sends a recorded request with another initiator SPI, from another port.
func (p *swanPair) sendInit(request []byte) {
	p.t.Helper()
	request[initiatorSPI]++
	must(p.t, p.A.Gateway.Do(func() error {
		c, err := net.Dial("udp", net.JoinHostPort(p.B.Outside4.String(), "4500"))
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write(request)
		return err
	}))
}

package integration

import (
	"fmt"
	"strings"
	"testing"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// needKernelESP skips a test where the kernel does no ESP.
func needKernelESP(t *testing.T) {
	t.Helper()
	needStrongSwan(t)
	l, err := lab.New()
	must(t, err)
	defer l.Close()
	n, err := l.Namespace("esp")
	must(t, err)
	_, err = n.Run(t.Context(), "ip", "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "1",
		"mode", "tunnel", "aead", "rfc4106(gcm(aes))", "0x"+strings.Repeat("01", 20), "128")
	if err != nil {
		t.Skipf("this kernel does no ESP; those of make kernels do: %v", err)
	}
}

// TestKernelESP has a strongSwan as the peer whose packets the kernel seals and opens: superpackets cut by it, sequence numbers of
// 64 bits, and a replay window other than that of strongSwan's user space. Child and IKE SA are rekeyed from each side under
// traffic.
func TestKernelESP(t *testing.T) {
	t.Parallel()
	needKernelESP(t)
	for _, c := range []struct {
		esp, suite      string
		waits, outside6 bool
	}{
		{"aes256gcm16-x25519-esn", "aes256gcm16/ESN", false, false},
		{"aes256gcm16-x25519", "aes256gcm16", true, false},
		{"aes128gcm16-x25519-esn", "aes128gcm16/ESN", true, true},
		{"chacha20poly1305-x25519", "chacha20poly1305", false, true},
	} {
		t.Run(fmt.Sprintf("%s, %s initiates, over %s", c.suite, choose(c.waits, "strongSwan", "vpngw"), choose(c.outside6, "IPv6", "IPv4")), func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{waits: c.waits, outside6: c.outside6, edit: func(_ *daemon.Config, b *swanConfig) {
				b.kernelESP, b.esp = true, c.esp
			}})
			first := p.settled()
			if first.Children[0].Suite != c.suite {
				t.Errorf("agreed on %s", first.Children[0].Suite)
			}
			if _, ok := p.B.Gateway.LinkIndex(swanDevice); ok {
				t.Errorf("strongSwan has a device %s: it does ESP by itself", swanDevice)
			}
			states, err := p.B.Gateway.Run(t.Context(), "ip", "xfrm", "state")
			must(t, err)
			if strings.Count(states, "encap type espinudp") != 2 {
				t.Errorf("the kernel has other SAs than one each way:\n%s", states)
			}
			p.carries()
			const size = 16 << 20
			before := status(t, p.a).Edges
			for _, s := range []struct{ from, to *lab.Site }{{&p.A, &p.B}, {&p.B, &p.A}} {
				checkStream(t, s.from.Host, s.to.Host, s.to.Host4, size)
				checkStream(t, s.from.Host, s.to.Host, s.to.Host6, size)
				checkUDP(t, s.from.Host, s.to.Host, s.to.Host4)
				if s.from == &p.A {
					// How large they are depends on the peer's speed: TCP sends for a millisecond at a time.
					if got := status(t, p.a).Edges.Sub(before).TunRead.BytesPerCall(); got <= 1500 {
						t.Errorf("TUN reads have %.0f bytes on average: no superpackets", got)
					}
				}
			}
			p.rekeyedUnderTraffic(first)
		})
	}
}

// rekeyedUnderTraffic has each side rekey the child, and the IKE SA, while packets flow.
func (p *swanPair) rekeyedUnderTraffic(before tunnelSAs) {
	p.t.Helper()
	traffic := p.startTraffic()
	for _, rekey := range []struct {
		what string
		do   func() error
		id   func(tunnelSAs) string // of what is replaced
	}{
		{"the child, by strongSwan", p.rekeyThere, childSPI},
		{"the child, by vpngw", func() error { p.vpngw("rekey", "to-b", "--socket", p.a.Socket()); return nil }, childSPI},
		{"the IKE SA, by strongSwan", func() error {
			_, err := p.b.swanctl(p.t.Context(), "--rekey", "--ike", swanConnection)
			return err
		}, ikeSPI},
		{"the IKE SA, by vpngw", func() error { p.vpngw("rekey", "to-b", "--ike", "--socket", p.a.Socket()); return nil }, ikeSPI},
	} {
		must(p.t, rekey.do())
		var after tunnelSAs
		must(p.t, lab.Poll(p.t.Context(), settleTimeout, func() error {
			if after = p.settled(); rekey.id(after) == rekey.id(before) {
				return fmt.Errorf("rekeying %s has no effect", rekey.what)
			}
			return nil
		}))
		before = after
	}
	traffic.end()
}

func childSPI(s tunnelSAs) string { return s.Children[0].SPIIn }
func ikeSPI(s tunnelSAs) string   { return s.IKE.InitiatorSPI + s.IKE.ResponderSPI }

package integration

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// nat is a router that masquerades what leaves by one of its devices.
type nat struct {
	t      *testing.T
	router *lab.Namespace
	device string
	ports  string
}

// masquerade makes the router hide those behind it, whose packets leave by device. Their ports become others, too.
func masquerade(t *testing.T, router *lab.Namespace, device string) *nat {
	t.Helper()
	n := &nat{t: t, router: router, device: device}
	n.rebind("20000-29999")
	return n
}

// rebind makes every mapping a new one, as a NAT does that was restarted.
func (n *nat) rebind(ports string) {
	n.t.Helper()
	program, err := systemProgram("nft")
	must(n.t, err)
	file := filepath.Join(n.t.TempDir(), "rules")
	must(n.t, os.WriteFile(file, []byte(fmt.Sprintf(`flush ruleset
table ip nat {
	chain post {
		type nat hook postrouting priority srcnat
		oifname %q meta l4proto udp masquerade to :%s
		oifname %q masquerade
	}
}
`, n.device, ports, n.device)), 0o600))
	_, err = n.router.Run(n.t.Context(), program, "-f", file)
	must(n.t, err)
	n.forget()
	n.ports = ports
}

// forget drops all mappings.
func (n *nat) forget() {
	n.t.Helper()
	must(n.t, n.router.Do(func() error { return netlink.ConntrackTableFlush(netlink.ConntrackTable) }))
}

// needNAT skips a test on a machine whose kernel cannot do what the test is about.
func needNAT(t *testing.T) {
	t.Helper()
	needLab(t)
	if _, err := systemProgram("nft"); err != nil {
		t.Skip("nft is not installed; apt-get install nftables")
	}
}

// from tells whether a gateway sends to the mapping that is in force.
func (n *nat) from(address string) error {
	var low, high, port uint16
	if _, err := fmt.Sscanf(n.ports, "%d-%d", &low, &high); err != nil {
		return lab.Fatal(err)
	}
	p, err := netip.ParseAddrPort(address)
	if err == nil {
		port = p.Port()
	}
	if err != nil || port < low || port > high {
		return fmt.Errorf("ESP goes to %s, expected a port of %s", address, n.ports)
	}
	return nil
}

// steps of a ping, and how many may be lost after a mapping changed: that which shows the new one, and with it those on
// their way meanwhile.
const (
	natPing = 50 * time.Millisecond
	natLost = 2
)

// TestNATBetweenVpngws has a NAT in front of one gateway whose mapping changes under traffic, from either side.
func TestNATBetweenVpngws(t *testing.T) {
	t.Parallel()
	p := newNATPair(t, nil)
	for i, c := range []struct {
		name     string
		from     *lab.Namespace
		to       netip.Addr
		allowed  int
		rebinder func(ports string)
	}{
		{"the NAT's ports change, traffic from behind it", p.A.Host, p.B.Host4, natLost, p.nat.rebind},
		{"the mapping is forgotten, traffic from behind it", p.A.Host, p.B.Host4, natLost, func(string) { p.nat.forget() }},
	} {
		ports := fmt.Sprintf("%d-%d", 31000+1000*i, 31999+1000*i)
		if r := ping(t, lab.Ping{From: c.from, To: c.to, Count: 10, Interval: natPing}); r.Received != 10 {
			t.Fatalf("%s: before: %v", c.name, r)
		}
		c.rebinder(ports)
		r := ping(t, lab.Ping{From: c.from, To: c.to, Count: 40, Interval: natPing, Wait: time.Second})
		t.Logf("%s: %v", c.name, r)
		if lost := 40 - r.Received; lost > c.allowed {
			t.Errorf("%s: %d of 40 lost, expected at most %d", c.name, lost, c.allowed)
		}
		must(t, p.nat.from(p.peerOfB()))
	}
}

// TestNATRebindsUnderDownload lets data come in from the far side of a NAT that changes the mapping meanwhile: then nothing comes
// any more, and the gateway behind the NAT has no packets to send that would show the new one.
func TestNATRebindsUnderDownload(t *testing.T) {
	t.Parallel()
	p := newNATPair(t, nil)
	const size = 256 << 20
	go func() {
		// Not before the stream is under way; an error shows in that the mapping stays.
		_ = lab.Poll(t.Context(), upTimeout, func() error {
			c, err := p.A.Gateway.Counters(lab.LAN)
			if err == nil && c.TxBytes < size/8 {
				err = fmt.Errorf("%d bytes so far", c.TxBytes)
			}
			return err
		})
		p.nat.rebind("33000-33999")
	}()
	start := time.Now()
	checkStream(t, p.B.Host, p.A.Host, p.A.Host4, size)
	took := time.Since(start)
	t.Logf("%d MiB in %v", size>>20, took)
	must(t, p.nat.from(p.peerOfB()))
	// About two seconds until the silence is noticed, and then the sender's own timeout, doubled since.
	if took > 9*time.Second {
		t.Errorf("the stream took %v", took)
	}
}

// TestNATKeepsItsMapping lets a tunnel idle for longer than the NAT remembers: only keepalives keep the way in open.
func TestNATKeepsItsMapping(t *testing.T) {
	t.Parallel()
	p := newNATPair(t, func(a, b *daemon.Config) {
		a.Tunnels[0].Lines = []string{"dpd: {interval: 1h, timeout: 2h}"}
		b.Tunnels[0].Lines = a.Tunnels[0].Lines
	})
	for _, key := range []string{"nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"} {
		must(t, p.Router.Sysctl("net.netfilter."+key, "24"))
	}
	if r := ping(t, lab.Ping{From: p.A.Host, To: p.B.Host4, Count: 2, Interval: natPing}); r.Received != 2 {
		t.Fatalf("before: %v", r)
	}
	time.Sleep(30 * time.Second)
	if r := ping(t, lab.Ping{From: p.B.Host, To: p.A.Host4, Count: 2, Interval: natPing, Wait: time.Second}); r.Received != 2 {
		t.Errorf("towards the NAT after 30 s of silence: %v", r)
	}
	if s := status(t, p.b); s.Tunnels[0].KeepalivesIn == 0 {
		t.Error("no keepalive came")
	}
}

// natPair is two gateways of ours, A behind a NAT; B waits for it.
type natPair struct {
	*pair
	nat *nat
}

func newNATPair(t *testing.T, edit func(a, b *daemon.Config)) *natPair {
	t.Helper()
	needNAT(t)
	n := &natPair{}
	n.pair = newPair(t, pairOptions{
		Options: lab.Options{Router: true},
		edit: func(a, b *daemon.Config) {
			b.Tunnels[0].Peer = ""
			if edit != nil {
				edit(a, b)
			}
		},
		before: func(p *pair) { n.nat = masquerade(t, p.Router, lab.RouterDeviceB) },
	})
	return n
}

// peerOfB is where B sends.
func (p *natPair) peerOfB() string {
	p.t.Helper()
	return status(p.t, p.b).Tunnels[0].Peer
}

// TestNATAndStrongSwan changes the mapping of a NAT between vpngw and strongSwan, each of them behind it once. vpngw follows at
// once; strongSwan, which follows IKE messages and not ESP, as soon as vpngw finds its traffic unanswered and sends one.
func TestNATAndStrongSwan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		waits bool
		bar   time.Duration // without an answer
	}{
		{"vpngw behind the NAT", false, 4 * time.Second},
		{"strongSwan behind the NAT", true, 4*natPing + time.Second/2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			needNAT(t)
			p := newSwanPair(t, swanOptions{waits: c.waits, router: true, stopped: true, edit: func(a *daemon.Config, b *swanConfig) {
				if !c.waits {
					b.remote = netip.MustParseAddr("198.51.100.1") // the router
				}
			}})
			device, from, to := lab.RouterDeviceB, p.A.Host, p.B.Host4
			if c.waits {
				device, from, to = lab.RouterDeviceA, p.B.Host, p.A.Host4
			}
			n := masquerade(t, p.Router, device)
			must(t, p.b.start(t.Context()))
			must(t, p.a.Start())
			if c.waits {
				waitBound(t, p.a)
				must(t, p.b.initiate(t.Context()))
			}
			must(t, p.a.WaitUp(t.Context(), upTimeout))
			if r := ping(t, lab.Ping{From: from, To: to, Count: 5, Interval: natPing}); r.Received != 5 {
				t.Fatalf("before: %v", r)
			}
			n.rebind("34000-34999")
			const count = 200 // ten seconds
			r := ping(t, lab.Ping{From: from, To: to, Count: count, Interval: natPing, Wait: time.Second})
			outage := time.Duration(count-r.Received) * natPing
			t.Logf("%v; without an answer for about %v", r, outage)
			if outage > c.bar {
				t.Errorf("no answer for about %v, expected at most %v", outage, c.bar)
			}
			if c.waits {
				must(t, n.from(p.tunnel().Peer))
			}
		})
	}
}

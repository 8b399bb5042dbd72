package integration

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// loadRate is what iperf3 sends each way, in Mbit/s: traffic at every moment, and little enough for a strongSwan that shares its
// processors with other tests to keep up with.
const loadRate = 20

// swanLoad is iperf3 over TCP both ways, IPv4 from A to B and IPv6 from B to A, with a count of what enters and leaves the tunnel
// at each end.
type swanLoad struct {
	p       *swanPair
	before  tunnelCount
	runs    sync.WaitGroup
	results [2]lab.IperfResult
	errs    [2]error
}

// tunnelCount is how many packets each end has put into the tunnel and taken out of it. Every packet that entered at one end left
// at the other, or was lost between.
type tunnelCount struct {
	vpngwIn, vpngwOut uint64
	swanIn, swanOut   uint64
	overflows         uint64 // packets that strongSwan was too late to read
	drops             map[string]uint64
}

func (p *swanPair) count() tunnelCount {
	p.t.Helper()
	s := status(p.t, p.a)
	device, err := p.B.Gateway.Counters(swanDevice)
	must(p.t, err)
	return tunnelCount{
		vpngwIn: s.Tunnels[0].PacketsIn, vpngwOut: s.Tunnels[0].PacketsOut,
		swanIn: device.RxPackets, swanOut: device.TxPackets,
		overflows: p.swanOverflows(), drops: s.AllDrops(),
	}
}

// startLoad starts both runs for a time.
func (p *swanPair) startLoad(seconds int) *swanLoad {
	p.t.Helper()
	needPrograms(p.t, "iperf3", "nft")
	// What the kernel itself says on strongSwan's device, such as multicast reports, would be counted as packets for the tunnel.
	_, err := p.B.Gateway.Run(p.t.Context(), "nft", "add table inet quiet; add chain inet quiet out { type filter hook output priority 0; }; "+
		"add rule inet quiet out oifname "+swanDevice+" meta l4proto ipv6-icmp drop")
	must(p.t, err)
	l := &swanLoad{p: p, before: p.count()}
	for i, r := range []lab.Iperf{
		{Client: p.A.Host, Server: p.B.Host, Address: p.B.Host4},
		{Client: p.B.Host, Server: p.A.Host, Address: p.A.Host6},
	} {
		r.Seconds, r.RateMbit = seconds, loadRate
		l.runs.Go(func() { l.results[i], l.errs[i] = r.Run(p.t.Context()) })
	}
	p.waitPackets(100)
	return l
}

// waitPackets waits until that many packets more have come in and gone out.
func (p *swanPair) waitPackets(more uint64) {
	p.t.Helper()
	start := p.tunnel()
	must(p.t, p.a.WaitStatus(p.t.Context(), upTimeout, func(s daemon.Status) error {
		if now := s.Tunnels[0]; now.PacketsIn < start.PacketsIn+more || now.PacketsOut < start.PacketsOut+more {
			return fmt.Errorf("%d packets in and %d out, expected %d of each", now.PacketsIn-start.PacketsIn, now.PacketsOut-start.PacketsOut, more)
		}
		return nil
	}))
}

// end waits for iperf3 and checks that TCP never stood still and that no packet was lost in the tunnel.
func (l *swanLoad) end() {
	p := l.p
	p.t.Helper()
	l.wait()
	// What is still on its way arrives; then nothing may be missing.
	must(p.t, lab.Poll(p.t.Context(), 3*time.Second, func() error { return p.count().conserved(l.before) }))
	l.checkDrops()
}

// checkDrops expects vpngw itself to have dropped nothing but for reasons that are excused.
func (l *swanLoad) checkDrops(excused ...string) {
	p := l.p
	p.t.Helper()
	for reason, n := range p.count().drops {
		if more := n - l.before.drops[reason]; more > 0 && !slices.Contains(kernelsOwn, reason) && !slices.Contains(excused, reason) {
			p.t.Errorf("vpngw dropped %d packets: %s", more, reason)
		}
	}
}

// kernelsOwn are the reasons for which vpngw drops what its own kernel says on its device.
var kernelsOwn = []string{"multicast", "source_policy"}

// wait waits for iperf3 and checks that TCP never stood still.
func (l *swanLoad) wait() {
	p := l.p
	p.t.Helper()
	l.runs.Wait()
	for i, r := range l.results {
		must(p.t, l.errs[i])
		p.t.Logf("iperf3 %s: %.1f Mbit/s, %d retransmissions, by the second %s", choose(i == 0, "A to B", "B to A"), 1e3*r.Gbit, r.Retransmits, mbits(r.Intervals))
		for second, rate := range r.Intervals {
			if rate == 0 {
				p.t.Errorf("TCP stood still in second %d", second)
			}
		}
	}
}

// conserved tells whether each packet that entered the tunnel since before has left it.
func (c tunnelCount) conserved(before tunnelCount) error {
	there, arrived := c.vpngwOut-before.vpngwOut, c.swanIn-before.swanIn
	back, returned := c.swanOut-before.swanOut, c.vpngwIn-before.vpngwIn
	lost := int64(there-arrived) + int64(back-returned)
	if missed := c.overflows - before.overflows; lost < 0 || lost > int64(missed) {
		return fmt.Errorf("of %d packets to strongSwan %d arrived, of %d from it %d; it was too late for %d", there, arrived, back, returned, missed)
	}
	return nil
}

func mbits(gbits []float64) string {
	text := ""
	for _, g := range gbits {
		text += fmt.Sprintf("%.0f ", 1e3*g)
	}
	return text
}

// needPrograms skips a test on a machine without some program.
func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	needLab(t, programs...)
}

// ikeHold keeps IKE messages from both gateways, not ESP: so each end can be made to ask before it hears the other one ask, or
// before it is answered.
type ikeHold struct {
	p     *swanPair
	table string // of nftables, in both gateways' namespaces
}

// holdIKE begins to keep all messages, or responses alone.
func (p *swanPair) holdIKE(responses bool) ikeHold {
	p.t.Helper()
	needPrograms(p.t, "nft")
	h := ikeHold{p, "hold_ike"}
	rule := "udp dport 4500 @th,64,32 0" // the non-ESP marker
	if responses {
		h.table = "hold_responses"
		rule += " @th,248,8 & 0x20 == 0x20" // the flags in the IKE header behind it
	}
	h.nft("add table inet %[1]s; add chain inet %[1]s in { type filter hook input priority 0; }; add rule inet %[1]s in " + rule + " counter drop")
	return h
}

func (h ikeHold) nft(commands string) (out []string) {
	h.p.t.Helper()
	for _, n := range []*lab.Namespace{h.p.A.Gateway, h.p.B.Gateway} {
		text, err := n.Run(h.p.t.Context(), "nft", fmt.Sprintf(commands, h.table))
		must(h.p.t, err)
		out = append(out, text)
	}
	return out
}

// wait waits until each end has been kept from hearing something.
func (h ikeHold) wait() {
	h.p.t.Helper()
	must(h.p.t, lab.Poll(h.p.t.Context(), upTimeout, func() error {
		for _, text := range h.nft("list table inet %s") {
			if strings.Contains(text, "packets 0 ") {
				return fmt.Errorf("nothing to hold came:\n%s", text)
			}
		}
		return nil
	}))
}

// release lets everything through that is sent from now on.
func (h ikeHold) release() {
	h.p.t.Helper()
	h.nft("delete table inet %s")
}

// rekeyHere has vpngw rekey the child SA, or with ike the IKE SA.
func (p *swanPair) rekeyHere(ike bool) {
	p.t.Helper()
	args := []string{"rekey", "to-b", "--socket", p.a.Socket()}
	if ike {
		args = append(args, "--ike")
	}
	p.vpngw(args...)
}

// rekeyIKEThere has strongSwan rekey the IKE SA.
func (p *swanPair) rekeyIKEThere() {
	p.t.Helper()
	_, err := p.b.swanctl(p.t.Context(), "--rekey", "--ike", swanConnection)
	must(p.t, err)
}

// prefixes parses several.
func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// TestStrongSwanRekey rekeys the child SA under traffic both ways, from each side, with and without a key exchange of its own.
// TCP must go on and stay intact, no ping may be lost, and in the end each side has one child.
func TestStrongSwanRekey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		esp    string   // strongSwan's
		lines  []string // of vpngw's tunnel
		rounds int      // rekeys
		there  bool     // strongSwan is told to rekey
	}{
		{"by strongSwan, with PFS", "aes256gcm16-x25519", nil, 3, true},
		{"by strongSwan, without PFS", "aes256gcm16", []string{"crypto: {pfs: false}"}, 3, true},
		{"by strongSwan, which guesses a wrong group", "aes256gcm16-x25519-ecp384", []string{"crypto: {groups: [p384]}"}, 3, true},
		// Longer than the 5 s for which the child before it stays, so that there is a time with one child.
		{"by vpngw after a time", "aes256gcm16-x25519", []string{"rekey: {time: 8s}"}, 1, false},
		{"by vpngw after some packets", "aes256gcm16-x25519", []string{"rekey: {packets: 2000}"}, 3, false},
		{"by vpngw, without PFS", "aes256gcm16", []string{"rekey: {packets: 2000}", "crypto: {pfs: false}"}, 3, false},
		{"by vpngw, which guesses a wrong group", "aes256gcm16-ecp384", []string{"rekey: {packets: 2000}"}, 3, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{edit: func(a *daemon.Config, b *swanConfig) {
				b.ike = "aes256gcm16-prfsha256-x25519-ecp384"
				b.esp, a.Tunnels[0].Lines = c.esp, c.lines
			}})
			first := p.settled()
			traffic := p.startTraffic()
			seen := map[string]bool{first.Children[0].SPIIn: true}
			for len(seen) <= c.rounds {
				if c.there {
					must(t, p.rekeyThere())
				}
				must(t, lab.Poll(t.Context(), upTimeout, func() error {
					before := len(seen)
					for _, child := range p.tunnel().Children {
						seen[child.SPIIn] = true
					}
					if len(seen) == before {
						return fmt.Errorf("no new child SA after %d", before)
					}
					return nil
				}))
			}
			p.waitLeaving()
			if c.there {
				p.settled() // under traffic, which by packets would go on rekeying
			}
			traffic.end()
			last := p.settled()
			if last.Children[0].SPIIn == first.Children[0].SPIIn {
				t.Error("the first child outlived its rekey")
			}
		})
	}
}

// waitLeaving waits until vpngw shows that it keeps a replaced child for what is still on its way.
func (p *swanPair) waitLeaving() {
	p.t.Helper()
	must(p.t, lab.Poll(p.t.Context(), 2*time.Second, func() error {
		children := p.tunnel().Children
		for _, c := range children {
			if c.Leaving && !c.Sending {
				return nil
			}
		}
		return fmt.Errorf("no child is leaving: %+v", children)
	}))
}

// rekeyThere has strongSwan rekey the child SA.
func (p *swanPair) rekeyThere() error {
	_, err := p.b.swanctl(p.t.Context(), "--rekey", "--child", swanChild)
	return err
}

// swanTraffic is TCP both ways and a ping, until it is ended.
type swanTraffic struct {
	p       *swanPair
	cancel  context.CancelFunc
	streams []chan error
	pings   chan lab.PingResult
}

// startTraffic starts TCP over IPv4 from A to B, over IPv6 from B to A, and pings from A to B.
func (p *swanPair) startTraffic() *swanTraffic {
	ctx, cancel := context.WithCancel(p.t.Context())
	p.t.Cleanup(cancel)
	f := &swanTraffic{p: p, cancel: cancel, pings: make(chan lab.PingResult, 1)}
	for _, s := range []struct {
		from, to *lab.Namespace
		address  netip.Addr
	}{{p.A.Host, p.B.Host, p.B.Host4}, {p.B.Host, p.A.Host, p.A.Host6}} {
		done := make(chan error, 1)
		f.streams = append(f.streams, done)
		go func() { done <- pacedStream(ctx, p.t, s.from, s.to, s.address) }()
	}
	go func() {
		var sum lab.PingResult
		for ctx.Err() == nil {
			// Each round runs to its end, so that no reply is given up.
			r, err := lab.Ping{From: p.A.Host, To: p.B.Host4, Count: 20, Interval: 10 * time.Millisecond}.Run(p.t.Context())
			if err != nil {
				p.t.Error(err)
				break
			}
			sum.Sent, sum.Received, sum.Duplicates = sum.Sent+r.Sent, sum.Received+r.Received, sum.Duplicates+r.Duplicates
			sum.Max = max(sum.Max, r.Max)
		}
		f.pings <- sum
	}()
	return f
}

// end stops the traffic and checks that all of it arrived.
func (f *swanTraffic) end() {
	f.p.t.Helper()
	f.cancel()
	for _, s := range f.streams {
		if err := <-s; err != nil {
			f.p.t.Error(err)
		}
	}
	r := <-f.pings
	f.p.t.Logf("meanwhile %d of %d pings came back, the slowest after %v", r.Received, r.Sent, r.Max.Round(time.Microsecond))
	overflows := f.p.swanOverflows()
	f.p.t.Logf("drops: vpngw %s, strongSwan's queues %d", daemon.FormatDrops(status(f.p.t, f.p.a).AllDrops()), overflows)
	// A strongSwan that gets no processor time overflows its queues. That is no loss of vpngw's.
	if lost := r.Sent - r.Received; uint64(lost) > overflows || lost > r.Sent/20 || r.Duplicates > 0 {
		f.p.t.Errorf("%d of %d pings lost, %d doubled", lost, r.Sent, r.Duplicates)
	}
}

// swanOverflows counts the packets that strongSwan was too late to read from its UDP socket and its TUN device.
func (p *swanPair) swanOverflows() uint64 {
	p.t.Helper()
	var counters lab.Counters
	if _, ok := p.B.Gateway.LinkIndex(swanDevice); ok { // none where the kernel does ESP
		var err error
		counters, err = p.B.Gateway.Counters(swanDevice)
		must(p.t, err)
	}
	text, err := p.B.Gateway.Run(p.t.Context(), "cat", "/proc/net/snmp")
	must(p.t, err)
	var names []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "Udp:") {
			continue
		}
		fields := strings.Fields(line)
		if names == nil {
			names = fields
			continue
		}
		errs, err := strconv.ParseUint(fields[slices.Index(names, "RcvbufErrors")], 10, 64)
		must(p.t, err)
		return errs + counters.TxDropped
	}
	p.t.Fatalf("/proc/net/snmp shows no UDP counters:\n%s", text)
	return 0
}

// pacedStream sends random bytes over TCP until the context ends, waits until they have arrived, and compares the sums.
func pacedStream(ctx context.Context, t *testing.T, from, to *lab.Namespace, address netip.Addr) error {
	finish, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	in, out := sha256.New(), sha256.New()
	src := &pacedReader{ctx: ctx, random: randomReader(7)}
	n, d, err := lab.Stream(finish, from, to, address, io.TeeReader(src, in), out)
	if err == nil && (n != src.given || n == 0 || !bytes.Equal(in.Sum(nil), out.Sum(nil))) {
		err = fmt.Errorf("TCP to %s: %d of %d bytes arrived, or changed ones", address, n, src.given)
	}
	t.Logf("meanwhile TCP %s to %s: %d bytes in %v", from.Role, address, n, d.Round(time.Millisecond))
	return err
}

// pacedReader gives some megabytes a second until its context ends.
type pacedReader struct {
	ctx    context.Context
	random io.Reader
	given  int64
}

func (r *pacedReader) Read(b []byte) (int, error) {
	select {
	case <-r.ctx.Done():
		return 0, io.EOF
	case <-time.After(5 * time.Millisecond):
	}
	n, err := r.random.Read(b[:min(len(b), 16<<10)])
	r.given += int64(n)
	return n, err
}

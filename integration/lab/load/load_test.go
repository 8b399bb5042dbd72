package load

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
)

// twoHosts are two namespaces on one wire, with what the second is called by.
func twoHosts(t *testing.T) (a, b *lab.Namespace, address netip.Addr) {
	t.Helper()
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	l, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	a, errA := l.Namespace("a")
	b, errB := l.Namespace("b")
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	address = netip.MustParseAddr("192.0.2.2")
	err = l.Wire(lab.End{Namespace: a, Device: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/30")}},
		lab.End{Namespace: b, Device: "eth0", Addresses: []netip.Prefix{netip.PrefixFrom(address, 30)}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a, b, address
}

// A flow that is cut off for a while shows it by a gap and timeouts, and the probe and the flood beside it by what is lost.
func TestLoad(t *testing.T) {
	t.Parallel()
	a, b, address := twoHosts(t)
	const blackout = 700 * time.Millisecond
	l := Load{
		Flows:    []Flow{{From: a, To: b, Address: address, Congestion: "cubic", Tunnel: 2}},
		Probes:   []Probe{{From: a, To: b, Address: address}},
		Floods:   []Flood{{From: a, To: b, Address: address, Rate: 8e6, Tunnel: 3}},
		Events:   []Event{{At: 500 * time.Millisecond, Do: func() error { return blackOut(t.Context(), a, blackout) }}},
		Duration: 3 * time.Second,
	}
	r, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := r.Flows[0]
	t.Logf("gap %v at %v, %d RTOs, back-off %d, %d resent; probe %d lost of %d; flood %d of %d", f.LongestGap, f.GapAt, f.RTOs, f.Backoff, f.Retransmits,
		r.Probes[0].Lost, r.Probes[0].Sent, r.Floods[0].Received[len(r.Floods[0].Received)-1], r.Floods[0].Sent)
	if f.LongestGap < blackout || f.RTOs == 0 || f.Retransmits == 0 || f.Tunnel != 2 {
		t.Errorf("a blackout of %v left no trace: %+v", blackout, f)
	}
	if n := len(r.Times); n < 15 || len(f.Received) != n || len(f.Acked) != n || len(f.RTT) != n || len(r.Floods[0].Received) != n {
		t.Errorf("%d times, %d received, %d acked, %d round trips, %d of the flood", n, len(f.Received), len(f.Acked), len(f.RTT), len(r.Floods[0].Received))
	}
	if last := f.Received[len(f.Received)-1]; last < 1<<20 {
		t.Errorf("%d bytes received", last)
	}
	p := r.Probes[0]
	if p.Sent < 300 || p.Lost < 50 || p.Lost == p.Sent || len(p.Delays) != p.Sent-p.Lost || len(p.At) != len(p.Delays) {
		t.Errorf("probe: %d sent, %d lost, %d delays", p.Sent, p.Lost, len(p.Delays))
	}
	for _, d := range p.Delays {
		if d <= 0 || d > l.Duration {
			t.Errorf("a delay of %v", d)
			break
		}
	}
	if got := r.Floods[0]; got.Sent < 1<<20 || got.Received[len(got.Received)-1] < 1<<18 || got.Tunnel != 3 {
		t.Errorf("flood: %+v", got)
	}
}

// blackOut lets next to nothing leave a namespace for a while.
func blackOut(ctx context.Context, n *lab.Namespace, d time.Duration) error {
	if err := n.ByteQueue(ctx, "eth0", 8000, 1600); err != nil {
		return err
	}
	time.Sleep(d)
	return n.Unlimited(ctx, "eth0")
}

func TestLoadInterrupted(t *testing.T) {
	t.Parallel()
	a, b, address := twoHosts(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	l := Load{
		Flows:    []Flow{{From: a, To: b, Address: address}},
		Probes:   []Probe{{From: a, To: b, Address: address}},
		Floods:   []Flood{{From: a, To: b, Address: address, Rate: 1e6}},
		Duration: time.Hour,
	}
	if _, err := l.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestUnknownCongestionControl(t *testing.T) {
	t.Parallel()
	a, b, address := twoHosts(t)
	_, err := Load{Flows: []Flow{{From: a, To: b, Address: address, Congestion: "telepathy"}}}.Run(t.Context())
	if !errors.Is(err, unix.ENOENT) {
		t.Errorf("error %v, want one that is ENOENT", err)
	}
}

func TestCheckCongestion(t *testing.T) {
	if err := CheckCongestion("cubic"); err != nil {
		t.Error(err)
	}
	if err := CheckCongestion("telepathy"); !errors.Is(err, ErrNoCongestion) {
		t.Errorf("error %v", err)
	}
}

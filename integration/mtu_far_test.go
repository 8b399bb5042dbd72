package integration

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
	"vpngw/integration/lab/relay"
)

var farRounds = flag.Int("far-rounds", 1, "how often TestWireMTUChangesFarAway shrinks and widens each wire")

// TestWireMTUChangesFarAway shrinks a long wire under TCP both ways, and widens it again. Nothing tells of what is lost: there is
// no ICMP, and no fragments of IP get through either.
func TestWireMTUChangesFarAway(t *testing.T) {
	t.Parallel()
	for _, trip := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond} {
		t.Run(fmt.Sprint("round trip ", trip), func(t *testing.T) {
			t.Parallel()
			f := newFar(t, trip)
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 1))
			var stood []time.Duration
			for round := range *farRounds {
				t.Run(fmt.Sprint("round ", round+1), func(t *testing.T) {
					stood = append(stood, f.round(t, random)...)
				})
			}
			slices.Sort(stood)
			if len(stood) > 0 {
				t.Logf("TCP stood still for %v in the median, %v at worst, of %d connections", stood[len(stood)/2], stood[len(stood)-1], len(stood))
			}
		})
	}
}

// far is a pair of sites with a long wire between.
type far struct {
	*pair
	wire *relay.Relay
	trip time.Duration
}

func newFar(t *testing.T, trip time.Duration) *far {
	f := &far{trip: trip}
	f.pair = newPair(t, pairOptions{Options: lab.Options{Router: true},
		peers: func(p *pair) (addressA, addressB string) { return p.B.Next4.String(), p.A.Next4.String() },
		before: func(p *pair) {
			must(t, p.Router.Do(func() (err error) {
				f.wire, err = relay.Listen(netip.AddrPortFrom(p.A.Next4, 4500), netip.AddrPortFrom(p.B.Next4, 4500), relay.Options{
					AToB: f.profile(wideWire), BToA: f.profile(wideWire),
					PeerA: netip.AddrPortFrom(p.A.Outside4, 4500), PeerB: netip.AddrPortFrom(p.B.Outside4, 4500)})
				return err
			}))
			t.Cleanup(f.wire.Close)
		}})
	return f
}

func (f *far) profile(mtu int) relay.Profile { return relay.Profile{Delay: f.trip / 2, MTU: mtu} }

func (f *far) setWire(mtu int) { f.wire.SetProfiles(f.profile(mtu), f.profile(mtu)) }

// round shrinks the wire at any moment of the rhythm of probes, and widens it when the smaller size is found. It returns how long
// connections stood still.
func (f *far) round(t *testing.T, random *rand.Rand) (stood []time.Duration) {
	for _, g := range []*daemon.Gateway{f.a, f.b} {
		waitMTU(t, g, wideWire, 10*time.Second)
	}
	for _, h := range []*lab.Namespace{f.A.Host, f.B.Host} { // which remember what they were told
		_, err := h.Run(t.Context(), "ip", "route", "flush", "cache")
		must(t, err)
	}
	out := startPulse(t, f.A.Host, f.B.Host, f.B.Host4)
	back := startPulse(t, f.B.Host, f.A.Host, f.A.Host4)
	time.Sleep(3*time.Second + time.Duration(random.Int64N(int64(500*time.Millisecond))))
	out.longestGap(t)
	back.longestGap(t)
	check := func(what string, took time.Duration) {
		a, b := out.longestGap(t), back.longestGap(t)
		t.Logf("%s: TCP stood still for %v and %v, MTU found after %v", what, a, b, took)
		if a > resumeLimit || b > resumeLimit {
			t.Errorf("%s: TCP stood still for %v and %v", what, a, b)
		}
		stood = append(stood, a, b)
	}
	f.setWire(narrowWire)
	found := max(waitMTU(t, f.a, narrowWire, 20*time.Second), waitMTU(t, f.b, narrowWire, 20*time.Second))
	time.Sleep(2 * time.Second)
	check("narrower", found)
	shrunk := stood
	f.setWire(wideWire)
	check("wider", max(waitMTU(t, f.a, wideWire, 90*time.Second), waitMTU(t, f.b, wideWire, 90*time.Second)))
	return shrunk
}

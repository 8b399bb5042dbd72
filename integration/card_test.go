package integration

import (
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// Two network cards on one wire which these tests may take away from the machine. The first can do LRO.
var (
	lroCard = flag.String("lro.card", "", "a network `card` with LRO that nobody needs")
	lroPeer = flag.String("lro.peer", "", "another `card`, on the same wire")
)

// needCards skips a test where it has no cards.
func needCards(t *testing.T) {
	t.Helper()
	needLab(t, "ethtool")
	if *lroCard == "" || *lroPeer == "" {
		t.Skip("no cards are given (-lro.card, -lro.peer); make kernels has some")
	}
}

// useCards puts the cards in the place of a wire until the test ends.
func useCards(t *testing.T, p *pair, r rewire) {
	t.Helper()
	r.by(t, p, func(near, far lab.End) error {
		for card, end := range map[string]lab.End{*lroCard: near, *lroPeer: far} {
			giveBack, err := end.Namespace.Take(card, end.Device)
			if err != nil {
				return err
			}
			t.Cleanup(func() {
				if err := giveBack(); err != nil {
					t.Error(err)
				}
			})
		}
		return nil
	})
}

const lroFeature = "rx-lro"

// lroOf tells whether LRO of gateway A's device is in force.
func lroOf(t *testing.T, p *pair, device string) bool {
	t.Helper()
	features, err := p.A.Gateway.Features(device)
	must(t, err)
	return features[lroFeature]
}

// TestCardLRO has a card with LRO as LAN and as uplink of a gateway. The kernel has switched it off, as the machine forwards.
// Switched on again, it is found and explained, and gone after the printed command, and after --fix. Packets come through
// before and after.
func TestCardLRO(t *testing.T) {
	needCards(t)
	for n, name := range []string{"LAN", "uplink"} {
		t.Run(name, func(t *testing.T) {
			var r rewire
			p := newPair(t, pairOptions{before: func(p *pair) {
				r = p.rewires()[n]
				useCards(t, p, r)
				wellKept(t, p)
			}})
			device := r.near.Device
			carries := func() {
				t.Helper()
				checkPing(t, p.A.Host, p.B.Host4)
				checkStream(t, p.A.Host, p.B.Host, p.B.Host4, 1<<20)
				checkStream(t, p.B.Host, p.A.Host, p.A.Host6, 1<<20)
			}
			if lroOf(t, p, device) {
				t.Error("LRO is on, although the machine forwards")
			}
			carries()
			plant := func() error { return p.A.Gateway.Feature(device, lroFeature, true) }
			fault{"lro", "error", device, "wrong checksums", plant, func() error { return nil }}.check(t, p)
			if lroOf(t, p, device) {
				t.Error("LRO is on after the printed command")
			}
			must(t, plant())
			if d := doctor(t, p.a, "--fix"); !d.Healthy || len(d.Fixed) != 1 || d.Fixed[0].ID != "lro" || lroOf(t, p, device) {
				t.Errorf("--fix: %+v, LRO on: %t", d, lroOf(t, p, device))
			}
			carries()
		})
	}
}

// TestCardLROManaged has the gateway itself look after a card's LRO.
func TestCardLROManaged(t *testing.T) {
	needCards(t)
	for _, manage := range []string{"warn", "fix"} {
		t.Run(manage, func(t *testing.T) {
			p := newPair(t, pairOptions{
				edit: func(a, _ *daemon.Config) { a.Gateway = append(a.Gateway, "offload: {manage: "+manage+"}") },
				before: func(p *pair) {
					useCards(t, p, p.lan())
					wellKept(t, p)
					must(t, p.A.Gateway.Feature(lab.LAN, lroFeature, true))
				}})
			logged := func(text string, times int) {
				t.Helper()
				must(t, lab.Poll(t.Context(), 30*time.Second, func() error {
					if n := strings.Count(p.a.Process.Stderr(), text); n != times {
						return fmt.Errorf("%q is in the log %d times, expected %d:\n%s", text, n, times, p.a.Process.Tail(10))
					}
					return nil
				}))
			}
			const found, mended = `msg="LRO is on"`, "mended until the gateway ends"
			if manage == "warn" {
				logged(found, 1)
				// Another change makes it look again; what it has found before is not news.
				must(t, p.A.Gateway.Feature(lab.LAN, "rx-gro-list", true))
				logged(`msg="rx-gro-list is on"`, 1)
				logged(found, 1)
				if !lroOf(t, p, lab.LAN) {
					t.Error("it was to warn only")
				}
				must(t, p.A.Gateway.Feature(lab.LAN, "rx-gro-list", false)) // the card has other uses
				return
			}
			logged(mended, 1)
			if lroOf(t, p, lab.LAN) {
				t.Error("it is not mended")
			}
			must(t, p.A.Gateway.Feature(lab.LAN, lroFeature, true)) // by another program
			logged(mended, 2)
			if lroOf(t, p, lab.LAN) {
				t.Error("it is not mended again")
			}
			p.a.Process.Signal(syscall.SIGTERM)
			<-p.a.Process.Done()
			if code := p.a.Process.ExitCode(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			logged("taken back", 1)
		})
	}
}

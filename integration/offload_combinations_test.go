package integration

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// everyOffload makes the test below take all combinations instead of a selection.
var everyOffload = flag.Bool("offload.all", false, "run every combination of offload switches at each end")

// offloadSwitches are the keys of gateway.offload.
var offloadSwitches = []string{"checksum", "tso", "uso", "coalesce", "udp_segment", "udp_gro", "peer_checksum"}

// switchedOff is the lines of a tunnel file in which the switches of the set are off.
func switchedOff(set uint) []string {
	var off []string
	for i, s := range offloadSwitches {
		if set>>i&1 == 1 {
			off = append(off, s+": false")
		}
	}
	return switches(strings.Join(off, ", "))
}

// combination is the switches that are off at gateways A and B.
type combination struct{ a, b uint }

func (c combination) String() string {
	name := func(set uint) string {
		if lines := switchedOff(set); len(lines) > 0 {
			return strings.NewReplacer("offload: ", "", ": false", "").Replace(lines[0])
		}
		return "{}"
	}
	return "off at A " + name(c.a) + ", at B " + name(c.b)
}

// combinations lists what is run: the first has everything on. A selection has every combination of any three switches of both
// ends; all of them are all those of one end, with everything on, and then everything off, at the other.
func combinations(all bool) (list []combination) {
	n := len(offloadSwitches)
	mask := uint(1)<<n - 1
	if !all {
		for _, row := range covering(2 * n) {
			list = append(list, combination{row & mask, row >> n})
		}
		return list
	}
	for set := range mask + 1 {
		list = append(list, combination{set, 0}, combination{0, set}, combination{set, mask}, combination{mask, set})
	}
	return slices.Compact(list)
}

// offloadLabs is in how many labs combinations are run side by side: mostly they wait.
const offloadLabs = 3

// TestOffloadCombinations sends the same traffic both ways under combinations of the offload switches at both ends. What
// applications get is what was sent, and the packets that arrive are the same under each.
func TestOffloadCombinations(t *testing.T) {
	t.Parallel()
	needLab(t)
	list := combinations(*everyOffload)
	for i := range offloadLabs {
		t.Run(fmt.Sprint("lab ", i+1), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, pairOptions{before: func(p *pair) {
				// Host B is given single packets, complete with their checksums; host A what gateway A writes.
				must(t, p.B.Gateway.Feature(lab.LAN, "tx-checksum-ip-generic", false))
			}})
			p.waitInner(wideInner)
			reference := trafficOf(t, p, wideInner)
			for n := i + 1; n < len(list); n += offloadLabs {
				c := list[n]
				p.restart(switchedOff(c.a), switchedOff(c.b))
				p.waitInner(wideInner)
				compareArrivals(t, c.String(), reference, trafficOf(t, p, wideInner))
				if t.Failed() {
					t.Fatalf("%s", c)
				}
			}
		})
	}
}

// waitInner waits until both gateways know that their path takes inner packets of so many bytes. Until then longer ones go in
// fragments, which are no part of their flow and may overtake it.
func (p *pair) waitInner(bytes int) {
	p.t.Helper()
	for _, g := range []*daemon.Gateway{p.a, p.b} {
		must(p.t, g.WaitStatus(p.t.Context(), upTimeout, func(s daemon.Status) error {
			if got := s.Tunnels[0].MTU.Inner; got != bytes {
				return fmt.Errorf("the tunnel carries packets of %d bytes, expected %d", got, bytes)
			}
			return nil
		}))
	}
}

// restart runs both gateways again with other lines in their tunnel files.
func (p *pair) restart(a, b []string) {
	p.t.Helper()
	p.configA.Gateway, p.configB.Gateway = a, b
	must(p.t, p.a.Configure(p.configA))
	must(p.t, p.b.Configure(p.configB))
	for _, g := range []*daemon.Gateway{p.a, p.b} {
		if code := g.Stop(stopGrace); code != 0 {
			p.t.Errorf("gateway %s ended with exit code %d", g.Namespace.Role, code)
		}
		must(p.t, g.Start())
	}
	p.waitUp()
}

package integration

import (
	"testing"

	"vpngw/integration/lab"
)

// TestUnderlays sends the traffic of the offload tests over wires of all kinds, with the offloads that the kernel grants there.
func TestUnderlays(t *testing.T) {
	const tag = 100
	for _, c := range []struct {
		name     string
		options  lab.Options
		outside6 bool
		inner    int // bytes of the largest inner packet
	}{
		{"like a network card", lab.Options{NICLike: true}, false, wideInner},
		{"IPv6 outside, like a network card", lab.Options{NICLike: true}, true, wideInner - 20},
		{"MTU 1280", lab.Options{MTU: 1280}, false, safeInner},
		{"MTU 9000", lab.Options{MTU: 9000, LANMTU: 9000}, false, 9000 - 1500 + wideInner},
		{"MTU 9000 outside alone, IPv6", lab.Options{MTU: 9000}, true, 9000 - 1500 + wideInner - 20},
		{"VLAN", lab.Options{VLAN: tag}, false, wideInner},
		{"VLAN, like a network card", lab.Options{VLAN: tag, NICLike: true}, false, wideInner},
		{"VLAN, IPv6 outside, by a router", lab.Options{VLAN: tag, Router: true}, true, wideInner - 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, pairOptions{Options: c.options, outside6: c.outside6, before: func(p *pair) {
				must(t, p.B.Gateway.Feature(lab.LAN, "tx-checksum-ip-generic", false)) // host B is given single packets
			}})
			p.waitInner(c.inner)
			inner := c.inner
			if c.options.LANMTU == 0 {
				inner = min(inner, 1500)
			}
			trafficOf(t, p, inner)
		})
	}
}

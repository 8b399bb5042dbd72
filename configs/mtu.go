package configs

import (
	"fmt"
	"net/netip"
	"slices"
)

// ipv6Minimum is the least MTU of a link that carries IPv6 (RFC 8200 §5), in bytes.
const ipv6Minimum = 1280

// checkMTU wants a TUN device with a given MTU to be able to carry what goes through it.
func (a *assembly) checkMTU(g *Gateway, gateway scope) {
	e := gateway.entry("mtu")
	if e == nil || g.MTU == 0 || g.MTU >= ipv6Minimum {
		return
	}
	is6 := func(item *entry) bool { return item.value.(netip.Prefix).Addr().Is6() }
	for _, t := range a.tunnels {
		if remote := t.scope.entry("remote_subnets"); remote != nil {
			if n := slices.IndexFunc(remote.items, is6); n >= 0 {
				a.tooNarrow(e, g.MTU, "that has "+remote.items[n].node.Value+" of tunnel "+t.Name+" behind it", remote.items[n])
				return
			}
		}
	}
	if own := gateway.entry("addresses"); own != nil {
		if n := slices.IndexFunc(own.items, is6); n >= 0 {
			a.tooNarrow(e, g.MTU, "that has the address "+own.items[n].node.Value, own.items[n])
		}
	}
}

func (a *assembly) tooNarrow(e *entry, mtu int, which string, because *entry) {
	a.problem(e, fmt.Sprintf("%d is too little for IPv6 on a device %s, in line %d", mtu, which, because.node.Line),
		fmt.Sprintf("the kernel takes IPv6 off a device with an MTU below %d: give at least that, or leave mtu out, and packets are made to fit the path", ipv6Minimum))
}

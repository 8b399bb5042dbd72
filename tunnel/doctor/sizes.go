package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"vpngw/tunnel/mtu"
)

// innerMTU is the longest inner packet that crosses each path to a peer in one datagram, as
// routes and links say; 0: no path is known.
func innerMTU(f *Facts) int {
	least := 0
	for _, p := range f.Paths {
		if n := mtu.Inner(p.MTU, p.Address); least == 0 || n < least {
			least = n
		}
	}
	return least
}

// sizes looks at the MTUs on the way.
func sizes(f *Facts) []Finding {
	var tun *Interface
	for n := range f.Interfaces {
		if f.Interfaces[n].Is(TUN) {
			tun = &f.Interfaces[n]
		}
	}
	inner := f.MTU // of the TUN device, or what it will be
	if tun != nil {
		inner = tun.MTU
	}
	narrow := innerMTU(f)
	six := slices.ContainsFunc(f.Local, func(p netip.Prefix) bool { return p.Addr().Is6() })
	most := narrow
	if six && narrow != 0 {
		most = max(narrow, ipv6MinimumMTU) // so that the device has IPv6 at all
	}
	var all []Finding
	if tun != nil && most != 0 && inner > most {
		x := Finding{
			ID: "mtu-tun", Severity: Error, Interface: tun.Name,
			What: fmt.Sprintf("MTU is %d, but only %d fits into one datagram to every peer", inner, most),
			Why:  "Sealed packets are longer than the link takes: they are dropped, and senders that trust the MTU hang.",
		}.mend(link(tun, "mtu", inner, most), f.MTU == 0)
		if f.MTU == inner {
			x.Advice = fmt.Sprintf("Also take gateway.mtu out of the tunnel file, or set it to %d.", most)
		}
		all = append(all, x)
	}
	for _, p := range f.Paths {
		all = append(all, path(f, p, inner)...)
	}
	if tun == nil || !six {
		return all
	}
	x := Finding{
		ID: "mtu-ipv6", Severity: Error, Interface: tun.Name,
		Advice: "The way to some peer is too narrow: see its MTU, or carry only IPv4.",
	}
	switch {
	case inner < ipv6MinimumMTU:
		x.What = fmt.Sprintf("MTU is %d, IPv6 needs %d", inner, ipv6MinimumMTU)
		x.Why = "The kernel takes IPv6 off a device with a smaller MTU: the IPv6 subnets are not reached."
		if f.MTU == inner {
			x.Advice = "Take gateway.mtu out of the tunnel file, or carry only IPv4."
		}
	case narrow != 0 && narrow < ipv6MinimumMTU:
		x.What = fmt.Sprintf("only %d bytes fit into one datagram to some peer, IPv6 needs %d", narrow, ipv6MinimumMTU)
		x.Why = "IPv6 hosts need not send shorter packets: TCP is made to fit, what else is longer is lost."
	default:
		return all
	}
	return append(all, x)
}

// path looks at what echo requests found on the way to a peer.
func path(f *Facts, p Path, inner int) []Finding {
	e := &p.Echo
	if !e.Answered || e.Fits >= p.MTU || e.Fits <= shortestAnswers {
		return nil
	}
	fits := mtu.Inner(e.Fits, p.Address)
	if inner != 0 && inner <= fits {
		return nil // the tunnels keep within it already
	}
	x := Finding{
		ID: "mtu-path", Severity: Error, Interface: p.Link,
		What: fmt.Sprintf("the path to %v (tunnel %s) takes packets of %d bytes, its route says %d", p.Address, p.Tunnel, e.Fits, p.MTU),
		Why:  "Longer outer packets are dropped on the way, and nobody says so: small packets pass, large ones vanish.",
	}
	if e.Said != 0 {
		x.Why = "Longer outer packets are dropped on the way. A router says so, which the gateway does not trust by itself, since anybody can forge it."
	}
	family, bits := "", 32
	if p.Address.Is6() {
		family, bits = "-6 ", 128
	}
	via := ""
	if p.Via.IsValid() {
		via = fmt.Sprintf(" via %v", p.Via)
	}
	x.Command = fmt.Sprintf("ip %sroute replace %v/%d%s dev %s mtu %d", family, p.Address, bits, via, p.Link, e.Fits)
	x.Undo = fmt.Sprintf("ip %sroute del %v/%d%s dev %s mtu %d", family, p.Address, bits, via, p.Link, e.Fits)
	x.Advice = fmt.Sprintf("The gateway follows the route: the TUN device gets MTU %d.", fits)
	if f.MTU != 0 {
		x.Advice = fmt.Sprintf("Also set gateway.mtu in the tunnel file to %d or less.", fits)
	}
	return []Finding{x}
}

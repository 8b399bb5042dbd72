package doctor

import (
	"fmt"
	"net/netip"
	"strings"
)

// forwarding looks at whether the machine is a router where it has to be.
func forwarding(f *Facts) []Finding {
	var all []Finding
	missing := func(key, iface, family string) {
		what := family + " forwarding is off"
		if iface != "" {
			what = fmt.Sprintf("%s forwarding is off on %s", family, iface)
		}
		all = append(all, Finding{
			ID: "forwarding", Severity: Error, Interface: iface, What: what,
			Why: "Packets between the hosts and the tunnels are dropped; only this machine itself can use the tunnels.",
			// It makes a router of the machine between all of its interfaces.
		}.mend(sysctl(key, 0, 1), false))
	}
	need4, need6 := needsRouter(f.Local)
	if need6 && !f.Forwarding6 {
		missing("net.ipv6.conf.all.forwarding", "", "IPv6")
	}
	if !need4 {
		return all
	}
	if !f.Forwarding4 {
		missing("net.ipv4.ip_forward", "", "IPv4")
		return all
	}
	for n := range f.Interfaces {
		i := &f.Interfaces[n]
		if !i.ForwardsIPv4 && i.Under == "" && (i.Is(TUN) || i.Is(LAN)) {
			missing("net.ipv4.conf."+dotted(i.Name)+".forwarding", i.Name, "IPv4")
		}
	}
	return all
}

// needsRouter tells for IPv4 and IPv6 whether hosts are behind the gateway.
func needsRouter(local []netip.Prefix) (ipv4, ipv6 bool) {
	for _, p := range local {
		if !p.IsSingleIP() {
			ipv4, ipv6 = ipv4 || p.Addr().Is4(), ipv6 || p.Addr().Is6()
		}
	}
	return ipv4, ipv6
}

// dotted writes an interface's name as a part of a sysctl's.
func dotted(name string) string { return strings.ReplaceAll(name, ".", "/") }

// reversePath looks at strict filters that drop what is legitimate.
func reversePath(f *Facts) []Finding {
	const strict, loose = 1, 2
	var all []Finding
	for n := range f.Interfaces {
		i := &f.Interfaces[n]
		if !i.Is(TUN) || i.ReversePath != strict {
			continue
		}
		for _, r := range f.Returns {
			if r.Link == i.Name {
				continue
			}
			way := "no route leads back there"
			if r.Link != "" {
				way = "the route back leads to " + r.Link
			}
			all = append(all, Finding{
				ID: "rp-filter", Severity: Error, Interface: i.Name,
				What: fmt.Sprintf("rp_filter is strict, but for %v %s", r.Subnet, way),
				Why:  "The kernel drops what comes from there out of the tunnel. The gateway has checked the sources already, against the tunnel's subnets.",
			}.mend(sysctl("net.ipv4.conf."+dotted(i.Name)+".rp_filter", strict, loose), true))
		}
	}
	return append(all, reverseUplinks(f)...)
}

// reverseUplinks looks at peers that could come in by another way than we go out. Loosening
// the filter there is for people to decide.
func reverseUplinks(f *Facts) []Finding {
	var all []Finding
	for _, p := range f.Paths {
		for _, other := range p.StrictAlso {
			all = append(all, Finding{
				ID: "rp-filter", Severity: Warning, Interface: other,
				What: fmt.Sprintf("rp_filter is strict, and packets of peer %v may come in here: a route to it leads out here, the best one by %s", p.Address, p.Link),
				Why:  "What the peer sends by this way is dropped.",
			}.mend(sysctl("net.ipv4.conf."+dotted(other)+".rp_filter", 1, 2), false))
		}
	}
	return all
}

// largestBuffer is as much as the kernel gives, which counts it twice in 31 bits.
const largestBuffer = 1<<30 - 1

// buffers looks at sockets that got less than they asked for.
func buffers(f *Facts) []Finding {
	var all []Finding
	for _, b := range []struct {
		what, key   string
		want, got   int
		consequence string
	}{
		{"receive", "net.core.rmem_max", f.Receive, f.Buffers.Receive, "Bursts overflow it: datagrams are lost before the gateway reads them."},
		{"send", "net.core.wmem_max", f.Send, f.Buffers.Send, "It fills and empties too often: the gateway sends in smaller portions."},
	} {
		b.want = min(b.want, largestBuffer)
		if b.got == 0 || b.got >= b.want {
			continue
		}
		all = append(all, Finding{
			ID: b.what + "-buffer", Severity: Warning,
			What: fmt.Sprintf("sockets get a %s buffer of %d bytes, not the %d of the tunnel file", b.what, b.got, b.want),
			Why:  b.consequence + " Without CAP_NET_ADMIN the system's limit holds, which is too small.",
		}.mend(sysctl(b.key, b.got, b.want), false))
	}
	return all
}

// port looks at what netfilter does with the tunnels' own packets.
func port(f *Facts) []Finding {
	table := fmt.Sprintf("vpngw_port_%d", f.Port)
	untrack := fmt.Sprintf("nft 'table inet %s { chain in { type filter hook prerouting priority raw; udp dport %d notrack; }; chain out { type filter hook output priority raw; udp sport %d notrack; }; }'",
		table, f.Port, f.Port)
	var all []Finding
	for _, p := range f.PortUses {
		x := Finding{Command: untrack, Undo: "nft delete table inet " + table,
			Advice: "Where the firewall accepts the port only by `ct state established`, let it accept UDP port " + fmt.Sprint(f.Port) + " by itself first."}
		switch {
		case p.Refused:
			all = append(all, Finding{
				ID: "firewall", Severity: Error,
				What:   fmt.Sprintf("this machine's firewall does not let UDP port %d out to %v (tunnel %s)", f.Port, p.Address, p.Tunnel),
				Why:    "Nothing reaches the peer.",
				Advice: "Let it out: see `nft list ruleset`.",
			})
		case p.NAT != "":
			x.ID, x.Severity = "nat", Warning
			x.What = fmt.Sprintf("this machine translates the tunnel's packets to %v (tunnel %s): %s", p.Address, p.Tunnel, p.NAT)
			x.Why = "The peer sees another address or port, which changes whenever the entry does, and cannot reach us by itself. Every packet is looked up twice."
			all = append(all, x)
		case p.Tracked:
			x.ID, x.Severity = "conntrack", Warning
			x.What = fmt.Sprintf("connection tracking follows the tunnel's packets to %v (tunnel %s)", p.Address, p.Tunnel)
			x.Why = "Each packet is looked up, and when the table is full, new entries are dropped: with a flood of inner connections the tunnel itself."
			all = append(all, x)
		}
	}
	return all
}

// kernel looks at what the self-test found.
func kernel(f *Facts) []Finding {
	t, w := &f.Test, &f.Offload
	var all []Finding
	if t.UDP && (w.UDPSegment && !t.UDPSegment || w.UDPGRO && !t.UDPGRO) {
		all = append(all, Finding{
			ID: "kernel-udp", Severity: Warning,
			What:   "this kernel does not carry trains of datagrams as it should: " + t.UDPWhy,
			Why:    "The gateway tries the same at its start and goes without: slower, but nothing is lost.",
			Advice: "Use another kernel.",
		})
	}
	for _, fault := range t.TUNFaults {
		all = append(all, Finding{
			ID: "kernel-tun", Severity: Error,
			What:   "this kernel damages superpackets on TUN devices: " + fault,
			Why:    "Inner packets arrive damaged, or not at all.",
			Advice: "Switch the offload off in the tunnel file (gateway.offload), or use another kernel.",
		})
	}
	return all
}

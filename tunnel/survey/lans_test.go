//go:build linux

package survey

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestLANs lays routes of all kinds to local subnets in a namespace of its own.
func TestLANs(t *testing.T) {
	inNamespace(t, func() {
		network := func(p string) *net.IPNet {
			n := netip.MustParsePrefix(p)
			return &net.IPNet{IP: n.Addr().AsSlice(), Mask: net.CIDRMask(n.Bits(), n.Addr().BitLen())}
		}
		index := map[string]int{}
		for _, l := range []struct{ name, peer, v4, v6 string }{
			{"lan1", "peer1", "10.1.0.1/24", "fd00:1::1/64"}, {"lan2", "peer2", "10.2.0.1/16", "fd00:2::1/64"},
		} {
			veth := netlink.NewVeth(netlink.LinkAttrs{Name: l.name})
			veth.PeerName = l.peer
			if err := netlink.LinkAdd(veth); err != nil {
				t.Error(err)
				return
			}
			for _, name := range []string{l.name, l.peer} {
				link, err := netlink.LinkByName(name)
				if err == nil {
					err = netlink.LinkSetUp(link)
				}
				if err != nil {
					t.Error(err)
					return
				}
				index[name] = link.Attrs().Index
			}
			for _, a := range []string{l.v4, l.v6} {
				link, _ := netlink.LinkByName(l.name)
				if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: network(a), Flags: unix.IFA_F_NODAD}); err != nil {
					t.Error(err)
					return
				}
			}
		}
		via := func(a string) net.IP { return net.ParseIP(a) }
		for _, r := range []netlink.Route{
			{Dst: network("0.0.0.0/0"), Gw: via("10.1.0.9")},
			{Dst: network("10.1.128.0/17"), Gw: via("10.2.0.9")},
			{Dst: network("10.1.129.0/24"), Gw: via("10.2.0.9"), Priority: 50},
			{Dst: network("10.1.129.0/24"), Gw: via("10.1.0.9"), Priority: 10},
			{Dst: network("10.1.200.0/24"), Type: unix.RTN_BLACKHOLE},
			{Dst: network("10.3.0.0/16"), MultiPath: []*netlink.NexthopInfo{{LinkIndex: index["lan1"], Gw: via("10.1.0.9")}, {LinkIndex: index["lan2"], Gw: via("10.2.0.9")}}},
			{Dst: network("192.168.0.0/16"), Gw: via("10.2.0.9")},
			{Dst: network("fd00:3::/48"), Gw: via("fd00:2::9")},
		} {
			if err := netlink.RouteAdd(&r); err != nil {
				t.Errorf("%v: %v", r, err)
				return
			}
		}
		var local []netip.Prefix
		for _, p := range []string{"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "192.168.7.0/24", "fd00:1::/64", "fd00:3::/56", "fd00:4::/48"} {
			local = append(local, netip.MustParsePrefix(p))
		}
		want := map[string]string{
			"10.1.0.0/16":    "lan1", // by the default route
			"10.1.0.0/24":    "lan1",
			"10.1.0.1/32":    "", // our own
			"10.1.128.0/17":  "lan2",
			"10.1.129.0/24":  "lan1", // of two routes the one that is preferred
			"10.1.200.0/24":  "",
			"10.2.0.0/16":    "lan2",
			"10.2.0.1/32":    "",
			"10.3.0.0/16":    "", // either
			"192.168.7.0/24": "lan2",
			"fd00:1::/64":    "lan1",
			"fd00:1::1/128":  "",
			"fd00:3::/56":    "lan2",
			"fd00:4::/48":    "", // no route leads there
		}
		lans, err := LANs(local)
		if err != nil {
			t.Error(err)
		}
		for _, l := range lans {
			if link, ok := want[l.Hosts.String()]; !ok || link != l.Link {
				t.Errorf("%v is behind %q, want %q", l.Hosts, l.Link, link)
			}
			delete(want, l.Hosts.String())
		}
		if len(want) > 0 {
			t.Errorf("not found: %v; of %v", want, lans)
		}
		many := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
		if everywhere, err := LANs(many); err != nil || len(everywhere) < 8 || everywhere[0] != (LAN{many[0], "lan1"}) {
			t.Errorf("with the whole Internet behind it: %v, %v", everywhere, err)
		}
		again, err := LANs(local)
		if err != nil || !slices.Equal(lans, again) {
			t.Errorf("another look without a change: %v, %v", again, err)
		}
	})
}

// TestMostParts: of a million routes a bounded number is kept, and all that lead to a whole
// subnet.
func TestMostParts(t *testing.T) {
	w := ways{local: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("10.0.0.0/8")}, best: map[netip.Prefix]way{}}
	route := func(to netip.Prefix, link int) *netlink.Route {
		return &netlink.Route{Dst: &net.IPNet{IP: to.Addr().AsSlice(), Mask: net.CIDRMask(to.Bits(), 32)}, LinkIndex: link}
	}
	for i := range 3 * mostParts {
		w.add(route(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 0}), 24), 3))
	}
	w.add(route(w.local[1], 7))
	w.add(route(w.local[0], 8))
	if n := len(w.best); n > mostParts+2 || w.best[w.local[1]].link != 7 || w.best[w.local[0]].link != 8 {
		t.Errorf("%d routes, to the subnets %+v and %+v", n, w.best[w.local[0]], w.best[w.local[1]])
	}
}

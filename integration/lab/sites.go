package lab

import (
	"errors"
	"fmt"
	"net/netip"
)

// Options shape the topologies.
type Options struct {
	// Router puts a forwarding namespace between the gateways of [TwoSites]; [Hub] always has one.
	Router bool
	// Isolated makes the outside carry nothing between sites in clear, as the Internet would not: without it, the way out leads
	// to the other sites' inside as well. What gets through an isolated lab went through a tunnel.
	Isolated bool
	// NICLike makes the wires outside the gateways behave like network cards; see [Namespace.NICLike].
	NICLike bool
	// OnePacketPerFrame makes captures outside show every datagram; see [Namespace.OnePacketPerFrame].
	OnePacketPerFrame bool
	// MTU of the wires outside, in bytes; 0 means 1500.
	MTU int
	// LANMTU is the MTU of the wires between the hosts and the gateways of [TwoSites], in bytes; 0 means 1500.
	LANMTU int
	// VLAN is the number of the 802.1Q VLAN that the wires outside carry everything in, tagged; 0: none. See [Namespace.Tag].
	VLAN int
}

// Names of the devices in every site.
const (
	HostDevice = "eth0" // of a host
	LAN        = "lan"  // of a gateway, towards its host
	WAN        = "wan"  // of a gateway, towards the other gateways
)

// Site is a host behind a gateway. The host's default routes lead to the gateway, the gateway's to the outside. Without a
// tunnel, packets between sites are therefore forwarded in clear, unless [Options.Isolated]: a baseline to measure against, and
// a leak that a test can see.
type Site struct {
	Host, Gateway *Namespace

	Inside4, Inside6   netip.Prefix // the site's own networks
	Host4, Host6       netip.Addr   // the host
	Gateway4, Gateway6 netip.Addr   // the gateway, inside
	Outside4, Outside6 netip.Addr   // the gateway, outside
	Next4, Next6       netip.Addr   // the gateway's next hop outside: the router, or the other gateway
}

// Sites is host A – gateway A – (wire or router) – gateway B – host B. Inside are 10.1.0.0/24 with fd00:1::/64 and
// 10.2.0.0/24 with fd00:2::/64, the gateway .1 and the host .2; outside are the documentation networks. Without a router the
// gateways are 192.0.2.1 and .2 with 2001:db8::1 and ::2; with one, gateway B is 198.51.100.2 and 2001:db8:1::2 and the
// router stands at 192.0.2.2, 2001:db8::2, 198.51.100.1 and 2001:db8:1::1.
type Sites struct {
	*Lab
	A, B   Site
	Router *Namespace // nil without
}

// RouterDeviceA and RouterDeviceB are the router's devices towards the gateways of [TwoSites].
const (
	RouterDeviceA = "to-a"
	RouterDeviceB = "to-b"
)

// TwoSites builds two sites. The caller must Close the result.
func TwoSites(o Options) (*Sites, error) {
	l, err := New()
	if err != nil {
		return nil, err
	}
	s := &Sites{Lab: l}
	if err := s.build(o); err != nil {
		return nil, errors.Join(fmt.Errorf("two sites: %w", err), l.Close())
	}
	return s, nil
}

func (s *Sites) build(o Options) (err error) {
	if s.A, err = s.site("a", 1); err != nil {
		return err
	}
	if s.B, err = s.site("b", 2); err != nil {
		return err
	}
	if o.LANMTU != 0 {
		for _, x := range []Site{s.A, s.B} {
			if err := errors.Join(x.Host.SetMTU(HostDevice, o.LANMTU), x.Gateway.SetMTU(LAN, o.LANMTU)); err != nil {
				return err
			}
		}
	}
	wireA, wireB := newOutside("192.0.2.0/30", "2001:db8::/64"), newOutside("192.0.2.0/30", "2001:db8::/64").swapped()
	if !o.Router {
		s.A.attach(wireA)
		s.B.attach(wireB)
		err := s.wire(End{s.A.Gateway, WAN, wireA.near()}, End{s.B.Gateway, WAN, wireB.near()}, o)
		if err != nil || o.Isolated {
			return err
		}
		return errors.Join(s.A.routeOut(), s.B.routeOut())
	}
	wireB = newOutside("198.51.100.0/30", "2001:db8:1::/64").swapped()
	if s.Router, err = s.router("router"); err != nil {
		return err
	}
	return errors.Join(
		s.connect(&s.A, wireA, s.Router, RouterDeviceA, o),
		s.connect(&s.B, wireB, s.Router, RouterDeviceB, o),
	)
}

// site makes the host and the gateway of the site that owns 10.number.0.0/24 and fd00:number::/64.
func (l *Lab) site(name string, number uint8) (s Site, err error) {
	v4 := netip.AddrFrom4([4]byte{10, number, 0, 0})
	v6 := netip.AddrFrom16([16]byte{0: 0xfd, 3: number})
	s.Inside4, s.Inside6 = netip.PrefixFrom(v4, 24), netip.PrefixFrom(v6, 64)
	s.Gateway4, s.Gateway6 = v4.Next(), v6.Next()
	s.Host4, s.Host6 = s.Gateway4.Next(), s.Gateway6.Next()
	if s.Host, err = l.Namespace("host" + name); err != nil {
		return s, err
	}
	if s.Gateway, err = l.router("gw" + name); err != nil {
		return s, err
	}
	err = l.Wire(
		End{s.Host, HostDevice, []netip.Prefix{netip.PrefixFrom(s.Host4, 24), netip.PrefixFrom(s.Host6, 64)}},
		End{s.Gateway, LAN, []netip.Prefix{netip.PrefixFrom(s.Gateway4, 24), netip.PrefixFrom(s.Gateway6, 64)}}, 0)
	if err != nil {
		return s, err
	}
	return s, s.Host.AddDefaultRoutes(s.Gateway4, s.Gateway6)
}

func (l *Lab) router(role string) (*Namespace, error) {
	n, err := l.Namespace(role)
	if err != nil {
		return nil, err
	}
	return n, n.Forward()
}

// outside is one wire's addresses as seen from one end.
type outside struct{ own4, own6, next4, next6 netip.Prefix }

// newOutside takes the first two addresses of the networks, the first as our own.
func newOutside(v4, v6 string) outside {
	pair := func(network string) (first, second netip.Prefix) {
		p := netip.MustParsePrefix(network)
		a := p.Addr().Next()
		return netip.PrefixFrom(a, p.Bits()), netip.PrefixFrom(a.Next(), p.Bits())
	}
	var o outside
	o.own4, o.next4 = pair(v4)
	o.own6, o.next6 = pair(v6)
	return o
}

func (o outside) swapped() outside     { return outside{o.next4, o.next6, o.own4, o.own6} }
func (o outside) near() []netip.Prefix { return []netip.Prefix{o.own4, o.own6} }

// attach notes the outside addresses of the site.
func (s *Site) attach(o outside) {
	s.Outside4, s.Outside6 = o.own4.Addr(), o.own6.Addr()
	s.Next4, s.Next6 = o.next4.Addr(), o.next6.Addr()
}

func (s *Site) routeOut() error { return s.Gateway.AddDefaultRoutes(s.Next4, s.Next6) }

// connect wires a site to a router, which learns the way to the site's inside unless that is isolated.
func (l *Lab) connect(s *Site, wire outside, router *Namespace, device string, o Options) error {
	s.attach(wire)
	if err := l.wire(End{s.Gateway, WAN, wire.near()}, End{router, device, wire.swapped().near()}, o); err != nil {
		return err
	}
	if err := s.routeOut(); err != nil || o.Isolated {
		return err
	}
	return errors.Join(router.AddRoute(s.Inside4, s.Outside4), router.AddRoute(s.Inside6, s.Outside6))
}

// wire is a wire outside, with the options applied to both directions.
func (l *Lab) wire(a, b End, o Options) error {
	if err := l.Wire(a, b, o.MTU); err != nil {
		return err
	}
	for _, end := range []End{a, b} {
		if o.VLAN != 0 {
			if err := end.Namespace.Tag(end.Device, o.VLAN); err != nil {
				return err
			}
		}
		if o.OnePacketPerFrame {
			if err := end.Namespace.OnePacketPerFrame(end.Device); err != nil {
				return err
			}
		}
		if o.NICLike {
			if err := end.Namespace.NICLike(end.Device); err != nil {
				return err
			}
		}
	}
	return nil
}

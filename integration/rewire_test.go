package integration

import (
	"errors"
	"net/netip"
	"testing"

	"vpngw/integration/lab"
)

// rewire is a wire of gateway A's that gives way to one of another kind. Names and addresses stay.
type rewire struct {
	name      string
	near, far lab.End // near: of gateway A
}

// rewires are the wires that can be replaced: with the host, and with gateway B.
func (p *pair) rewires() []rewire { return []rewire{p.lan(), p.uplink()} }

func (p *pair) lan() rewire {
	s := p.A
	return rewire{"LAN",
		lab.End{Namespace: s.Gateway, Device: lab.LAN, Addresses: both(s.Gateway4, 24, s.Gateway6)},
		lab.End{Namespace: s.Host, Device: lab.HostDevice, Addresses: both(s.Host4, 24, s.Host6)}}
}

func (p *pair) uplink() rewire {
	return rewire{"uplink",
		lab.End{Namespace: p.A.Gateway, Device: lab.WAN, Addresses: both(p.A.Outside4, 30, p.A.Outside6)},
		lab.End{Namespace: p.B.Gateway, Device: lab.WAN, Addresses: both(p.B.Outside4, 30, p.B.Outside6)}}
}

func both(v4 netip.Addr, bits int, v6 netip.Addr) []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(v4, bits), netip.PrefixFrom(v6, 64)}
}

// by removes the wire and has lay put another in its place: devices of the same names. The outside of the lab must be isolated.
func (r rewire) by(t *testing.T, p *pair, lay func(near, far lab.End) error) {
	t.Helper()
	must(t, r.near.Namespace.DeleteLink(r.near.Device)) // both ends
	must(t, lay(r.near, r.far))
	must(t, errors.Join(r.near.Up(), r.far.Up()))
	if r.far.Namespace == p.A.Host {
		must(t, p.A.Host.AddDefaultRoutes(p.A.Gateway4, p.A.Gateway6))
	}
}

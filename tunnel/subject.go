package tunnel

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"vpngw/tunnel/doctor"
)

// Subject is what package doctor must know of a gateway with this configuration. Names of
// peers are looked up; one that is not found is a peer without address, and in errs.
func (c Config) Subject(ctx context.Context) (s doctor.Subject, errs []error) {
	s = c.subject()
	for i := range c.Tunnels {
		t := &c.Tunnels[i]
		p := doctor.Peer{Tunnel: t.Name, Port: t.PeerPort}
		if a, err := netip.ParseAddr(t.PeerAddress); err == nil {
			p.Address = a
		} else if t.PeerAddress != "" {
			found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.PeerAddress)
			if err != nil {
				errs = append(errs, fmt.Errorf("tunnel %s: %w", t.Name, err))
			} else {
				p.Address = found[0].Unmap()
			}
		}
		s.Peers = append(s.Peers, p)
	}
	return s, errs
}

// subject is all but the peers.
func (c *Config) subject() doctor.Subject {
	o := &c.Offload
	s := doctor.Subject{
		Interface: c.Interface, MTU: c.MTU, Port: c.Port,
		Offload: doctor.Wanted{
			TSO: !o.NoTSO, USO: !o.NoUSO, Checksum: !o.NoChecksum,
			UDPSegment: !o.NoUDPSegment, UDPGRO: !o.NoUDPGRO,
		},
		Receive: c.Buffers.Receive, Send: c.Buffers.Send,
	}
	s.Local = c.localSubnets()
	for i := range c.Tunnels {
		s.Remote = append(s.Remote, c.Tunnels[i].Remote...)
	}
	return s
}

// localSubnets are those of all tunnels, each once: most tunnels of a hub have the same.
func (c *Config) localSubnets() (all []netip.Prefix) {
	known := map[netip.Prefix]bool{}
	for i := range c.Tunnels {
		for _, p := range c.Tunnels[i].Local {
			if !known[p] {
				known[p], all = true, append(all, p)
			}
		}
	}
	return all
}

// Subject is what package doctor must know of the running gateway. Any goroutine may call it.
func (g *Gateway) Subject(ctx context.Context) (s doctor.Subject, err error) {
	err = g.ask(ctx, func() {
		c := g.cfg
		c.Offload = g.wanted
		s = c.subject()
		for _, t := range g.tunnels {
			p := doctor.Peer{Tunnel: t.cfg.Name, Address: t.remote.Addr(), Port: t.remote.Port(), Source: t.source}
			if !t.remote.IsValid() {
				p.Address, p.Port = t.peer.Addr(), t.peer.Port()
			}
			s.Peers = append(s.Peers, p)
		}
	})
	return s, err
}

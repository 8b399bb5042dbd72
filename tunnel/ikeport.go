package tunnel

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"vpngw/crypto/ike"
	"vpngw/offload/udp"
)

// IKE also has a port of its own, 500, where messages stand without the non-ESP marker
// and ESP never comes. Peers of other makes begin there and go over to port 4500 for
// IKE_AUTH, since we always pretend that a NAT is between us (RFC 7296 §2.23).

// ikePortBuffer is the receive buffer of the sockets of IKE's own port, in bytes.
const ikePortBuffer = 256 << 10

// listenIKE opens the sockets of IKE's own port. Where the tunnel file does not ask for
// the port, we go on without it if somebody else has it.
func (g *Gateway) listenIKE() error {
	port := g.cfg.IKEPort
	if port == 0 {
		return nil
	}
	for _, all := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if g.listener[all.Is4()] == nil {
			continue // the machine does not have this family
		}
		s, err := udp.Listen(netip.AddrPortFrom(all, port), udp.Options{Exclusive: true, DisableGRO: true, RecvBuffer: ikePortBuffer})
		switch {
		case err == nil:
			g.ikeListener[all.Is4()] = s
		case g.cfg.IKEPortNeeded || !errors.Is(err, unix.EADDRINUSE) && !errors.Is(err, unix.EACCES):
			return fmt.Errorf("listen on UDP port %d for IKE (gateway.ike_port; 0 goes without it): %w", port, err)
		default:
			g.log.Warn("IKE is not answered on its own port: peers of other makes that begin there will not find us",
				"port", port, "error", err, "hint", "free the port, or set gateway.ike_port: 0")
		}
	}
	if len(g.ikeListener) > 0 && g.cfg.Port != ike.NATTPort {
		g.log.Warn("peers that begin on IKE's own port go on to port 4500, where we are not: tell them our port, or set gateway.port: 4500",
			"ike_port", port, "port", g.cfg.Port)
	}
	return nil
}

// socketFor gives the socket that an IKE message leaves by, and whether it is that of
// IKE's own port, where the non-ESP marker is left out.
func (g *Gateway) socketFor(local, remote netip.AddrPort) (s *udp.Socket, plain bool) {
	is4 := remote.Addr().Unmap().Is4()
	if g.cfg.IKEPort != 0 && local.Port() == g.cfg.IKEPort {
		if s := g.ikeListener[is4]; s != nil {
			return s, true
		}
	}
	return g.listener[is4], false
}

// reachable is remote, or port 4500 of its host where that would have to be asked on
// IKE's own port and we do not have ours: a responder takes IKE_SA_INIT on both.
func (g *Gateway) reachable(remote netip.AddrPort) netip.AddrPort {
	if g.cfg.IKEPort != 0 && remote.Port() == ike.Port && g.ikeListener[remote.Addr().Is4()] == nil {
		return netip.AddrPortFrom(remote.Addr(), ike.NATTPort)
	}
	return remote
}

// ikePort is IKE's own port as far as we have it, else 0.
func (g *Gateway) ikePort() uint16 {
	if len(g.ikeListener) == 0 {
		return 0
	}
	return g.cfg.IKEPort
}

package ike

import "net/netip"

// The UDP ports of IKE (RFC 7296 §2, §2.23).
const (
	Port     = 500  // IKE alone, without the non-ESP marker
	NATTPort = 4500 // IKE with the marker, and ESP
)

// plain tells whether an end of ours is IKE's own port, where ESP never goes.
func (m *Machine) plain(local netip.AddrPort) bool {
	return m.cfg.IKEPort != 0 && local.Port() == m.cfg.IKEPort
}

// origin is our end for a handshake with remote: IKE's own port where that is asked.
func (m *Machine) origin(local, remote netip.AddrPort) netip.AddrPort {
	if m.cfg.IKEPort == 0 || remote.Port() != Port {
		return local
	}
	return netip.AddrPortFrom(local.Addr(), m.cfg.IKEPort)
}

// float leaves IKE's own port for the one that ESP shares. The initiator does so for
// IKE_AUTH, whether or not a NAT is there; we always pretend one (RFC 7296 §2.23).
func (s *sa) float() {
	if s.m.plain(s.local) {
		s.local = netip.AddrPortFrom(s.local.Addr(), s.m.cfg.Port)
		s.remote = netip.AddrPortFrom(s.remote.Addr(), NATTPort)
	}
}

//go:build linux

package udp

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// minIPv6MTU is what every IPv6 link carries (RFC 8200 §5).
const minIPv6MTU = 1280

// SendFragmentable is SendTo for a datagram that this host and, for IPv4, routers on the
// way may fragment: it leaves with DF clear, or in IPv6 fragments that every link carries.
// It makes a few system calls more.
func (s *Socket) SendFragmentable(b []byte, from netip.Addr, to netip.AddrPort) error {
	from, to = from.Unmap(), unmap(to)
	v4 := s.local.Addr().Is4()
	if !to.IsValid() || to.Addr().Is4() != v4 || from.IsValid() && from.Is4() != v4 {
		return ErrFamily
	}
	s.toMu.Lock()
	defer s.toMu.Unlock()
	err := s.mayFragment(v4, true)
	if err == nil {
		err = s.sendTo(b, from, to)
	}
	return errors.Join(err, s.mayFragment(v4, false))
}

// mayFragment lets what the socket sends be fragmented, or forbids it again. Only SendTo
// and SendFragmentable send from an unconnected socket, and both hold toMu.
func (s *Socket) mayFragment(v4, may bool) error {
	if v4 {
		discover := unix.IP_PMTUDISC_PROBE
		if may {
			discover = unix.IP_PMTUDISC_DONT
		}
		return unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discover)
	}
	discover, size := unix.IPV6_PMTUDISC_PROBE, 0
	if may {
		discover, size = unix.IPV6_PMTUDISC_DONT, minIPv6MTU
	}
	return errors.Join(
		unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, discover),
		unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_MTU, size),
	)
}

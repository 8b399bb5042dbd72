//go:build linux

package udp

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawAddr holds a socket address of either family as the kernel lays it out.
type rawAddr struct {
	unix.RawSockaddrInet6 // the larger one; family decides how it is read
}

const (
	inet4Len = uint32(unsafe.Sizeof(unix.RawSockaddrInet4{}))
	inet6Len = uint32(unsafe.Sizeof(unix.RawSockaddrInet6{}))
)

func (r *rawAddr) inet4() *unix.RawSockaddrInet4 {
	return (*unix.RawSockaddrInet4)(unsafe.Pointer(r))
}

// set stores a and returns the length the kernel wants to hear. It does not
// allocate unless a has a zone.
func (r *rawAddr) set(a netip.AddrPort) (uint32, error) {
	if a.Addr().Is4() {
		*r.inet4() = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: networkPort(a.Port()), Addr: a.Addr().As4()}
		return inet4Len, nil
	}
	scope, err := scopeOf(a.Addr())
	if err != nil {
		return 0, err
	}
	r.RawSockaddrInet6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: networkPort(a.Port()), Addr: a.Addr().As16(), Scope_id: scope}
	return inet6Len, nil
}

// zones remembers the zone of the last link-local sender as text, so that a
// run of datagrams from one interface does not allocate.
type zones struct {
	scope uint32
	name  string
}

func (z *zones) addPort(r *rawAddr) netip.AddrPort {
	switch r.Family {
	case unix.AF_INET:
		r4 := r.inet4()
		return netip.AddrPortFrom(netip.AddrFrom4(r4.Addr), networkPort(r4.Port))
	case unix.AF_INET6:
		addr := netip.AddrFrom16(r.Addr)
		if r.Scope_id != 0 {
			if z.scope != r.Scope_id {
				z.scope, z.name = r.Scope_id, strconv.FormatUint(uint64(r.Scope_id), 10)
			}
			addr = addr.WithZone(z.name)
		}
		return netip.AddrPortFrom(addr, networkPort(r.Port))
	}
	return netip.AddrPort{}
}

// networkPort turns a port in memory between host and network byte order.
func networkPort(port uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], port)
	return binary.NativeEndian.Uint16(b[:])
}

// scopeOf returns the interface index that the zone of an IPv6 address names,
// by number or by name; 0 without a zone.
func scopeOf(a netip.Addr) (uint32, error) {
	zone := a.Zone()
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("zone of address %s: %w", a, err)
	}
	return uint32(ifi.Index), nil
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func sockaddr(a netip.AddrPort) (unix.Sockaddr, error) {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, nil
	}
	scope, err := scopeOf(a.Addr())
	if err != nil {
		return nil, err
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: scope}, nil
}

func localAddr(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("read the local address: %w", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			addr = addr.WithZone(strconv.FormatUint(uint64(sa.ZoneId), 10))
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, fmt.Errorf("read the local address: %w", unix.EAFNOSUPPORT)
}

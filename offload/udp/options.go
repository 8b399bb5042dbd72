//go:build linux

package udp

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Indexes into what SO_MEMINFO returns (linux/sock_diag.h).
const (
	skMemInfoDrops = 8
	skMemInfoVars  = 9
)

// configure sets the options that must be in force before bind.
func (s *Socket) configure(family int, o Options) error {
	set := func(level, option, value int, what string) error {
		if err := unix.SetsockoptInt(s.fd, level, option, value); err != nil {
			return fmt.Errorf("set %s: %w", what, err)
		}
		return nil
	}
	// SO_REUSEADDR lets connected sockets and the listener share the port.
	// SO_REUSEPORT would spread datagrams over them by hash.
	if !o.Exclusive {
		if err := set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1, "SO_REUSEADDR"); err != nil {
			return err
		}
	}
	// PROBE sets DF on every datagram, yet lets it be as large as the device
	// takes, whatever the kernel believes of the path: that belief comes from
	// ICMP that anybody can forge. The tunnel finds the path MTU itself, by
	// authenticated probes, which must be able to exceed the kernel's idea.
	if family == unix.AF_INET {
		if err := set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE, "IP_MTU_DISCOVER"); err != nil {
			return err
		}
		if err := set(unix.IPPROTO_IP, unix.IP_RECVTOS, 1, "IP_RECVTOS"); err != nil {
			return err
		}
	} else {
		if err := set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, "IPV6_V6ONLY"); err != nil {
			return err
		}
		if err := set(unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE, "IPV6_MTU_DISCOVER"); err != nil {
			return err
		}
		if err := set(unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS"); err != nil {
			return err
		}
	}
	if !o.DisableGRO {
		// Kernels before 5.0 refuse; GRO tells.
		s.gro = unix.SetsockoptInt(s.fd, unix.SOL_UDP, unix.UDP_GRO, 1) == nil
	}
	var err error
	s.recvBuffer, err = setBuffer(s.fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, orDefault(o.RecvBuffer, DefaultRecvBuffer))
	if err != nil {
		return fmt.Errorf("size the receive buffer: %w", err)
	}
	s.sendBuffer, err = setBuffer(s.fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, orDefault(o.SendBuffer, DefaultSendBuffer))
	if err != nil {
		return fmt.Errorf("size the send buffer: %w", err)
	}
	return nil
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// setBuffer sizes a socket buffer, beyond the system's limit where it may, and
// returns what was granted. The kernel doubles what it is given and reports
// the double.
func setBuffer(fd, force, plain, n int) (int, error) {
	if n < 0 {
		return 0, fmt.Errorf("%d bytes: %w", n, unix.EINVAL)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, n) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, n); err != nil {
			return 0, err
		}
	}
	got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, plain)
	return got / 2, err
}

// setPacketInfo asks for the local address of every datagram received.
func (s *Socket) setPacketInfo() error {
	if s.local.Addr().Is4() {
		return unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	}
	return unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
}

// segmentKnown reports whether the kernel has UDP_SEGMENT at all.
func segmentKnown(fd int) bool {
	_, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	return err == nil
}

// memInfo returns SO_MEMINFO, or zeros where the kernel has none (before 4.12).
func memInfo(fd int) (info [skMemInfoVars]uint32) {
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return [skMemInfoVars]uint32{}
	}
	return info
}

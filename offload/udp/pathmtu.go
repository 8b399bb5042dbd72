//go:build linux

package udp

import "golang.org/x/sys/unix"

// PathMTU returns what the kernel takes for the MTU of a connected socket's path, in
// bytes of IP packet: that of the device, or what ICMP messages said, which anybody can
// forge. 0: it does not know. It does not bound what Send sends. One system call; any
// goroutine may call it.
func (s *Socket) PathMTU() int {
	level, option := unix.IPPROTO_IP, unix.IP_MTU
	if !s.local.Addr().Is4() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MTU
	}
	n, err := unix.GetsockoptInt(s.fd, level, option)
	if err != nil {
		return 0
	}
	return n
}

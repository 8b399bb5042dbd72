//go:build linux

package udp

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Datagrams is what one Recv returned: datagrams of one peer, back to back.
type Datagrams struct {
	Bytes []byte // every datagram is Size bytes long but the last, which may be shorter
	Size  int    // bytes; equals len(Bytes) for one datagram, 0 for one empty datagram

	From netip.AddrPort // the sender; an IPv6 zone is the interface index in digits
	To   netip.Addr     // the local address it was sent to, without a zone
	TOS  uint8          // IPv4 TOS or IPv6 traffic class of the outer header, the same in all
}

// receiver holds what recvmsg needs, so that a call allocates nothing.
type receiver struct {
	msg     unix.Msghdr
	iov     unix.Iovec
	from    rawAddr
	control controlBuffer
	zones   zones
}

func (r *receiver) init() {
	r.msg.Name = (*byte)(unsafe.Pointer(&r.from))
	r.msg.Iov = &r.iov
	r.msg.SetIovlen(1)
	r.msg.Control = &r.control.bytes()[0]
}

// Recv receives the datagrams of one recvmsg into buf, which should hold 64
// KiB and be aligned to 64 bytes for speed. d.Bytes aliases buf.
//
// The error is ErrWouldBlock, ErrTruncated, an AsyncError (connected sockets;
// call again, more may wait) or a bare errno, which means that the socket is
// of no more use (EBADF after Close) or the system out of memory. d is
// meaningful only when the error is nil. Owner goroutine only; no allocation.
func (s *Socket) Recv(buf []byte, d *Datagrams) error {
	r := &s.in
	r.iov.Base = unsafe.SliceData(buf)
	r.iov.SetLen(len(buf))
	var n uintptr
	for {
		r.msg.Namelen = inet6Len
		r.msg.SetControllen(int(unsafe.Sizeof(r.control)))
		r.msg.Flags = 0
		var errno unix.Errno
		n, _, errno = unix.RawSyscall(unix.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&r.msg)), 0)
		if errno == 0 {
			break
		}
		if errno == unix.EINTR {
			continue
		}
		if asynchronous(errno) {
			return AsyncError(errno)
		}
		return errno
	}
	// Without its control messages a train could not be cut again.
	if r.msg.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		return ErrTruncated
	}
	m := metadata{to: s.local.Addr().WithZone("")}
	parseControl(r.control.bytes()[:r.msg.Controllen], &m)
	d.Bytes = buf[:n]
	d.Size = m.size
	if d.Size <= 0 || d.Size > len(d.Bytes) {
		d.Size = len(d.Bytes)
	}
	d.From = r.zones.addPort(&r.from)
	d.To = m.to
	d.TOS = m.tos
	return nil
}

// asynchronous reports whether a socket call can fail with this errno for an
// ICMP message about an earlier datagram (icmp_err_convert in net/ipv4/icmp.c,
// tab_unreach in net/ipv6/icmp.c, and "too big" in both).
func asynchronous(e unix.Errno) bool {
	switch e {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EMSGSIZE, unix.ENOPROTOOPT,
		unix.EPROTO, unix.EACCES, unix.EHOSTDOWN, unix.ENONET, unix.EOPNOTSUPP:
		return true
	}
	return false
}

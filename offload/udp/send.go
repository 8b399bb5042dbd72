//go:build linux

package udp

import (
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SendResult says what became of the datagrams of one Send.
type SendResult struct {
	Sent int // bytes that the kernel accepted
	Done int // bytes at the front of the data that need no more sending, accepted or lost; Sent unless Lost > 0
	Lost int // datagrams that the kernel refused for good

	Fallback bool // a segmented send was refused and the data went one by one

	// Async is what the network reported about an earlier datagram while this
	// data was being sent, 0 for nothing. The data was sent again and is
	// counted above.
	Async AsyncError
}

// asyncRetries is how often a datagram is sent again after an error that may
// be an earlier one's. One would do if no two reports ever came together.
const asyncRetries = 3

// sendmsg is the system call, or what a test puts in its place.
type sendmsg func(fd int, msg *unix.Msghdr) unix.Errno

func rawSendmsg(fd int, msg *unix.Msghdr) unix.Errno {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(msg)), 0)
		if errno != unix.EINTR {
			return errno
		}
	}
}

// sender holds what Send needs, so that a call allocates nothing.
type sender struct {
	msg     unix.Msghdr
	iov     unix.Iovec
	control controlBuffer
	sendmsg sendmsg
	now     func() time.Time // asked only while segmentation is off

	v4  bool  // family of the socket
	tos uint8 // of the send under way

	allowed   bool // the kernel knows UDP_SEGMENT and the options allow it
	segment   bool // in use; false with allowed: refused, off until reprobeAt
	reprobeAt time.Time
}

func (o *sender) init(segment, v4 bool) {
	o.v4 = v4
	o.msg.Iov = &o.iov
	o.msg.SetIovlen(1)
	o.sendmsg = rawSendmsg
	o.now = time.Now
	o.allowed, o.segment = segment, segment
}

// Send sends b to the peer of a connected socket: datagrams back to back, each
// size bytes long but the last, which may be shorter. More than one leave by
// one segmented system call where that works. All of them leave with tos as their
// IPv4 TOS or IPv6 traffic class, ECN field included.
//
// ErrWouldBlock means that the send buffer is full: result.Done bytes are dealt
// with (always 0 or all of them while segmenting), the rest is the caller's to
// keep and to send later. After any other outcome all of b is dealt with, either
// sent or counted in result.Lost, and the error is that of the first datagram
// lost, nil for none:
//   - ErrTrain: b and size are no train; nothing was tried or counted.
//   - EMSGSIZE: datagrams larger than the device's MTU; the smaller ones were sent.
//   - EPERM: dropped by this host's own firewall.
//   - ENETUNREACH, EHOSTUNREACH: no route, a link that is down, or a local
//     address that was removed.
//   - AsyncError: nothing but reports about earlier datagrams, several times.
//   - other errnos, such as ENOBUFS.
//
// When the kernel refuses to segment (EIO: the device cannot checksum, or an
// xfrm policy applies; EINVAL) or fails at it before the device (ENOMEM, whatever
// the cause), the same data goes one by one, and if that works so does all later
// data, until ReprobeAfter has passed. Owner goroutine only; no allocation.
func (s *Socket) Send(b []byte, size int, tos uint8) (result SendResult, err error) {
	o := &s.out
	o.tos = tos
	if len(b) == 0 {
		return result, nil
	}
	if size <= 0 || len(b) > MaxTrain {
		return result, ErrTrain
	}
	count := (len(b) + size - 1) / size
	if count > MaxSegments {
		return result, ErrTrain
	}
	if count == 1 || !o.trySegment() {
		err = o.oneByOne(s.fd, b, size, &result)
		return result, err
	}
	switch errno := o.transmit(s.fd, b, size, &result.Async); errno {
	case 0:
		o.segment = true
		result.Sent, result.Done = len(b), len(b)
		return result, nil
	case unix.EAGAIN:
		return result, ErrWouldBlock
	case unix.EIO, unix.EINVAL, unix.ENOMEM, unix.EMSGSIZE:
		result.Fallback = true
		err = o.oneByOne(s.fd, b, size, &result)
		// Segmenting is to blame only if the same data passes without it. Some
		// kernels say EINVAL for datagrams above the MTU, which is no reason.
		if errno != unix.EMSGSIZE && result.Sent > 0 && result.Lost == 0 {
			o.segment = false
			o.reprobeAt = o.now().Add(ReprobeAfter)
		}
		return result, err
	default:
		result.Done, result.Lost = len(b), count
		return result, sendError(errno)
	}
}

// trySegment reports whether to segment the next train.
func (o *sender) trySegment() bool {
	return o.segment || o.allowed && !o.now().Before(o.reprobeAt)
}

// oneByOne sends every datagram of b by itself and adds to result.
func (o *sender) oneByOne(fd int, b []byte, size int, result *SendResult) (err error) {
	for len(b) > 0 {
		n := min(size, len(b))
		switch errno := o.transmit(fd, b[:n], n, &result.Async); errno {
		case 0:
			result.Sent += n
		case unix.EAGAIN:
			return ErrWouldBlock
		default:
			result.Lost++
			if err == nil {
				err = sendError(errno)
			}
		}
		result.Done += n
		b = b[n:]
	}
	return err
}

// transmit does one sendmsg, again if it failed for what may be the report
// about an earlier datagram: the failing call has cleared it. What proved to be
// such a report is stored in async.
func (o *sender) transmit(fd int, b []byte, size int, async *AsyncError) unix.Errno {
	o.iov.Base = unsafe.SliceData(b)
	o.iov.SetLen(len(b))
	o.setControl(len(b) > size, size)
	var earlier unix.Errno
	for try := 0; ; try++ {
		errno := o.sendmsg(fd, &o.msg)
		if !asynchronous(errno) || try == asyncRetries {
			if earlier != 0 && earlier != errno {
				*async = AsyncError(earlier)
			}
			return errno
		}
		earlier = errno
	}
}

// setControl asks for what the next sendmsg needs beyond its data. A TOS of 0 is what
// datagrams have unasked, and asking makes the kernel look up the route again.
func (o *sender) setControl(segment bool, size int) {
	length := 0
	if segment {
		length = o.control.putSegment(size)
	}
	if o.tos != 0 {
		length = o.control.addTOS(length, o.v4, o.tos)
	}
	o.msg.Control = nil
	o.msg.SetControllen(length)
	if length > 0 {
		o.msg.Control = &o.control.bytes()[0]
	}
}

// sendError turns the errno of a lost datagram into what Send returns.
func sendError(errno unix.Errno) error {
	switch errno {
	case unix.ECONNREFUSED, unix.ENOPROTOOPT, unix.EPROTO: // never about the datagram at hand
		return AsyncError(errno)
	}
	return errno
}

// addressed holds what SendTo needs.
type addressed struct {
	msg     unix.Msghdr
	iov     unix.Iovec
	to      rawAddr
	control controlBuffer
}

// SendTo sends one datagram from a listener to the address to. It leaves with
// the source address from, or with the one of the route if from is the zero
// Addr: answer with the To of what was received.
//
// The error is ErrWouldBlock, ErrFamily, one about an unknown zone, or a bare
// errno such as EMSGSIZE, EPERM, or ENETUNREACH, also for a source address
// that is not this host's (EINVAL for some). Any goroutine may call it; no
// allocation.
func (s *Socket) SendTo(b []byte, from netip.Addr, to netip.AddrPort) error {
	from, to = from.Unmap(), unmap(to)
	v4 := s.local.Addr().Is4()
	if !to.IsValid() || to.Addr().Is4() != v4 || from.IsValid() && from.Is4() != v4 {
		return ErrFamily
	}
	s.toMu.Lock()
	defer s.toMu.Unlock()
	return s.sendTo(b, from, to)
}

// sendTo is SendTo with addresses that fit the socket. The caller holds toMu.
func (s *Socket) sendTo(b []byte, from netip.Addr, to netip.AddrPort) error {
	a := &s.to
	n, err := a.to.set(to)
	if err != nil {
		return err
	}
	a.msg = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&a.to)), Namelen: n, Iov: &a.iov}
	a.msg.SetIovlen(1)
	a.iov.Base = unsafe.SliceData(b)
	a.iov.SetLen(len(b))
	if from.IsValid() {
		n, err := a.control.putSource(from)
		if err != nil {
			return err
		}
		a.msg.Control = &a.control.bytes()[0]
		a.msg.SetControllen(n)
	}
	if errno := rawSendmsg(s.fd, &a.msg); errno != 0 {
		return errno
	}
	return nil
}

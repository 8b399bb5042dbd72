//go:build linux

// Package udp is the outer edge of the gateway: datagrams leave in trains by
// UDP_SEGMENT and arrive glued by UDP_GRO, many to a system call.
//
// A Listen socket and any number of Connect sockets share one port. The kernel
// gives a datagram to the connected socket whose peer sent it, else to the
// listener. All sockets are non-blocking, to be driven by epoll on FD.
package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// MaxTrain is the largest number of bytes in one segmented send: what the
	// IPv4 length field leaves after the IP and UDP headers. IPv6 would allow
	// 20 more; one bound for both is simpler.
	MaxTrain = 65507

	// DefaultSegments is the largest number of datagrams in one segmented send
	// that every kernel with UDP_SEGMENT takes; MaxSegments that of newer
	// kernels. Probe tells which holds.
	DefaultSegments = 64
	MaxSegments     = 128

	// DefaultRecvBuffer and DefaultSendBuffer are socket buffer sizes in bytes.
	DefaultRecvBuffer = 4 << 20
	DefaultSendBuffer = 1 << 20

	// ReprobeAfter is how long a socket whose segmented send was refused sends
	// one by one before it tries again.
	ReprobeAfter = 30 * time.Second
)

var (
	// ErrWouldBlock says that nothing waits to be received or that the send
	// buffer is full: wait for EPOLLIN or EPOLLOUT. It is EAGAIN itself, so
	// that comparing with either works.
	ErrWouldBlock error = unix.EAGAIN

	// ErrTruncated is returned by Recv for datagrams that did not fit the
	// buffer. They are lost.
	ErrTruncated = errors.New("udp: received datagrams truncated: the receive buffer must hold 64 KiB")

	// ErrTrain is returned by Send, with nothing sent, for data that no socket
	// takes as a train: a size below 1, or above MaxTrain bytes or MaxSegments
	// datagrams.
	ErrTrain = errors.New("udp: not a train: at most 65507 bytes in at most 128 datagrams of one size of at least 1")

	// ErrFamily is returned for addresses that are not all IPv4 or all IPv6.
	ErrFamily = errors.New("udp: addresses must be of one family, IPv4 or IPv6")
)

// AsyncError is an error that the network reported, by ICMP, about a datagram
// sent earlier on a connected socket, such as ECONNREFUSED while nothing
// listens at the peer's port. The report is not authenticated: count it and go
// on, it does not mean that the peer is dead. The socket stays usable.
//
// Use errors.As for it, or errors.Is with the errno.
type AsyncError syscall.Errno

// Error names the errno.
func (e AsyncError) Error() string {
	return "udp: reported about an earlier datagram: " + syscall.Errno(e).Error()
}

// Unwrap returns the errno.
func (e AsyncError) Unwrap() error { return syscall.Errno(e) }

// Options switches offloads off and sizes the socket's buffers.
type Options struct {
	DisableSegment bool // send every datagram by itself
	DisableGRO     bool // receive every datagram by itself
	Exclusive      bool // share the port with no other socket: Listen fails where one has it

	RecvBuffer int // bytes asked for; 0: DefaultRecvBuffer
	SendBuffer int // bytes asked for; 0: DefaultSendBuffer
}

// Socket is one UDP socket.
//
// Recv and Send belong to one goroutine, the owner. SendTo, Drops and the
// accessors of what was fixed at the start (FD, LocalAddr, RemoteAddr, GRO,
// Buffers) may be called by any. Close only when no other call is running.
type Socket struct {
	fd            int
	local, remote netip.AddrPort
	gro           bool
	recvBuffer    int
	sendBuffer    int

	in       receiver
	out      sender
	toMu     sync.Mutex // guards to
	to       addressed
	closeErr error
	closed   sync.Once
}

// Listen opens an unconnected socket on addr that tells where each datagram
// came from and which local address it came to. An IPv6 socket takes no IPv4.
// The unspecified address of either family means all addresses.
func Listen(addr netip.AddrPort, o Options) (*Socket, error) {
	s, err := open(addr, o)
	if err != nil {
		return nil, fmt.Errorf("listen on UDP %s: %w", addr, err)
	}
	if err := s.setPacketInfo(); err != nil {
		s.Close()
		return nil, fmt.Errorf("listen on UDP %s: ask for packet information: %w", addr, err)
	}
	return s, nil
}

// Connect opens a socket bound to local, connected to remote. The local
// address may be unspecified, or the zero Addr: the kernel then picks it by
// its route, once; the local port may be shared with a listener.
//
// Between its bind and its connect the socket may have caught datagrams of
// other peers; Recv gives them with their true From, so that they can be
// handled like a listener's.
func Connect(local, remote netip.AddrPort, o Options) (*Socket, error) {
	s, err := connect(local, remote, o)
	if err != nil {
		return nil, fmt.Errorf("connect UDP %s to %s: %w", local, remote, err)
	}
	return s, nil
}

func connect(local, remote netip.AddrPort, o Options) (*Socket, error) {
	remote = unmap(remote)
	if !remote.Addr().IsValid() {
		return nil, ErrFamily
	}
	if !local.Addr().IsValid() {
		any := netip.IPv4Unspecified()
		if remote.Addr().Is6() {
			any = netip.IPv6Unspecified()
		}
		local = netip.AddrPortFrom(any, local.Port())
	}
	s, err := open(local, o)
	if err != nil {
		return nil, err
	}
	if s.local.Addr().Is4() != remote.Addr().Is4() {
		s.Close()
		return nil, ErrFamily
	}
	to, err := sockaddr(remote)
	if err != nil {
		s.Close()
		return nil, err
	}
	if err := unix.Connect(s.fd, to); err != nil {
		s.Close()
		return nil, err
	}
	s.remote = remote
	if s.local, err = localAddr(s.fd); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// open makes a bound socket with all options but packet information.
func open(local netip.AddrPort, o Options) (s *Socket, err error) {
	local = unmap(local)
	if !local.Addr().IsValid() {
		return nil, ErrFamily
	}
	family := unix.AF_INET6
	if local.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	s = &Socket{fd: fd}
	if err := s.configure(family, o); err != nil {
		s.Close()
		return nil, err
	}
	at, err := sockaddr(local)
	if err != nil {
		s.Close()
		return nil, err
	}
	if err := unix.Bind(fd, at); err != nil {
		s.Close()
		return nil, explainBind(err)
	}
	if s.local, err = localAddr(fd); err != nil {
		s.Close()
		return nil, err
	}
	s.in.init()
	s.out.init(segmentKnown(fd) && !o.DisableSegment, s.local.Addr().Is4())
	return s, nil
}

func explainBind(err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("bind: %w (another program has the port; see `ss -ulpn`)", err)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("bind: %w (no interface has this address)", err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("bind: %w (a port below 1024 needs CAP_NET_BIND_SERVICE)", err)
	}
	return fmt.Errorf("bind: %w", err)
}

// FD returns the descriptor for epoll. It stays owned by the Socket.
func (s *Socket) FD() int { return s.fd }

// LocalAddr returns the bound address. After Connect it is a specific one.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// RemoteAddr returns the peer of a connected socket, the zero AddrPort of a listener.
func (s *Socket) RemoteAddr() netip.AddrPort { return s.remote }

// Segmenting reports whether Send uses UDP_SEGMENT at present: supported, not
// disabled, and not off after a refusal. Owner goroutine only.
func (s *Socket) Segmenting() bool { return s.out.segment }

// GRO reports whether Recv may return more than one datagram.
func (s *Socket) GRO() bool { return s.gro }

// Buffers returns the sizes in bytes that the kernel granted, in the unit of
// Options (the kernel reserves twice that for its own bookkeeping). They are
// smaller than asked for without CAP_NET_ADMIN where net.core.rmem_max or
// net.core.wmem_max are.
func (s *Socket) Buffers() (recv, send int) { return s.recvBuffer, s.sendBuffer }

// Drops returns how many datagrams the kernel has dropped at this socket since
// it was opened, mostly for a full receive buffer. It wraps at 2³². Any
// goroutine; one system call.
func (s *Socket) Drops() uint32 { return memInfo(s.fd)[skMemInfoDrops] }

// Close closes the socket. Calling it again returns the same error.
func (s *Socket) Close() error {
	s.closed.Do(func() {
		s.closeErr = unix.Close(s.fd)
		s.fd = -1
	})
	return s.closeErr
}

package lane

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/offload/udp"
)

// Socket is what a lane needs of a UDP socket; *udp.Socket is one.
type Socket interface {
	FD() int
	Recv(buf []byte, d *udp.Datagrams) error
	Send(b []byte, size int, tos uint8) (udp.SendResult, error)
	Drops() uint32
	Queued() int  // bytes sent that have not left this machine
	PathMTU() int // of a connected socket, as the kernel has it; 0: not known
	Close() error
}

// TUN is what a lane needs of a TUN queue; *tun.Device is one.
type TUN interface {
	FD() int
	Read(buf []byte) (int, error)
	Write(vecs [][]byte) error
}

// endpoint is a socket in the lane's epoll.
type endpoint struct {
	socket    Socket
	tunnel    *Tunnel        // nil: a listener
	ikeOnly   bool           // a listener without ESP and without the non-ESP marker
	local     netip.AddrPort // of a tunnel's socket
	remote    netip.AddrPort // likewise
	slot      int32          // index in Lane.endpoints
	ready     bool           // in Lane.ready
	closed    bool
	failed    bool   // an error of receiving was logged
	writable  bool   // epoll is asked for EPOLLOUT
	overflow  uint32 // datagrams that the kernel had dropped at the last look
	countedAt int64  // lane time of it
}

// Keys of epoll events that are no endpoint.
const (
	wakeKey  int32 = -1
	tunKey   int32 = -2
	timerKey int32 = -3
)

func (l *Lane) watch(fd int, key int32, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: key}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("watch file descriptor %d: %w", fd, err)
	}
	return nil
}

// addEndpoint takes over a socket. On error it is closed.
func (l *Lane) addEndpoint(e *endpoint) error {
	e.slot = int32(len(l.endpoints))
	if n := len(l.freeEndpoints); n > 0 {
		e.slot = l.freeEndpoints[n-1]
	}
	if err := l.watch(e.socket.FD(), e.slot, unix.EPOLLIN); err != nil {
		e.socket.Close()
		return err
	}
	if n := len(l.freeEndpoints); n > 0 {
		l.freeEndpoints = l.freeEndpoints[:n-1]
		l.endpoints[e.slot] = e
	} else {
		l.endpoints = append(l.endpoints, e)
	}
	return nil
}

// removeEndpoint closes a socket; the kernel takes it out of epoll.
func (l *Lane) removeEndpoint(e *endpoint) {
	l.countOverflow(e)
	l.forgetEndpoint(e)
	e.socket.Close()
}

// takeEndpoint lets go of a socket without closing it, for another lane to add.
func (l *Lane) takeEndpoint(e *endpoint) *endpoint {
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, e.socket.FD(), nil) // it is watched
	l.forgetEndpoint(e)
	return &endpoint{socket: e.socket, tunnel: e.tunnel, local: e.local, remote: e.remote, failed: e.failed, overflow: e.overflow, countedAt: e.countedAt}
}

func (l *Lane) forgetEndpoint(e *endpoint) {
	e.closed = true
	l.endpoints[e.slot] = nil
	l.freeEndpoints = append(l.freeEndpoints, e.slot)
}

// wantWritable asks epoll to tell, or no longer to tell, when e can send.
func (l *Lane) wantWritable(e *endpoint, want bool) {
	if e.writable == want {
		return
	}
	e.writable = want
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: e.slot}
	if want {
		ev.Events |= unix.EPOLLOUT
	}
	// It fails only for a descriptor that is not watched, which an endpoint always is.
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, e.socket.FD(), &ev)
}

// clock reads the lane time.
func (l *Lane) clock() int64 {
	l.now = int64(time.Since(l.started))
	return l.now
}

// poll notes what has become ready. It waits for something, or for an uplink's time, only
// if wait is true.
func (l *Lane) poll(wait bool) error {
	timeout := 0
	if wait && l.several() {
		wait = l.fallAsleep()
	}
	if wait {
		timeout = -1
		l.timer.set(l.wakeTime(), l.clock())
		l.counters.Sleeps.Add(1)
		l.counters.asleepSince.Store(l.now)
	}
	since := l.now
	n, err := l.await(timeout)
	l.clock()
	if wait {
		l.counters.wokeUp(l.now)
		if l.several() {
			l.asleep.Store(false)
		}
	}
	if err != nil {
		if errors.Is(err, unix.EINTR) {
			return nil
		}
		return fmt.Errorf("wait for packets: %w", err)
	}
	if wait {
		l.counters.Wakes.count(l.polled[:n])
	}
	for _, ev := range l.polled[:n] {
		switch ev.Fd {
		case wakeKey:
			var b [8]byte
			_, _ = unix.Read(l.wake, b[:]) // an eventfd: reading takes the wake-up back
		case timerKey:
			l.timer.at = 0 // expired; the queues know what may go
		case tunKey:
			l.tunReady = true
			if ev.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 && ev.Events&unix.EPOLLIN == 0 {
				l.loseTUN(unix.EBADFD)
			}
		default:
			e := l.endpoints[ev.Fd]
			if e == nil {
				continue
			}
			if ev.Events&unix.EPOLLOUT != 0 && e.tunnel != nil {
				l.unblock(e.tunnel)
			}
			if ev.Events&^unix.EPOLLOUT != 0 && !e.ready {
				e.ready = true
				l.ready = append(l.ready, e)
			}
		}
	}
	if wait {
		l.linger(since)
	}
	return nil
}

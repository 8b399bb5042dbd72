//go:build linux

package survey

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vpngw/offload"
	"vpngw/tunnel/doctor"
	"vpngw/tunnel/mtu"
)

const (
	shortEcho    = 100 // bytes of the IP packet that only asks whether there are answers
	echoPatience = 400 * time.Millisecond
	echoTries    = 2
	manyPeers    = 16 // at a time
)

// echoes measures the paths, some at a time.
func echoes(ctx context.Context, f *doctor.Facts) {
	var wait sync.WaitGroup
	turns := make(chan struct{}, manyPeers)
	errs := make([]error, len(f.Paths))
	for n := range f.Paths {
		wait.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			errs[n] = echo(ctx, &f.Paths[n])
		})
	}
	wait.Wait()
	for n, err := range errs {
		p := &f.Paths[n]
		switch {
		case err != nil:
			unseen(f, fmt.Sprintf("MTU of the path to %v", p.Address), err)
		case p.Echo.Asked && !p.Echo.Answered:
			f.Unseen = append(f.Unseen, fmt.Sprintf("MTU of the path to %v: nothing there answers ICMP echo requests", p.Address))
		}
	}
}

// echo finds the longest packet that comes back from the peer of p.
func echo(ctx context.Context, p *doctor.Path) error {
	e, err := newEchoer(p.Address)
	if err != nil {
		return err
	}
	defer unix.Close(e.fd)
	p.Echo.Asked = true
	ok, err := e.fits(ctx, shortEcho)
	if err != nil || !ok {
		return err
	}
	p.Echo.Answered, p.Echo.Fits = true, shortEcho
	// What the route says, then what a router says, then halves of what is between.
	low, high := shortEcho, p.MTU+1
	try := p.MTU
	for high-low > 1 {
		if ok, err = e.fits(ctx, try); err != nil {
			return err
		}
		if ok {
			low = try
		} else {
			high = try
		}
		try = (low + high) / 2
		if said := e.said; said > low && said < high {
			p.Echo.Said, try = said, said
		} else if said != 0 && said == low {
			break // the router meant what it said
		}
	}
	p.Echo.Fits = low
	return nil
}

// echoer is a raw ICMP socket connected to a peer. It sets DF and ignores what the kernel
// has heard of the path.
type echoer struct {
	fd       int
	v6       bool
	id, seq  uint16
	said     int // next-hop MTU that a router named last
	buf, oob []byte
}

func newEchoer(peer netip.Addr) (*echoer, error) {
	e := &echoer{v6: peer.Is6(), id: uint16(os.Getpid()), buf: make([]byte, 1<<16), oob: make([]byte, 512)}
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	var to unix.Sockaddr = &unix.SockaddrInet4{Addr: as4(peer)}
	level, discover, probe, recverr := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE, unix.IP_RECVERR
	if e.v6 {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
		to = &unix.SockaddrInet6{Addr: peer.As16()}
		level, discover, probe, recverr = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE, unix.IPV6_RECVERR
	}
	var err error
	e.fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return nil, explainRaw(err)
	}
	err = errors.Join(
		unix.SetsockoptInt(e.fd, level, discover, probe),
		unix.SetsockoptInt(e.fd, level, recverr, 1),
		unix.Connect(e.fd, to),
	)
	if err != nil {
		unix.Close(e.fd)
		return nil, fmt.Errorf("ICMP socket to %v: %w", peer, err)
	}
	return e, nil
}

func explainRaw(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("raw socket: %w (needs root or CAP_NET_RAW)", err)
	}
	return fmt.Errorf("raw socket: %w", err)
}

// fits tells whether an echo request in an IP packet of so many bytes is answered.
func (e *echoer) fits(ctx context.Context, length int) (bool, error) {
	for range echoTries {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		e.drainErrors() // a late one would be taken for this one's
		e.seq++
		switch _, err := unix.Write(e.fd, e.request(length)); {
		case errors.Is(err, unix.EMSGSIZE):
			return false, nil // longer than the link takes
		case errors.Is(err, unix.EPERM):
			return false, fmt.Errorf("echo request: %w (this machine's firewall drops it)", err)
		case err != nil:
			e.drainErrors()
			continue
		}
		if e.answered(time.Now().Add(echoPatience)) {
			return true, nil
		}
		if e.said != 0 && e.said < length {
			return false, nil
		}
	}
	return false, nil
}

// request is the ICMP message of an IP packet of length bytes.
func (e *echoer) request(length int) []byte {
	header, kind := mtu.IPv4Header, byte(8)
	if e.v6 {
		header, kind = mtu.IPv6Header, 128
	}
	b := make([]byte, length-header)
	b[0] = kind
	binary.BigEndian.PutUint16(b[4:], e.id)
	binary.BigEndian.PutUint16(b[6:], e.seq)
	if !e.v6 { // for IPv6 the kernel sums, with the addresses
		binary.BigEndian.PutUint16(b[2:], ^offload.Sum(b, 0))
	}
	return b
}

// answered waits for the reply to the last request, or for a router to say that it is too long.
func (e *echoer) answered(deadline time.Time) bool {
	for {
		for {
			n, err := unix.Read(e.fd, e.buf)
			if err != nil {
				break
			}
			if e.isReply(e.buf[:n]) {
				return true
			}
		}
		if e.drainErrors() {
			return false
		}
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		fds := []unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}
		_, _ = unix.Poll(fds, int(left.Milliseconds())+1)
	}
}

func (e *echoer) isReply(b []byte) bool {
	kind := byte(129)
	if !e.v6 { // the IP header comes, too
		if len(b) < mtu.IPv4Header {
			return false
		}
		b, kind = b[min(int(b[0]&15)*4, len(b)):], 0
	}
	return len(b) >= 8 && b[0] == kind && binary.BigEndian.Uint16(b[4:]) == e.id && binary.BigEndian.Uint16(b[6:]) == e.seq
}

// drainErrors empties the error queue. It returns true if a router said that the packet is too long.
func (e *echoer) drainErrors() (tooLong bool) {
	for {
		_, oobn, _, _, err := unix.Recvmsg(e.fd, e.buf, e.oob, unix.MSG_ERRQUEUE)
		if err != nil {
			return tooLong
		}
		messages, err := unix.ParseSocketControlMessage(e.oob[:oobn])
		if err != nil {
			continue
		}
		for _, m := range messages {
			if len(m.Data) < int(unsafe.Sizeof(unix.SockExtendedErr{})) {
				continue
			}
			x := (*unix.SockExtendedErr)(unsafe.Pointer(&m.Data[0]))
			if unix.Errno(x.Errno) == unix.EMSGSIZE && x.Info != 0 {
				e.said, tooLong = int(x.Info), true
			}
		}
	}
}

func as4(a netip.Addr) [4]byte {
	if a.Is4() {
		return a.As4()
	}
	return [4]byte{}
}

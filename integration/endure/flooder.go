package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
)

// flooder sends datagrams at a rate, with any source address, for as little processor
// time as can be: they are made before, and leave many to a system call.
type flooder struct {
	from        *lab.Namespace
	source      func() netip.AddrPort
	destination netip.AddrPort
	rate        int // datagrams a second
}

const (
	// poolLen is how many different datagrams there are before they come again.
	poolLen   = 1 << 14
	floodTick = time.Millisecond
	// floodBatch is the most that one call sends: UIO_MAXIOV.
	floodBatch = 1024

	ipv4Len, udpLen = 20, 8
)

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	sent   uint32
	_      [4]byte
}

// pool is datagrams ready for sendmmsg.
type pool struct {
	packets [][]byte
	vectors []unix.Iovec
	headers []mmsghdr
}

// makePool wraps payloads into IPv4 and UDP headers.
func (f flooder) makePool(r *rand.Rand, build func(r *rand.Rand) []byte) *pool {
	p := &pool{packets: make([][]byte, poolLen), vectors: make([]unix.Iovec, poolLen), headers: make([]mmsghdr, poolLen)}
	for i := range p.packets {
		b := wrap(f.source(), f.destination, build(r))
		p.packets[i] = b
		p.vectors[i].Base = unsafe.SliceData(b)
		p.vectors[i].SetLen(len(b))
		p.headers[i].header.Iov = &p.vectors[i]
		p.headers[i].header.SetIovlen(1)
	}
	return p
}

// wrap makes an IPv4 packet of a UDP payload.
func wrap(from, to netip.AddrPort, payload []byte) []byte {
	b := make([]byte, ipv4Len+udpLen, ipv4Len+udpLen+len(payload))
	b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(b[2:], uint16(ipv4Len+udpLen+len(payload)))
	source, destination := from.Addr().As4(), to.Addr().As4()
	copy(b[12:], source[:])
	copy(b[16:], destination[:])
	binary.BigEndian.PutUint16(b[10:], ^onesSum(0, b[:ipv4Len]))
	u := b[ipv4Len:]
	binary.BigEndian.PutUint16(u, from.Port())
	binary.BigEndian.PutUint16(u[2:], to.Port())
	binary.BigEndian.PutUint16(u[4:], uint16(udpLen+len(payload)))
	b = append(b, payload...)
	// The pseudo-header of RFC 768: addresses, protocol, length.
	sum := onesSum(uint32(unix.IPPROTO_UDP+udpLen+len(payload)), b[12:ipv4Len])
	sum = ^onesSum(uint32(sum), b[ipv4Len:])
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[ipv4Len+6:], sum)
	return b
}

// onesSum adds 16-bit words in ones' complement (RFC 1071).
func onesSum(sum uint32, b []byte) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) > 0 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// run floods until ctx ends, and returns how many datagrams left.
func (f flooder) run(ctx context.Context, p *pool) (sent int, err error) {
	fd := -1
	err = f.from.Do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			return err
		}
		return unix.Connect(fd, &unix.SockaddrInet4{Addr: f.destination.Addr().As4()})
	})
	if fd >= 0 {
		defer unix.Close(fd)
	}
	if err != nil {
		return 0, fmt.Errorf("flood from %s: %w", f.from.Role, err)
	}
	ticker := time.NewTicker(floodTick)
	defer ticker.Stop()
	next := 0
	for start := time.Now(); ctx.Err() == nil; <-ticker.C {
		// What a late tick left out is made up for, but not more than a hundred of them.
		due := int(time.Since(start).Seconds()*float64(f.rate)) - sent
		for due = min(due, f.rate/10); due > 0; {
			n := min(due, floodBatch, poolLen-next)
			done, err := sendBatch(fd, p.headers[next:next+n])
			if err != nil && err != unix.ENOBUFS && err != unix.ECONNREFUSED {
				return sent, fmt.Errorf("flood from %s: %w", f.from.Role, err)
			}
			done = max(done, 1) // an error that only says that one was lost
			sent, due, next = sent+done, due-done, (next+done)%poolLen
		}
	}
	runtime.KeepAlive(p)
	return sent, nil
}

func sendBatch(fd int, batch []mmsghdr) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&batch[0])), uintptr(len(batch)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

package load

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
)

// Flood is UDP at a set rate that listens to nobody.
type Flood struct {
	From, To *lab.Namespace
	Address  netip.Addr // of To
	Rate     uint64     // bits of payload per second
	Tunnel   int        // for the caller's accounts
}

// FloodTrace is what became of a flood.
type FloodTrace struct {
	Tunnel   int      `json:"tunnel"`
	Sent     uint64   `json:"sent"`     // bytes of payload
	Received []uint64 `json:"received"` // the same, so far, for each reading
}

const (
	// FloodDatagram is the payload of each of its datagrams in bytes: it fits any tunnel.
	FloodDatagram = 1300
	// floodTrain is how many datagrams one send gives, as segments of one superpacket.
	floodTrain = 32
)

type flood struct {
	rate             uint64
	sender, receiver *net.UDPConn
	received         atomic.Uint64
	trace            FloodTrace
}

func openFlood(spec Flood) (f *flood, err error) {
	f = &flood{rate: spec.Rate, trace: FloodTrace{Tunnel: spec.Tunnel}}
	f.sender, f.receiver, err = openUDP(spec.From, spec.To, spec.Address, func(receiver int) error {
		return errors.Join(
			unix.SetsockoptInt(receiver, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20),
			unix.SetsockoptInt(receiver, unix.IPPROTO_UDP, unix.UDP_GRO, 1))
	})
	if err != nil {
		return nil, err
	}
	err = control(f.sender, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, FloodDatagram)
	})
	if err != nil {
		f.close()
	}
	return f, err
}

func (f *flood) close() {
	f.sender.Close()
	f.receiver.Close()
}

func (f *flood) run(start, end time.Time) error {
	if err := f.receiver.SetReadDeadline(end); err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() { received <- f.discard() }()
	return errors.Join(f.send(start, end), <-received)
}

// send gives one train after another, each at its time; what a busy machine delays is caught up.
func (f *flood) send(start, end time.Time) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	train := make([]byte, FloodDatagram*floodTrain)
	pace := time.Duration(float64(len(train)*8) / float64(f.rate) * 1e9)
	for due := start; due.Before(end) && time.Now().Before(end); due = due.Add(pace) {
		sleepUntil(due)
		_, err := f.sender.Write(train)
		switch {
		case err == nil:
			f.trace.Sent += uint64(len(train))
		case errors.Is(err, net.ErrClosed):
			return nil
		case !undelivered(err):
			return err
		}
	}
	return nil
}

// discard counts what arrives without having it copied.
func (f *flood) discard() error {
	raw, err := f.receiver.SyscallConn()
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	for {
		n, readErr := 0, error(nil)
		err := raw.Read(func(fd uintptr) bool {
			n, _, readErr = unix.Recvfrom(int(fd), b, unix.MSG_TRUNC|unix.MSG_DONTWAIT)
			return readErr != unix.EAGAIN
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		case readErr != nil && readErr != unix.EINTR:
			return readErr
		case n > 0:
			f.received.Add(uint64(n))
		}
	}
}

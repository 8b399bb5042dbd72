package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
)

// Bulk is UDP from one socket to another, as fast as it goes, of datagrams of one size. Without Window it is a flood, whose
// sender listens to nobody. With Window it is what a QUIC connection does: no more is on its way than its congestion control
// allows by the acknowledgements that come back.
type Bulk struct {
	From, To *lab.Namespace
	Address  netip.Addr // of To
	Datagram int        // bytes of payload of each, at least 16
	Train    int        // datagrams that one send gives as segments (UDP_SEGMENT); 1: each by itself
	Window   bool
	Duration time.Duration
}

// BulkResult is what became of a bulk.
type BulkResult struct {
	Sent, Received uint64        // datagrams
	Took           time.Duration // from the first send to the last arrival
	// Datagrams that one receive had (UDP_GRO), on average: how large the receiving host got them.
	PerReceive float64
}

const (
	bulkBuffer = 8 << 20 // of the receiver's socket, bytes
	// ackEvery is after how many datagrams an acknowledgement is due; one is sent as well when nothing waits in the socket.
	ackEvery = 10
	ackSize  = 16
	// bulkTail is how long the last datagrams may take to arrive after the last send.
	bulkTail = 200 * time.Millisecond
)

type bulk struct {
	Bulk
	sender, receiver *net.UDPConn

	// Of the sending goroutine.
	sent     uint64
	ack      [ackSize]byte
	patience time.Time // deadline of the sender's socket

	// Of the receiving goroutine.
	back                        netip.AddrPort // of the sender
	received, receives, highest uint64
	due                         int       // datagrams since the last acknowledgement
	last                        time.Time // of an arrival
}

// Run sends for the duration and waits for what is still on its way. The end of the context ends it early, with an error.
func (spec Bulk) Run(ctx context.Context) (r BulkResult, err error) {
	if spec.Train < 1 || spec.Datagram < ackSize || spec.Train*spec.Datagram > 65000 {
		return r, fmt.Errorf("trains of %d datagrams of %d bytes", spec.Train, spec.Datagram)
	}
	b := &bulk{Bulk: spec}
	b.sender, b.receiver, err = openUDP(spec.From, spec.To, spec.Address, func(receiver int) error {
		return errors.Join(
			unix.SetsockoptInt(receiver, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bulkBuffer),
			unix.SetsockoptInt(receiver, unix.IPPROTO_UDP, unix.UDP_GRO, 1))
	})
	if err != nil {
		return r, err
	}
	defer b.receiver.Close()
	defer b.sender.Close()
	defer context.AfterFunc(ctx, func() { b.receiver.Close(); b.sender.Close() })()
	if spec.Train > 1 {
		err := control(b.sender, func(fd int) error {
			return unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, spec.Datagram)
		})
		if err != nil {
			return r, err
		}
	}
	b.back = b.sender.LocalAddr().(*net.UDPAddr).AddrPort()
	received := make(chan error, 1)
	go func() { received <- pinned(spec.To, b.receive) }()
	start := time.Now()
	sent := make(chan error, 1)
	go func() { sent <- pinned(spec.From, func() error { return b.send(start.Add(spec.Duration)) }) }()
	err = <-sent
	deadlineErr := b.receiver.SetReadDeadline(time.Now().Add(bulkTail))
	err = errors.Join(err, deadlineErr, <-received)
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	r = BulkResult{Sent: b.sent, Received: b.received, Took: b.last.Sub(start)}
	if b.receives > 0 {
		r.PerReceive = float64(b.received) / float64(b.receives)
	}
	return r, err
}

// pinned runs f on the processors of the namespace.
func pinned(n *lab.Namespace, f func() error) error {
	if err := n.PinThread(); err != nil {
		return err
	}
	return f()
}

// send gives trains of numbered datagrams to the kernel until the end.
func (b *bulk) send(end time.Time) error {
	raw, err := b.sender.SyscallConn()
	if err != nil {
		return err
	}
	train := make([]byte, b.Datagram*b.Train)
	w := newWindow()
	for now := time.Now(); now.Before(end); now = time.Now() {
		count := b.Train
		if b.Window {
			if err := b.hear(raw, &w, now); errors.Is(err, net.ErrClosed) {
				return nil
			} else if err != nil {
				return err
			}
			if count = min(count, w.room(b.sent)); count == 0 {
				continue
			}
		}
		for i := range count {
			binary.BigEndian.PutUint64(train[i*b.Datagram:], b.sent+uint64(i)+1)
		}
		_, err := b.sender.Write(train[:count*b.Datagram])
		switch {
		case err == nil:
			b.sent += uint64(count)
		case errors.Is(err, net.ErrClosed):
			return nil
		case !undelivered(err):
			return err
		}
	}
	return nil
}

// hear takes the acknowledgements that have come, and waits for more while there is no room for a whole train.
func (b *bulk) hear(raw syscall.RawConn, w *window, now time.Time) error {
	if b.patience.Sub(now) < silence {
		b.patience = now.Add(2 * silence)
		if err := b.sender.SetReadDeadline(b.patience); err != nil {
			return err
		}
	}
	var failed error
	err := raw.Read(func(fd uintptr) bool {
		for {
			n, err := unix.Read(int(fd), b.ack[:])
			switch {
			case err == unix.EAGAIN:
				return w.room(b.sent) >= min(b.Train, int(w.size))
			case err == nil && n == ackSize:
				w.acknowledged(binary.BigEndian.Uint64(b.ack[:]), binary.BigEndian.Uint64(b.ack[8:]), b.sent)
			case err != nil && err != unix.EINTR && !undelivered(err):
				failed = err
				return true
			}
		}
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.silent(b.sent)
		return nil
	}
	return errors.Join(err, failed)
}

// receive counts what arrives, and acknowledges it if the sender wants to know, until the deadline of the socket.
func (b *bulk) receive() error {
	raw, err := b.receiver.SyscallConn()
	if err != nil {
		return err
	}
	buffer := make([]byte, 1<<16)
	for {
		n, readErr := 0, error(nil)
		err := raw.Read(func(fd uintptr) bool {
			n, readErr = unix.Read(int(fd), buffer)
			if readErr != unix.EAGAIN {
				return true
			}
			b.acknowledge()
			return false
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		case readErr == unix.EINTR:
			continue
		case readErr != nil:
			return readErr
		case n < b.Datagram:
			continue // not ours
		}
		count := n / b.Datagram
		b.highest = max(b.highest, binary.BigEndian.Uint64(buffer[(count-1)*b.Datagram:]))
		b.received += uint64(count)
		b.due += count
		b.receives++
		b.last = time.Now()
		if b.due >= ackEvery {
			b.acknowledge()
		}
	}
}

// acknowledge tells the sender what has come. One that is lost is made good by the next.
func (b *bulk) acknowledge() {
	if b.due == 0 || !b.Window {
		return
	}
	b.due = 0
	var ack [ackSize]byte
	binary.BigEndian.PutUint64(ack[:], b.highest)
	binary.BigEndian.PutUint64(ack[8:], b.received)
	_, _ = b.receiver.WriteToUDPAddrPort(ack[:], b.back)
}

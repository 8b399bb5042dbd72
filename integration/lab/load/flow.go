package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
)

// Flow is one TCP connection that sends as much as it can.
type Flow struct {
	From, To   *lab.Namespace
	Address    netip.Addr // of To
	Congestion string     // congestion control of the sender; empty: the kernel's default
	Tunnel     int        // for the caller's accounts
}

// FlowTrace is what became of a flow. The slices have a value for each reading.
type FlowTrace struct {
	Tunnel   int             `json:"tunnel"`
	Received []uint64        `json:"received"` // bytes in order at the receiver so far
	Acked    []uint64        `json:"acked"`    // bytes acknowledged at the sender so far
	RTT      []time.Duration `json:"rtt_ns"`   // the sender's smoothed estimate

	LongestGap  time.Duration `json:"longest_gap_ns"` // between two ACKs, see [gapMeter]
	GapAt       time.Duration `json:"gap_at_ns"`      // its end, from the start
	RTOs        int           `json:"rtos"`           // retransmission timeouts
	Backoff     int           `json:"backoff"`        // the most timeouts in a row
	Retransmits int           `json:"retransmits"`    // segments
}

// flow is a connection with what is known of it. The sampler alone writes the trace.
type flow struct {
	sender, receiver *net.TCPConn
	gap              gapMeter
	trace            FlowTrace
	rtosBefore       int // in the handshake
}

// openTimeout is how long a handshake may take.
const openTimeout = 5 * time.Second

func openFlow(ctx context.Context, spec Flow) (*flow, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	listener, err := spec.To.ListenTCP(spec.Address)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	if err := listener.SetDeadline(time.Now().Add(openTimeout)); err != nil {
		return nil, err
	}
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error { return setCongestion(c, spec.Congestion) }}
	f := &flow{trace: FlowTrace{Tunnel: spec.Tunnel}}
	err = spec.From.Do(func() error {
		c, err := dialer.DialContext(ctx, "tcp", listener.Addr().String())
		if err == nil {
			f.sender = c.(*net.TCPConn)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if f.receiver, err = listener.AcceptTCP(); err != nil {
		f.sender.Close()
		return nil, err
	}
	info, err := tcpInfo(f.sender)
	if err != nil {
		f.close()
		return nil, err
	}
	f.rtosBefore = int(info.Total_rto)
	return f, nil
}

func setCongestion(c syscall.RawConn, algorithm string) (err error) {
	if algorithm == "" {
		return nil
	}
	e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, algorithm)
	})
	if err := errors.Join(e, err); err != nil {
		return fmt.Errorf("congestion control %s: %w", algorithm, err)
	}
	return nil
}

// ErrNoCongestion is wrapped by the error of [CheckCongestion] for what this kernel does not have.
var ErrNoCongestion = errors.New("this kernel does not have it")

// CheckCongestion tells whether the kernel has a congestion control of this name, loading it if it can.
func CheckCongestion(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("congestion control %s: %w", name, ErrNoCongestion)
	}
	return err
}

// close resets the connection, so that nothing of it is left in any queue's way.
func (f *flow) close() {
	_ = f.sender.SetLinger(0)
	f.sender.Close()
	f.receiver.Close()
}

// chunk is what one write gives and one read takes at most.
const chunk = 1 << 18

func (f *flow) run(start, end time.Time) error {
	if err := errors.Join(f.sender.SetDeadline(end), f.receiver.SetDeadline(end)); err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() { received <- discard(f.receiver) }()
	time.Sleep(time.Until(start))
	b := make([]byte, chunk)
	var err error
	for err == nil {
		_, err = f.sender.Write(b)
	}
	return errors.Join(unlessOver(err), unlessOver(<-received))
}

// unlessOver is nil for the errors by which a connection learns that the measurement is over, or that its peer thinks so.
func unlessOver(err error) error {
	for _, expected := range []error{context.DeadlineExceeded, net.ErrClosed, unix.ECONNRESET, unix.EPIPE} {
		if errors.Is(err, expected) {
			return nil
		}
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return nil
	}
	return err
}

// discard receives without having the bytes copied: with MSG_TRUNC, TCP drops them in the kernel.
func discard(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	b := make([]byte, chunk) // for its length: nothing is written to it
	for {
		n, readErr := 0, error(nil)
		err := raw.Read(func(fd uintptr) bool {
			n, _, readErr = unix.Recvfrom(int(fd), b, unix.MSG_TRUNC|unix.MSG_DONTWAIT)
			return readErr != unix.EAGAIN
		})
		switch {
		case err != nil:
			return err
		case readErr != nil && readErr != unix.EINTR:
			return readErr
		case readErr == nil && n == 0:
			return nil
		}
	}
}

// tcpInfo asks the kernel about a connection.
func tcpInfo(c *net.TCPConn) (info *unix.TCPInfo, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	e := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	return info, errors.Join(e, err)
}

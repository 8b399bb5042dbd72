package load

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
)

// Probe is a sparse flow of small UDP datagrams at an even pace, each of which is followed: what a call or a game would see.
type Probe struct {
	From, To *lab.Namespace
	Address  netip.Addr    // of To
	Interval time.Duration // 0: 5 ms
	Size     int           // bytes of payload; 0: 64
}

// ProbeTrace is what became of the datagrams. Delays are one way: from right before the send to when the receiver's kernel had
// the packet, so that neither program's own waiting for a processor counts.
type ProbeTrace struct {
	Sent   int             `json:"sent"`
	Lost   int             `json:"lost"`
	At     []time.Duration `json:"at_ns"`    // when those were sent that arrived, from the start
	Delays []time.Duration `json:"delay_ns"` // of the same
}

const (
	defaultProbeInterval = 5 * time.Millisecond
	defaultProbeSize     = 64
	// probeHeader is a number and the time of the send.
	probeHeader = 16
)

type probe struct {
	interval         time.Duration
	size             int
	sender, receiver *net.UDPConn
	sent             int

	mu         sync.Mutex // guards what follows while the load runs
	at, delays []time.Duration
}

func openProbe(spec Probe) (p *probe, err error) {
	p = &probe{interval: spec.Interval, size: max(spec.Size, probeHeader)}
	if p.interval == 0 {
		p.interval = defaultProbeInterval
	}
	if spec.Size == 0 {
		p.size = defaultProbeSize
	}
	p.sender, p.receiver, err = openUDP(spec.From, spec.To, spec.Address, func(receiver int) error {
		return errors.Join(
			unix.SetsockoptInt(receiver, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20),
			unix.SetsockoptInt(receiver, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1))
	})
	return p, err
}

// openUDP opens a socket to receive by and one connected to it.
func openUDP(from, to *lab.Namespace, address netip.Addr, prepare func(receiver int) error) (sender, receiver *net.UDPConn, err error) {
	err = to.Do(func() (err error) {
		receiver, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	err = errors.Join(control(receiver, prepare), from.Do(func() (err error) {
		sender, err = net.DialUDP("udp", nil, receiver.LocalAddr().(*net.UDPAddr))
		return err
	}))
	if err != nil {
		receiver.Close()
		if sender != nil {
			sender.Close()
		}
		return nil, nil, err
	}
	return sender, receiver, nil
}

func control(c *net.UDPConn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) { inner = f(int(fd)) })
	return errors.Join(err, inner)
}

func (p *probe) close() {
	p.sender.Close()
	p.receiver.Close()
}

// run sends on a thread of its own, before all others of the machine if that is allowed, so that a busy machine neither
// stretches the pace nor comes between the clock's reading and the send.
func (p *probe) run(start, end time.Time) error {
	if err := p.receiver.SetReadDeadline(end.Add(tail)); err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() { received <- p.receive(start) }()
	sent := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine, and its priority with it
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
		sent <- p.send(start, end)
	}()
	return errors.Join(<-sent, <-received)
}

func (p *probe) send(start, end time.Time) error {
	b := make([]byte, p.size)
	for due := start; due.Before(end); due = due.Add(p.interval) {
		sleepUntil(due)
		binary.BigEndian.PutUint64(b, uint64(p.sent))
		binary.BigEndian.PutUint64(b[8:], uint64(time.Now().UnixNano()))
		p.sent++
		if _, err := p.sender.Write(b); err != nil && !undelivered(err) {
			return unlessOver(err)
		}
	}
	return nil
}

// undelivered tells whether a send failed as it may on a network in trouble, some of them because of an earlier datagram.
func undelivered(err error) bool {
	for _, known := range []error{unix.ECONNREFUSED, unix.ENOBUFS, unix.EHOSTUNREACH, unix.ENETUNREACH} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// receive notes what arrives, each number once, by the kernel's time stamp.
func (p *probe) receive(start time.Time) error {
	b, oob := make([]byte, 2048), make([]byte, 128)
	seen := map[uint64]bool{}
	epoch := start.UnixNano()
	for {
		n, oobn, _, _, err := p.receiver.ReadMsgUDPAddrPort(b, oob)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		case n < probeHeader:
			continue
		}
		number, sent := binary.BigEndian.Uint64(b), int64(binary.BigEndian.Uint64(b[8:]))
		arrived, err := stamp(oob[:oobn])
		if err != nil {
			return err
		}
		if !seen[number] {
			seen[number] = true
			p.note(time.Duration(sent-epoch), time.Duration(arrived-sent))
		}
	}
}

func (p *probe) note(at, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.delays = append(p.at, at), append(p.delays, delay)
}

func (p *probe) trace() ProbeTrace {
	return ProbeTrace{Sent: p.sent, Lost: p.sent - len(p.delays), At: p.at, Delays: p.delays}
}

// errNoStamp says that a datagram came without the kernel's time.
var errNoStamp = errors.New("the kernel gave no time of arrival")

// stamp finds the time of arrival, in nanoseconds since 1970, among control messages.
func stamp(oob []byte) (int64, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			return int64(binary.NativeEndian.Uint64(m.Data))*1e9 + int64(binary.NativeEndian.Uint64(m.Data[8:])), nil
		}
	}
	return 0, errNoStamp
}

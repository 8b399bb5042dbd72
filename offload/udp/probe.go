//go:build linux

package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Support is what Probe found to work on this machine.
type Support struct {
	Segment     bool   // UDP_SEGMENT trains arrive whole and intact
	GRO         bool   // UDP_GRO delivers trains glued, with their size
	MaxSegments int    // datagrams that one train may hold; 1 without Segment
	Why         string // what is missing and why; empty when nothing is
}

// probePatience bounds the wait for a datagram over loopback, which arrives
// before its send returns unless the machine is very busy.
const probePatience = 500 * time.Millisecond

// probeTrain is one train to send through loopback.
type probeTrain struct{ size, count, last int }

func (p probeTrain) String() string {
	return fmt.Sprintf("%d datagrams of %d bytes, the last of %d", p.count, p.size, p.last)
}

// Some kernels damage only trains of equal lengths, so both kinds are tried.
var probeTrains = []probeTrain{
	{size: 1000, count: DefaultSegments, last: 1000},
	{size: 1408, count: 46, last: 1408},
	{size: 1408, count: 46, last: 517},
	{size: 96, count: 2, last: 96},
	{size: 96, count: 2, last: 1},
}

var probeLargest = probeTrain{size: 500, count: MaxSegments, last: 500}

// Probe sends trains over loopback sockets of its own, in the network
// namespace of the calling thread, and compares what arrives with UDP_GRO and
// without it. It takes a few milliseconds and needs the loopback interface up.
//
// What does not work is no error but is said in Support. The error means that
// nothing could be tried; Support then claims nothing. What o disables is not
// tried and not supported.
func Probe(o Options) (Support, error) {
	support, err := probe(o)
	if err != nil {
		return Support{MaxSegments: 1}, fmt.Errorf("probe UDP offloads over loopback: %w", err)
	}
	return support, nil
}

func probe(o Options) (Support, error) {
	support := Support{MaxSegments: 1}
	plain, err := newProbePair(Options{DisableGRO: true, DisableSegment: o.DisableSegment})
	if err != nil {
		return support, err
	}
	defer plain.close()
	// A pair over which single datagrams do not pass can judge nothing.
	if _, err := plain.pass(probeTrain{size: 64, count: 1, last: 64}); err != nil {
		return support, err
	}
	glued, err := newProbePair(Options{DisableGRO: o.DisableGRO, DisableSegment: o.DisableSegment})
	if err != nil {
		return support, err
	}
	defer glued.close()

	support.Segment, support.Why = probeSegment(o, plain)
	if !support.Segment {
		// Without trains there is nothing for UDP_GRO to glue here.
		support.GRO = glued.to.GRO()
		if !support.GRO {
			support.Why += "; " + whyNoGRO(o)
		}
		return support, nil
	}
	support.MaxSegments = DefaultSegments
	if _, err := plain.pass(probeLargest); err == nil {
		support.MaxSegments = MaxSegments
	}
	support.GRO, support.Why = probeGRO(o, glued)
	return support, nil
}

func probeSegment(o Options, pair *probePair) (ok bool, why string) {
	switch {
	case o.DisableSegment:
		return false, "UDP_SEGMENT: disabled"
	case !pair.from.Segmenting():
		return false, "UDP_SEGMENT: not known to this kernel"
	}
	for _, train := range probeTrains {
		if _, err := pair.pass(train); err != nil {
			return false, fmt.Sprintf("UDP_SEGMENT: %s: %v", train, err)
		}
	}
	return true, ""
}

func probeGRO(o Options, pair *probePair) (ok bool, why string) {
	if !pair.to.GRO() {
		return false, whyNoGRO(o)
	}
	for _, train := range probeTrains {
		receives, err := pair.pass(train)
		if err != nil {
			return false, fmt.Sprintf("UDP_GRO: %s: %v", train, err)
		}
		if receives == train.count {
			return false, fmt.Sprintf("UDP_GRO: %s: arrived one by one", train)
		}
	}
	return true, ""
}

func whyNoGRO(o Options) string {
	if o.DisableGRO {
		return "UDP_GRO: disabled"
	}
	return "UDP_GRO: not known to this kernel"
}

// probePair is a socket connected to another over loopback.
type probePair struct {
	from, to   *Socket
	sent, got  []byte
	recvBuffer []byte
}

func newProbePair(o Options) (*probePair, error) {
	loopback := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	to, err := Listen(loopback, o)
	if err != nil {
		return nil, err
	}
	from, err := Connect(loopback, to.LocalAddr(), o)
	if err != nil {
		to.Close()
		return nil, err
	}
	return &probePair{
		from: from, to: to,
		sent: make([]byte, 0, MaxTrain), got: make([]byte, 0, MaxTrain), recvBuffer: make([]byte, 1<<16),
	}, nil
}

func (p *probePair) close() {
	p.from.Close()
	p.to.Close()
}

var (
	errFellBack = errors.New("the kernel refused to segment")
	errDamaged  = errors.New("arrived damaged")
	errMissing  = errors.New("did not arrive")
)

// pass sends one train and checks the length of every datagram and all bytes
// of what arrives. It returns the number of receives that took.
func (p *probePair) pass(train probeTrain) (receives int, err error) {
	p.sent = p.sent[:(train.count-1)*train.size+train.last]
	for i := range p.sent {
		p.sent[i] = byte(uint32(i) * 2654435761 >> 24) // no two datagrams alike
	}
	result, err := p.from.Send(p.sent, train.size, 0)
	switch {
	case result.Fallback:
		return 0, errFellBack
	case err != nil:
		return 0, fmt.Errorf("send: %w", err)
	}
	p.got = p.got[:0]
	for len(p.got) < len(p.sent) {
		var d Datagrams
		if err := p.recv(&d); err != nil {
			return 0, err
		}
		receives++
		for rest := d.Bytes; len(rest) > 0; {
			n := min(d.Size, len(rest))
			if want := min(train.size, len(p.sent)-len(p.got)); n != want {
				return 0, fmt.Errorf("%w: a datagram of %d bytes instead of %d", errDamaged, n, want)
			}
			p.got = append(p.got, rest[:n]...)
			rest = rest[n:]
		}
		if len(d.Bytes) == 0 {
			return 0, fmt.Errorf("%w: an empty datagram", errDamaged)
		}
	}
	if !bytes.Equal(p.got, p.sent) {
		return 0, errDamaged
	}
	return receives, nil
}

// recv waits for the next datagram from the pair's sender.
func (p *probePair) recv(d *Datagrams) error {
	for {
		switch err := p.to.Recv(p.recvBuffer, d); {
		case err == nil && d.From == p.from.LocalAddr():
			return nil
		case err == nil:
			continue // somebody else's
		case err != ErrWouldBlock:
			return fmt.Errorf("receive: %w", err)
		}
		fds := []unix.PollFd{{Fd: int32(p.to.FD()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(probePatience.Milliseconds()))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("poll: %w", err)
		case n == 0:
			return errMissing
		}
	}
}

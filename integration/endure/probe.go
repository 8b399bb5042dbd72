package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
)

// probe sends numbered UDP datagrams at an even pace and looks at what arrives: the
// one flow of which every single packet is followed. It stays far below its fair
// share, so that the queue of a gateway, which TCP fills, has no reason to drop it.
type probe struct {
	from, to *lab.Namespace
	address  netip.Addr // of to
	interval time.Duration
	size     int // bytes of payload, at least 8
}

// probeResult is what became of the datagrams.
type probeResult struct {
	Sent       int           `json:"sent"`
	Lost       int           `json:"lost"`
	Duplicates int           `json:"duplicates"`
	Reordered  int           `json:"reordered"` // arrived after one sent later
	LongestGap time.Duration `json:"longest_gap_ns"`
}

func (r probeResult) add(o probeResult) probeResult {
	return probeResult{r.Sent + o.Sent, r.Lost + o.Lost, r.Duplicates + o.Duplicates, r.Reordered + o.Reordered, max(r.LongestGap, o.LongestGap)}
}

// share is the part that was lost.
func (r probeResult) share() float64 { return float64(r.Lost) / float64(max(r.Sent, 1)) }

// probeTail is how long the last datagrams may take to arrive.
const probeTail = 500 * time.Millisecond

// run probes until ctx ends.
func (p probe) run(ctx context.Context) (probeResult, error) {
	receiver, sender, err := p.open()
	if err != nil {
		return probeResult{}, fmt.Errorf("probe from %s to %s: %w", p.from.Role, p.address, err)
	}
	defer receiver.Close()
	defer sender.Close()
	arrived := make(chan arrivals, 1)
	go func() { arrived <- receiveNumbers(receiver) }()

	b := make([]byte, p.size)
	sent := uint64(0)
	ticker := time.NewTicker(p.interval)
	defer ticker.Stop()
	for start := time.Now(); ctx.Err() == nil; <-ticker.C {
		// A ticker that came late leaves out ticks; the pace is kept by the clock.
		for due := uint64(time.Since(start)/p.interval) + 1; sent < due; sent++ {
			binary.BigEndian.PutUint64(b, sent)
			if _, err := sender.Write(b); err != nil {
				return probeResult{}, fmt.Errorf("probe from %s to %s: %w", p.from.Role, p.address, err)
			}
		}
	}
	if err := receiver.SetReadDeadline(time.Now().Add(probeTail)); err != nil {
		return probeResult{}, err
	}
	a := <-arrived
	return a.result(sent), a.err
}

func (p probe) open() (receiver, sender *net.UDPConn, err error) {
	err = p.to.Do(func() (err error) {
		receiver, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.address, 0)))
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	err = errors.Join(forceReadBuffer(receiver), p.from.Do(func() (err error) {
		sender, err = net.DialUDP("udp", nil, receiver.LocalAddr().(*net.UDPAddr))
		return err
	}))
	if err != nil {
		receiver.Close()
		return nil, nil, err
	}
	return receiver, sender, nil
}

// forceReadBuffer makes room for seconds of a probe, whatever the machine's limits.
func forceReadBuffer(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var optErr error
	err = raw.Control(func(fd uintptr) {
		optErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
	})
	return errors.Join(err, optErr)
}

// arrivals tallies numbers in the order of their arrival.
type arrivals struct {
	seen       map[uint64]bool
	next       uint64 // above the highest number seen
	duplicates int
	reordered  int
	last       time.Time
	gap        time.Duration
	err        error
}

func (a *arrivals) add(number uint64, at time.Time) {
	if a.seen == nil {
		a.seen = map[uint64]bool{}
	}
	if !a.last.IsZero() {
		a.gap = max(a.gap, at.Sub(a.last))
	}
	a.last = at
	switch {
	case a.seen[number]:
		a.duplicates++
		return
	case number < a.next:
		a.reordered++
	default:
		a.next = number + 1
	}
	a.seen[number] = true
}

func (a *arrivals) result(sent uint64) probeResult {
	return probeResult{Sent: int(sent), Lost: int(sent) - len(a.seen), Duplicates: a.duplicates, Reordered: a.reordered, LongestGap: a.gap}
}

// receiveNumbers tallies what arrives until the connection's deadline.
func receiveNumbers(c *net.UDPConn) (a arrivals) {
	b := make([]byte, 2048)
	for {
		n, err := c.Read(b)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return a
		case err != nil:
			a.err = fmt.Errorf("probe at %s: %w", c.LocalAddr(), err)
			return a
		case n >= 8:
			a.add(binary.BigEndian.Uint64(b), time.Now())
		}
	}
}

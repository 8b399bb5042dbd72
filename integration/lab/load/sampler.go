package load

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// sampler reads every flow: the age of its last ACK at each look, everything else once an interval.
type sampler struct {
	flows    []*flow
	floods   []*flood
	interval time.Duration
	times    []time.Duration
	closed   atomic.Bool
}

// look is how often the age of the last ACK is read.
const look = 5 * time.Millisecond

func (s *sampler) close() { s.closed.Store(true) }

// run has a thread of its own: the kernel wakes it in time even when all goroutines are busy.
func (s *sampler) run(start, end time.Time) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	next := start
	for due := start; !due.After(end) && !s.closed.Load(); due = due.Add(look) {
		if late := time.Since(due); late > look {
			due = due.Add(late.Truncate(look))
		}
		sleepUntil(due)
		full := !due.Before(next)
		at := time.Since(start)
		if full {
			s.times = append(s.times, at)
			next = next.Add(s.interval)
			for _, f := range s.floods {
				f.trace.Received = append(f.trace.Received, f.received.Load())
			}
		}
		for i, f := range s.flows {
			if err := f.sample(start, full); err != nil {
				return fmt.Errorf("flow %d: %w", i, err)
			}
		}
	}
	return nil
}

// sample reads the flow's two ends.
func (f *flow) sample(start time.Time, full bool) error {
	info, err := tcpInfo(f.sender)
	if err != nil {
		return err
	}
	t := &f.trace
	f.gap.observe(time.Since(start), time.Duration(info.Last_ack_recv)*time.Millisecond)
	t.LongestGap, t.GapAt = f.gap.longest, f.gap.end
	t.Backoff = max(t.Backoff, int(info.Backoff))
	if !full {
		return nil
	}
	receiver, err := tcpInfo(f.receiver)
	if err != nil {
		return err
	}
	t.Received = append(t.Received, receiver.Bytes_received)
	t.Acked = append(t.Acked, info.Bytes_acked)
	t.RTT = append(t.RTT, time.Duration(info.Rtt)*time.Microsecond)
	t.RTOs = int(info.Total_rto) - f.rtosBefore
	t.Retransmits = int(info.Total_retrans)
	return nil
}

// sleepUntil blocks the thread.
func sleepUntil(t time.Time) {
	for d := time.Until(t); d > 0; d = time.Until(t) {
		ts := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&ts, nil) // interrupted: the rest is slept
	}
}

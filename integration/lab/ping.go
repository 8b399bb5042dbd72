package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ping sends ICMP echo requests from a namespace, without any program.
type Ping struct {
	From     *Namespace
	To       netip.Addr
	Count    int           // 0: 10
	Interval time.Duration // between requests; 0: 100 ms
	Wait     time.Duration // for the last replies; 0: 1 s
	Size     int           // bytes of payload, at least 8; 0: 56
}

// PingResult is what came back. Times are round trips of first replies, from the send call to the kernel's receive time stamp.
type PingResult struct {
	Sent, Received, Duplicates  int
	Min, Mean, Median, P99, Max time.Duration
	LongestGap                  time.Duration // between the first replies that followed one another
}

// LossPercent is the share of requests without a reply.
func (r PingResult) LossPercent() float64 {
	if r.Sent == 0 {
		return 0
	}
	return 100 * float64(r.Sent-r.Received) / float64(r.Sent)
}

func (r PingResult) String() string {
	return fmt.Sprintf("%d/%d replies, round trip median %v, 99 %% %v, max %v", r.Received, r.Sent,
		r.Median.Round(time.Microsecond), r.P99.Round(time.Microsecond), r.Max.Round(time.Microsecond))
}

// pingID tells simultaneous pings of one namespace apart.
var pingID atomic.Uint32

// Run sends the requests and gathers the replies. A host that does not answer is no error, but a result with nothing received;
// so is a network unreachable. When the context ends, Run returns what it has, without an error.
func (p Ping) Run(ctx context.Context) (PingResult, error) {
	p.Count, p.Size = orDefault(p.Count, 10), max(8, orDefault(p.Size, 56))
	p.Interval, p.Wait = orDefault(p.Interval, 100*time.Millisecond), orDefault(p.Wait, time.Second)
	fd, err := p.open()
	if err != nil {
		return PingResult{}, fmt.Errorf("ping %s from %s: %w", p.To, p.From.Name, err)
	}
	defer unix.Close(fd)
	// One thread that sleeps between its system calls: others of this process that wake up
	// for a packet would keep the processors from those who forward it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer shortSlices()()

	in := pingInbox{fd: fd, id: uint16(pingID.Add(1)) ^ uint16(os.Getpid()), data: make([]byte, 65536), control: make([]byte, 128)}
	to := p.sockaddr()
	t := pingTally{sent: make([]time.Time, 0, p.Count), seen: make([]bool, p.Count)}
	next := time.Now() // request, or the end
	for t.received < p.Count && ctx.Err() == nil {
		wait := time.Until(next)
		switch {
		case wait > 0:
			if r, ok := in.receive(min(wait, maxPingWait)); ok {
				t.add(r)
			}
		case len(t.sent) == p.Count:
			return t.result(), nil
		default:
			p.send(fd, to, in.id, &t)
			if next = next.Add(p.Interval); len(t.sent) == p.Count {
				next = time.Now().Add(p.Wait)
			}
		}
	}
	return t.result(), nil
}

// shortSlices asks for short slices of the processor for this thread, until the returned function is called. A gateway's threads do
// so (EEVDF, Linux 6.12), and here share the processor of the host that pings, as they never do elsewhere: they would take it away
// within the send call, whose thread is then still waiting for it when they send on, and the kernel wakes the next gateway up on
// another processor, out of its sleep, since this one is taken.
func shortSlices() (restore func()) {
	const shortest = 100 * time.Microsecond // that Linux grants
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL {
		return func() {}
	}
	before := *attr
	attr.Runtime = uint64(shortest)
	if unix.SchedSetAttr(0, attr, 0) != nil {
		return func() {} // it measures nevertheless
	}
	return func() { _ = unix.SchedSetAttr(0, &before, 0) }
}

// maxPingWait is how long the end of the context may go unnoticed.
const maxPingWait = 50 * time.Millisecond

func (p Ping) open() (fd int, err error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if p.To.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	err = p.From.Do(func() error {
		if fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			unix.Close(fd)
			return err
		}
		return nil
	})
	return fd, err
}

func (p Ping) sockaddr() unix.Sockaddr {
	if p.To.Is6() {
		return &unix.SockaddrInet6{Addr: p.To.As16()}
	}
	return &unix.SockaddrInet4{Addr: p.To.As4()}
}

// ICMP types (RFC 792, RFC 4443).
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
	icmpHeaderLen            = 8
)

// send sends the next request. A refusal of the kernel (no route, link down, full buffer) counts as a loss.
func (p Ping) send(fd int, to unix.Sockaddr, id uint16, t *pingTally) {
	b := make([]byte, icmpHeaderLen+p.Size)
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], uint16(len(t.sent)))
	if p.To.Is6() {
		b[0] = echoRequest6 // the kernel fills in the checksum
	} else {
		b[0] = echoRequest4
		binary.BigEndian.PutUint16(b[2:], onesComplementSum(b))
	}
	t.sent = append(t.sent, time.Now())
	_ = unix.Sendto(fd, b, 0, to)
}

// onesComplementSum is the Internet checksum (RFC 1071) of an even number of bytes or, for an odd one, of b with a zero behind.
func onesComplementSum(b []byte) uint16 {
	var sum uint32
	for i, v := range b {
		if i%2 == 0 {
			sum += uint32(v) << 8
		} else {
			sum += uint32(v)
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

type reply struct {
	seq uint16
	at  time.Time
}

// pingInbox is where replies come in.
type pingInbox struct {
	fd            int
	id            uint16
	data, control []byte
}

// unseen is held by the ping whose sleeps the Go scheduler does not hear of: one at most, so that
// others of this process have processors.
var unseen sync.Mutex

// await tells whether something came in time. A sleep that the Go scheduler hears of ends with a
// wake-up of the runtime's monitor, which is a processor that those who forward the next request
// find busy.
func (in *pingInbox) await(wait time.Duration) bool {
	timeout := unix.NsecToTimespec(int64(wait))
	poll := []unix.PollFd{{Fd: int32(in.fd), Events: unix.POLLIN}}
	if runtime.GOMAXPROCS(0) > 1 && unseen.TryLock() {
		defer unseen.Unlock()
		n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&poll[0])), 1, uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
		return errno == 0 && n > 0
	}
	n, err := unix.Ppoll(poll, &timeout, nil)
	return err == nil && n > 0
}

// receive waits for the next reply. Whatever else comes ends the wait as well.
func (in *pingInbox) receive(wait time.Duration) (r reply, ok bool) {
	if !in.await(wait) {
		return r, false
	}
	n, nc, _, _, err := unix.Recvmsg(in.fd, in.data, in.control, 0)
	if err != nil {
		return r, false // an ICMP error, for example, which is no reply
	}
	now := time.Now()
	if r.seq, ok = parseEchoReply(in.data[:n], in.id); ok {
		r.at = receiveTime(in.control[:nc], now)
	}
	return r, ok
}

// parseEchoReply reads an ICMP or ICMPv6 message; raw IPv4 sockets give the IP header with it.
func parseEchoReply(b []byte, id uint16) (seq uint16, ok bool) {
	if len(b) > 0 && b[0]>>4 == 4 {
		header := int(b[0]&15) * 4
		if len(b) < header {
			return 0, false
		}
		b = b[header:]
	}
	if len(b) < icmpHeaderLen || (b[0] != echoReply4 && b[0] != echoReply6) || b[1] != 0 {
		return 0, false
	}
	return binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint16(b[4:]) == id
}

// receiveTime is the kernel's time stamp, or now if there is none.
func receiveTime(control []byte, now time.Time) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return now
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			seconds := int64(binary.NativeEndian.Uint64(m.Data))
			nanoseconds := int64(binary.NativeEndian.Uint64(m.Data[8:]))
			return time.Unix(seconds, nanoseconds)
		}
	}
	return now
}

// pingTally matches replies with requests.
type pingTally struct {
	sent       []time.Time
	seen       []bool
	received   int
	duplicates int
	trips      []time.Duration
	lastReply  time.Time
	gap        time.Duration
}

func (t *pingTally) add(r reply) {
	if int(r.seq) >= len(t.sent) {
		return
	}
	if t.seen[r.seq] {
		t.duplicates++
		return
	}
	t.seen[r.seq] = true
	t.received++
	// The kernel's stamp is wall clock time; so is this reading of the request's.
	t.trips = append(t.trips, max(0, r.at.Round(0).Sub(t.sent[r.seq].Round(0))))
	if !t.lastReply.IsZero() {
		t.gap = max(t.gap, r.at.Sub(t.lastReply))
	}
	t.lastReply = r.at
}

func (t *pingTally) result() PingResult {
	r := PingResult{Sent: len(t.sent), Received: t.received, Duplicates: t.duplicates, LongestGap: t.gap}
	if len(t.trips) == 0 {
		return r
	}
	slices.Sort(t.trips)
	var sum time.Duration
	for _, d := range t.trips {
		sum += d
	}
	last := len(t.trips) - 1
	r.Min, r.Max, r.Mean = t.trips[0], t.trips[last], sum/time.Duration(len(t.trips))
	r.Median, r.P99 = t.trips[len(t.trips)/2], t.trips[min(last, len(t.trips)*99/100)]
	return r
}

package relay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Options describe a relay between two ends, A and B. Each end sees the relay as its peer, like a NAT between them.
type Options struct {
	Seed       uint64
	AToB, BToA Profile
	// PeerA and PeerB are where datagrams for the ends go. A zero one is learnt from the latest datagram that came in on
	// that side; what is for it before then is lost without being counted.
	PeerA, PeerB netip.AddrPort
}

// Relay passes datagrams on until it is closed. Its methods may be called by any goroutine.
type Relay struct {
	a, b *side
	done sync.WaitGroup
}

// side is what faces one end: its socket, and the direction that begins there.
type side struct {
	conn    *net.UDPConn
	peer    atomic.Pointer[netip.AddrPort]
	profile atomic.Pointer[Profile]
	fixed   bool          // the peer is configured, not learnt
	wake    chan struct{} // something new may be due

	mu   sync.Mutex // guards line
	line *Line
}

// Listen opens the sockets and starts the relay. For a relay inside a network namespace call it on a thread that is in it.
func Listen(a, b netip.AddrPort, o Options) (*Relay, error) {
	connA, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	if err != nil {
		return nil, fmt.Errorf("relay, side A: %w", err)
	}
	connB, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(b))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("relay, side B: %w", err), connA.Close())
	}
	r := &Relay{a: newSide(connA, o.PeerA, o.AToB, o.Seed), b: newSide(connB, o.PeerB, o.BToA, o.Seed+1)}
	r.done.Add(4)
	for _, way := range [][2]*side{{r.a, r.b}, {r.b, r.a}} {
		go func() { defer r.done.Done(); way[0].receive(way[1]) }()
		go func() { defer r.done.Done(); way[0].deliver(way[1]) }()
	}
	return r, nil
}

// socketBuffer in bytes takes the bursts of a gateway that sends 64 KiB in one call.
const socketBuffer = 8 << 20

func newSide(conn *net.UDPConn, peer netip.AddrPort, p Profile, seed uint64) *side {
	// As much as the kernel allows; less makes the wire only a little worse.
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	s := &side{conn: conn, fixed: peer.IsValid(), wake: make(chan struct{}, 1), line: NewLine(seed)}
	if peer.IsValid() {
		s.peer.Store(&peer)
	}
	s.profile.Store(&p)
	return s
}

// SetProfiles changes what happens to datagrams that arrive from now on.
func (r *Relay) SetProfiles(aToB, bToA Profile) {
	r.a.profile.Store(&aToB)
	r.b.profile.Store(&bToA)
}

// Counts tells what became of the datagrams of both directions so far.
func (r *Relay) Counts() (aToB, bToA Counts) { return r.a.counts(), r.b.counts() }

func (s *side) counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line.Counts()
}

// Close ends the relay; datagrams that still wait are lost. It may be called more than once.
func (r *Relay) Close() {
	r.a.conn.Close()
	r.b.conn.Close()
	r.done.Wait()
}

// receive puts datagrams into the line, and sends what is due at once, until the socket is closed.
func (s *side) receive(to *side) {
	defer close(s.wake)
	b := make([]byte, 65536)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error about an earlier send
		}
		if known := s.peer.Load(); !s.fixed && (known == nil || *known != from) {
			s.peer.Store(&from)
		}
		now := time.Now()
		s.mu.Lock()
		s.line.Push(now, *s.profile.Load(), b[:n])
		waits := s.sendDue(now, to)
		s.mu.Unlock()
		if waits {
			select {
			case s.wake <- struct{}{}:
			default:
			}
		}
	}
}

// sendDue sends everything due and tells whether something is left. The lock is held.
func (s *side) sendDue(now time.Time, to *side) (waits bool) {
	for datagram := s.line.Pop(now); datagram != nil; datagram = s.line.Pop(now) {
		if peer := to.peer.Load(); peer != nil {
			_, _ = to.conn.WriteToUDPAddrPort(datagram, *peer) // a wire does not report
		}
	}
	_, waits = s.line.Due()
	return waits
}

// deliver sends delayed datagrams when their time comes, until receive has ended.
func (s *side) deliver(to *side) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case _, open := <-s.wake:
			if !open {
				return
			}
		case <-timer.C:
		}
		s.mu.Lock()
		s.sendDue(time.Now(), to)
		due, waits := s.line.Due()
		s.mu.Unlock()
		if waits {
			timer.Reset(time.Until(due))
		}
	}
}

package lane

import (
	"math/bits"
	"net/netip"
	"sync/atomic"
	"time"

	"vpngw/fairness"
	"vpngw/tunnel/drop"
)

// Tunnel is a lane's side of one tunnel. Its exported fields are fixed once it was
// given to a lane, but for Counters, which any goroutine may read.
type Tunnel struct {
	ID       uint32
	Name     string
	Counters Counters

	// NoECN makes the outer headers say that they are not ECN-capable, whatever those
	// inside say: the compatibility mode of RFC 6040 §4.1. What comes in is not
	// concerned.
	NoECN bool
	// CopyDSCP gives the outer headers the DSCP of those inside (RFC 4301 §5.1.2).
	// Otherwise it is 0. The DSCP inside is never changed: the pipe model of RFC 2983.
	CopyDSCP bool
	// NoMSSClamp leaves the segment size that TCP's SYNs offer as it is, both ways.
	NoMSSClamp bool
	// PathEvents has control told of LargeSent and of PathHint.
	PathEvents bool

	Strand int // which strand it is of the tunnel with that ID, and of which lane; 0: the tunnel itself

	home   atomic.Pointer[Lane] // all below but errand is of its goroutine
	errand errand

	strands []*Tunnel // by lane, each of the goroutine of that one; nil: it has none

	dealt      []*Tunnel // t and its strands, to which flows are dealt out
	dealtUntil int64     // lane time

	share    TunnelQueue
	uplink   *Uplink // nil: it has no way out yet
	class    *fairness.Class[*slot]
	counters atomic.Pointer[fairness.ClassCounters]
	flight   flight
	kept     bool // train was left open at the end of the last turn
	out      *Outbound
	socket   *endpoint
	full     []*train // datagrams sealed and not yet sent, oldest first, and after them
	train    *train   // the train that is being filled
	open     bool     // in Lane.open: there is something to send
	failedAt int64    // lane time of the last SocketFailed
	movedAt  int64    // lane time of the last Moved

	mtu      int   // longest packet that crosses the path to the peer; 0: not known
	late     *late // nil while mtu was never known
	largeAt  int64 // lane time of the last LargeSent
	hintAt   int64 // lane time of the last PathHint
	reportAt int64 // lane time up to which the allowance of ICMP errors is used up

	pulse pulse

	silentFrom   int64 // lane time of the first send since the peer was heard; 0: none
	unansweredAt int64 // lane time of the last Unanswered
}

// TunnelQueue is a tunnel's part of its uplink.
type TunnelQueue struct {
	Weight int    // share of the uplink beside the other tunnels' weights, ≥ 1
	Limit  int    // bytes of memory that its packets may wait in; at least one superpacket's are granted
	Rate   uint64 // bits per second on the wire; 0: none of its own
}

// NewTunnel returns a tunnel without uplink, socket and SAs.
func NewTunnel(id uint32, name string, q TunnelQueue) *Tunnel {
	q.Limit = max(q.Limit, bigSlot)
	return &Tunnel{ID: id, Name: name, share: q, full: make([]*train, 0, burst+2)}
}

// Queue returns the counters of what waits for the tunnel, nil while it has no uplink.
// They begin anew when it moves to another one. Any goroutine may call it.
func (t *Tunnel) Queue() *fairness.ClassCounters { return t.counters.Load() }

// Counters are a tunnel's traffic in inner packets and bytes, without ESP. Any
// goroutine may read them.
type Counters struct {
	PacketsIn, PacketsOut atomic.Uint64
	BytesIn, BytesOut     atomic.Uint64
	LastIn, LastOut       atomic.Int64 // nanoseconds, for Lane.Time; 0: never
	KeepalivesIn          atomic.Uint64
	SendBlocked           atomic.Uint64 // times the socket's send buffer was full
	SegmentFallbacks      atomic.Uint64 // sends that went out one by one because UDP_SEGMENT was refused
	CongestionIn          atomic.Uint64 // packets received that got congestion experienced from their outer header
	ECNAnomaliesIn        atomic.Uint64 // packets received with ECN fields outside and inside that no tunnel makes (RFC 6040 §4.2)
	TooBigReports         atomic.Uint64 // ICMP errors to senders of packets that the path is too narrow for
	Fragmented            atomic.Uint64 // packets cut into fragments, for the same reason
	MSSClamped            atomic.Uint64 // SYNs of either direction that now offer less
	SocketErrors          atomic.Uint64 // errors that the socket reported beside those of a send, ICMP's mostly
	Questions, Answers    atomic.Uint64 // sent to ask whether the path lives, and answered
	RoundTrip             atomic.Int64  // nanoseconds, of the last one answered; 0: none was
	Drops                 drop.Counters
}

// Edge counts the system calls at one edge of the gateway.
type Edge struct {
	Calls   atomic.Uint64
	Bytes   atomic.Uint64 // as they crossed: IP packets at the TUN, ESP datagrams at the socket
	Packets atomic.Uint64 // after segmenting, before coalescing

	WouldBlock atomic.Uint64 // calls beside these that found nothing to take, or no room

	// Sizes counts the calls by their packets: 1, 2 to 3, 4 to 7 and so on, the last 128 and more.
	Sizes [8]atomic.Uint64
}

func (e *Edge) add(bytes, packets int) {
	e.Calls.Add(1)
	e.Bytes.Add(uint64(bytes))
	e.Packets.Add(uint64(packets))
	e.Sizes[min(bits.Len(uint(packets)|1)-1, len(e.Sizes)-1)].Add(1)
}

// LaneCounters are what a lane counts beside its tunnels. Any goroutine may read them.
type LaneCounters struct {
	// Edges counts what belongs to no interface that is known. Of Edge.WouldBlock it has all.
	Edges

	Turns        atomic.Uint64
	Sleeps       atomic.Uint64 // turns that waited for something to happen
	Naps         atomic.Uint64 // sleeps that were short, of which the Go scheduler has not heard
	Wakes        Wakes
	TrainEnds    [TrainEndCount]atomic.Uint64 // why trains left as they were
	EventsLost   atomic.Uint64
	TUNFallbacks atomic.Uint64 // superpackets that the TUN refused and that were written packet by packet
	HandedOver   atomic.Uint64 // packets that came to this lane for a tunnel of another one
	QueueBytes   atomic.Int64  // memory of waiting packets
	Drops        drop.Counters // of packets that belong to no tunnel

	asleep      atomic.Int64 // nanoseconds in sleeps that have ended
	asleepSince atomic.Int64 // lane time; 0: it is awake
}

func (c *LaneCounters) wokeUp(now int64) {
	since := c.asleepSince.Swap(0)
	c.asleep.Add(now - since)
}

// Asleep is how long the lane has waited for something to happen until now, a time of its
// group: the rest of the time it was busy. Of a lane that wakes up just then its last sleep
// may be missing.
func (c *LaneCounters) Asleep(now int64) time.Duration {
	for {
		since := c.asleepSince.Load()
		all := c.asleep.Load()
		if c.asleepSince.Load() != since {
			continue
		}
		if since != 0 {
			all += max(now-since, 0)
		}
		return time.Duration(all)
	}
}

// remote is where the tunnel's socket is connected to, or the zero value.
func (t *Tunnel) remote() netip.AddrPort {
	if t.socket == nil {
		return netip.AddrPort{}
	}
	return t.socket.remote
}

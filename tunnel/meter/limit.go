package meter

import "time"

// Limit is what a tunnel's packets waited for in the last seconds.
type Limit string

// What may limit a tunnel. The texts are part of the status.
const (
	Nothing    Limit = "nothing"     // no packets waited: the hosts send no more
	OwnRate    Limit = "own rate"    // tunnel.rate
	UplinkRate Limit = "uplink rate" // gateway.uplink.rate, shared with the other tunnels
	Device     Limit = "device"      // the interface takes no more, shared with the other tunnels
	PeerSocket Limit = "peer socket" // the tunnel's own socket is full
	Processor  Limit = "processor"   // the gateway could send more if it came to it
)

// Shared tells whether it is something that tunnels share, so that one that is limited
// by it contends with the others.
func (l Limit) Shared() bool { return l == UplinkRate || l == Device || l == Processor }

// Tunnel is a sample of a tunnel's counters.
type Tunnel struct {
	Bytes   uint64        // sent, as they stand on the wire
	Backlog int64         // bytes that wait at the moment
	Blocked time.Duration // how long its socket took no more
	ByRate  time.Duration // how long its own rate held its packets back

	Sparse, Bulk Waits
}

// heldPart is the part of the time for which something must have held packets back to
// be called their limit.
const heldPart = 0.1

// LimitedBy tells what limited a tunnel in t on an uplink in u: what held its packets
// back for longest, and of two the one that is its own.
func LimitedBy(t *Window[Tunnel], u *Window[Uplink]) Limit {
	if !Backlogged(t) {
		return Nothing
	}
	before, now, span := t.Ends()
	limit, longest := Processor, time.Duration(heldPart*float64(span))
	held := func(l Limit, from, to time.Duration) {
		if d := grown(from, to); d > longest {
			limit, longest = l, d
		}
	}
	was, is, _ := u.Ends()
	held(PeerSocket, before.Blocked, now.Blocked)
	held(OwnRate, before.ByRate, now.ByRate)
	held(UplinkRate, was.ByRate, is.ByRate)
	held(Device, was.ByInFlight, is.ByInFlight)
	return limit
}

// Backlogged tells whether packets of a tunnel waited in at least half of the
// samples: a flow that uses all it can get has an empty queue now and then.
func Backlogged(t *Window[Tunnel]) bool {
	if t.Len() < 2 {
		return false
	}
	waited := 0
	for i := range t.Len() {
		if t.At(i).Backlog > 0 {
			waited++
		}
	}
	return 2*waited >= t.Len()
}

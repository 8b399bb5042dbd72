package fairness

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Kind is how a flow is served: ahead as long as it is sparse, or in the bulk round.
type Kind uint8

// The kinds.
const (
	Sparse Kind = iota
	Bulk
	kinds
)

// String returns sparse or bulk.
func (k Kind) String() string {
	if k == Sparse {
		return "sparse"
	}
	return "bulk"
}

// WaitBuckets is the number of buckets of a Waits.
const WaitBuckets = 24

// Waits is a histogram of waiting times. Bucket i counts those below 2^i µs and not below
// 2^(i-1) µs, the last one all that are longer.
type Waits [WaitBuckets]atomic.Uint64

func (w *Waits) add(nanos int64) {
	w[min(bits.Len64(uint64(max(nanos, 0))/1000), WaitBuckets-1)].Add(1)
}

// WaitBelow returns the bound of a bucket of Waits.
func WaitBelow(bucket int) time.Duration { return time.Microsecond << bucket }

// KindCounters are what a class counts of packets of one kind.
type KindCounters struct {
	Packets  atomic.Uint64 // segments granted to be sent
	Bytes    atomic.Uint64 // of these, on the wire
	Slices   atomic.Uint64
	Marks    atomic.Uint64 // segments marked CE
	Drops    atomic.Uint64 // segments dropped by AQM
	Overload atomic.Uint64 // segments evicted because a bound was exceeded
	Backlog  atomic.Int64  // bytes on the wire that wait now
	Waits    Waits         // of each slice, from the packet's arrival until it left
}

func (k *KindCounters) sent(segments, bytes int, wait int64) {
	k.Packets.Add(uint64(segments))
	k.Bytes.Add(uint64(bytes))
	k.Slices.Add(1)
	k.Waits.add(wait)
}

// ClassCounters are what a class counts. Any goroutine may read them.
type ClassCounters struct {
	Kind         [kinds]KindCounters
	Throttled    atomic.Int64 // nanoseconds that its own rate held it back
	Blocked      atomic.Int64 // nanoseconds that it was blocked, but for the time since
	BlockedSince atomic.Int64 // lane time; 0: it is not
}

// QueueCounters are what a queue counts beside its classes. Any goroutine may read them.
type QueueCounters struct {
	Throttled     atomic.Int64 // nanoseconds that the uplink's rate held packets back
	InFlightHeld  atomic.Int64 // nanoseconds that the in-flight limit held packets back
	InFlight      atomic.Int64 // bytes below the queue, as reported the last time
	InFlightLimit atomic.Int64 // bytes
}

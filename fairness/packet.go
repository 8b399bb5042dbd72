package fairness

// Packet is what the queue must know of a waiting superpacket, or of a packet that is
// none.
type Packet struct {
	Flow     uint64 // hash of the inner flow, keyed by the caller
	Segments int    // ≥ 1
	Wire     int    // bytes on the wire of each segment but the last: ESP, UDP, IP and link overhead included
	LastWire int    // bytes on the wire of the last
	Memory   int    // bytes of memory that the packet holds
	ECN      bool   // the flow is ECN-capable: it is marked where others are dropped
}

// Node links one waiting packet into a queue. It is embedded in, or kept beside, the
// packet that Value leads back to, and is in at most one queue. The queue owns it from
// Enqueue until Done says that it is spent, or Cancel, Evict or Flush returned it.
type Node[T any] struct {
	Value T

	packet  Packet // Segments are those still to be sent
	flow    *flow[T]
	next    *Node[T]
	arrived int64
	waited  int64  // until its first segment left; negative: none has
	number  uint64 // of the arrival
}

// wire is the bytes on the wire of the next so many segments.
func (n *Node[T]) wire(segments int) int {
	if segments < n.packet.Segments {
		return segments * n.packet.Wire
	}
	return (n.packet.Segments-1)*n.packet.Wire + n.packet.LastWire
}

// Verdict is what is to be done with a slice.
type Verdict uint8

// The verdicts.
const (
	Nothing Verdict = iota // nothing may be sent now: see Wake
	Send
	Drop // by AQM
)

// Slice is a part of a packet and what is to be done with it: the first Segments that
// are left of Node, which belongs to Class.
type Slice[T any] struct {
	Class    *Class[T]
	Node     *Node[T]
	Verdict  Verdict
	Mark     bool // set CE on the first of the segments (RFC 3168 §5)
	Segments int
}

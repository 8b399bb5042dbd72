package lane

// The unit of receiving is a batch: what one UDP_GRO receive returns at most, or as many
// datagrams one by one. By datagrams as well as by bytes, since a short one costs nearly
// as much work as a long one.
const (
	recvLen        = 64 << 10 // room that one receive needs
	batchBytes     = 56 << 10 // a full train of datagrams of up to 8 KiB has more
	batchDatagrams = 64       // the most that UDP_GRO glues

	// A turn has turnBatches for the tunnels that have something, equal parts but at least
	// one each and at most maxBatches: a burst of the peer, and half again. In a longer
	// row superpackets are glued whole; a shorter turn lets the others wait less.
	turnBatches = 12
	maxBatches  = 6

	// listenerDatagrams is a listener's part of a turn. What comes there is IKE, a peer
	// that moved, or a flood by strangers, who get less than any tunnel.
	listenerDatagrams = 16
)

// quota is what one socket may take in one turn. A receive that has begun is not cut
// short, so both are bounds on when the last one begins.
type quota struct{ bytes, datagrams int }

// quotaOf returns the part of a turn that e has while so many tunnels' sockets are ready.
func quotaOf(e *endpoint, tunnels int) quota {
	if e.tunnel == nil {
		return quota{batchBytes, listenerDatagrams}
	}
	n := min(max(turnBatches/max(tunnels, 1), 1), maxBatches)
	return quota{n * batchBytes, n * batchDatagrams}
}

// readyTunnels is how many tunnels' sockets may have something to receive.
func (l *Lane) readyTunnels() (n int) {
	for _, e := range l.ready {
		if e.tunnel != nil && !e.closed {
			n++
		}
	}
	return n
}

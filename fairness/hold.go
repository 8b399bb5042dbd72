package fairness

// hold is what holds the whole queue back.
type hold uint8

const (
	free hold = iota
	byUplink
	byInFlight
)

// holds tells whether the uplink lets nothing go now, and remembers why.
func (q *Queue[T]) holds() bool {
	switch {
	case !q.uplink.open(q.now):
		q.holding = byUplink
	case q.inflight.full():
		q.holding = byInFlight
		q.inflight.hold(q.now)
	default:
		return false
	}
	q.heldFrom = q.now
	return true
}

// endHold counts how long the queue was held back since Next said so.
func (q *Queue[T]) endHold() {
	switch q.holding {
	case byUplink:
		q.counters.Throttled.Add(q.now - q.heldFrom)
	case byInFlight:
		q.counters.InFlightHeld.Add(q.now - q.heldFrom)
	}
	q.holding = free
}

// Wake returns the lane time at which Next may have something again, if nothing else
// happens before: a time that is past when it has something now, and 0 when only an
// event can change that: Enqueue, Unblock, SetRate, SetClass. When the in-flight limit
// holds, it is the time to report InFlight again.
func (q *Queue[T]) Wake() int64 {
	at := q.now
	if !q.ready() {
		if q.heaps[byRelease].len() == 0 {
			return 0
		}
		at = q.heaps[byRelease].top().key
	}
	if q.uplink.rate != 0 {
		at = max(at, q.uplink.at)
	}
	if q.inflight.full() {
		at = max(at, q.inflight.pollAt)
	}
	return at
}

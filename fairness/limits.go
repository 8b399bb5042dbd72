package fairness

// Limit is what keeps a class from sending more.
type Limit uint8

// The limits.
const (
	LimitNone     Limit = iota // it sends what it is given, or the machine is too slow
	LimitOwnRate               // its own rate
	LimitUplink                // its share of the uplink's rate
	LimitInFlight              // its share of what the device below takes
	LimitSocket                // its socket's send buffer is full
)

// String returns a word for a status line.
func (l Limit) String() string {
	return [...]string{"nothing", "own rate", "uplink rate", "in-flight limit", "socket"}[l]
}

// Reading is the part of the counters of a class and its queue that says what held the
// class back until some moment. Two of them tell about the time between.
type Reading struct {
	now     int64
	held    [LimitSocket + 1]int64
	backlog int64
}

// Read reads counters at lane time now. Any goroutine may call it.
func Read(now int64, q *QueueCounters, c *ClassCounters) Reading {
	r := Reading{now: now, backlog: c.Kind[Sparse].Backlog.Load() + c.Kind[Bulk].Backlog.Load()}
	r.held[LimitOwnRate] = c.Throttled.Load()
	r.held[LimitUplink] = q.Throttled.Load()
	r.held[LimitInFlight] = q.InFlightHeld.Load()
	r.held[LimitSocket] = c.Blocked.Load()
	if since := c.BlockedSince.Load(); since != 0 {
		r.held[LimitSocket] += now - since
	}
	return r
}

// Limit returns what held the class back most since an earlier reading: for a tenth of the
// time at least. Without a backlog at both readings the uplink is not what limits it,
// although others may be.
func (r Reading) Limit(before Reading) Limit {
	most, longest := LimitNone, (r.now-before.now)/10
	for l := LimitOwnRate; l <= LimitSocket; l++ {
		if (l == LimitUplink || l == LimitInFlight) && (r.backlog == 0 || before.backlog == 0) {
			continue
		}
		if held := r.held[l] - before.held[l]; held > longest {
			most, longest = l, held
		}
	}
	return most
}

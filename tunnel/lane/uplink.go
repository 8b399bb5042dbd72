package lane

import (
	"time"

	"vpngw/fairness"
	"vpngw/tunnel/drop"
)

// UplinkConfig describes what tunnels share: the way out by one interface.
type UplinkConfig struct {
	Name     string
	Rate     uint64        // bits per second on the wire; 0: what the device takes
	Overhead int           // bytes that each packet has on the wire beside its IP packet
	FIFO     bool          // one queue for all, without shares, slices and AQM: for comparisons
	Target   time.Duration // of the AQM; 0: fairness's default
	Limit    int           // bytes of memory that packets may wait in, at least one superpacket's; 0: fairness's default
	Edges    *Edges        // where what crosses the interface is counted; nil: among what belongs to none
	Budget   *Budget       // that the lanes share in place of a Limit of each; nil: none
}

// Uplink is the queue of the tunnels that leave by one interface. Its exported fields
// are fixed; any goroutine may read the counters.
type Uplink struct {
	Name     string
	Counters *fairness.QueueCounters
	Edges    *Edges // of what crosses the interface on this lane; nil: it is counted among what belongs to none

	queue    *fairness.Queue[*slot]
	overhead int
	budget   *Budget   // nil: the queue's limit is fixed
	limit    int       // of the queue by now, where there is a budget
	shaped   bool      // it has a rate, so that nothing builds below
	flying   []*Tunnel // tunnels whose sockets may still hold something
	more     bool      // it stopped because its part of the turn was used up
}

// AddUplink makes an uplink, for tunnels to be set to. On the lane's goroutine.
func (l *Lane) AddUplink(c UplinkConfig) *Uplink {
	if c.Limit > 0 {
		c.Limit = max(c.Limit, bigSlot)
	}
	if c.Budget != nil {
		c.Limit = c.Budget.own
	}
	q := fairness.NewQueue[*slot](fairness.Config{
		Limit: c.Limit, Rate: c.Rate, FIFO: c.FIFO, Target: c.Target,
	})
	u := &Uplink{
		Name: c.Name, Counters: q.Counters(), Edges: c.Edges, queue: q, overhead: c.Overhead,
		shaped: c.Rate != 0, budget: c.Budget, limit: c.Limit,
	}
	l.uplinks = append(l.uplinks, u)
	return u
}

// SetUplink makes t leave by u from now on, with what waits already. A tunnel without
// uplink sends nothing. On the lane's goroutine.
func (l *Lane) SetUplink(t *Tunnel, u *Uplink) {
	if t.uplink == u {
		return
	}
	l.joinUplink(t, u, l.leaveUplink(t))
}

// leaveUplink takes t from its uplink and returns what waited.
func (l *Lane) leaveUplink(t *Tunnel) (waiting []*slot) {
	if old := t.uplink; old != nil {
		for n := old.queue.Flush(t.class); n != nil; n = old.queue.Flush(t.class) {
			waiting = append(waiting, n.Value)
		}
		old.queue.Remove(t.class)
		old.flying = remove(old.flying, t)
	}
	t.uplink, t.class, t.flight = nil, nil, flight{}
	return waiting
}

// joinUplink makes t, which has none, leave by u, with what waits.
func (l *Lane) joinUplink(t *Tunnel, u *Uplink, waiting []*slot) {
	t.uplink = u
	if u == nil {
		for _, s := range waiting {
			l.dropRest(s, drop.NoSocket)
		}
		return
	}
	t.class = u.queue.NewClass(fairness.ClassConfig{Weight: t.share.Weight, Limit: t.share.Limit, Rate: t.share.Rate})
	t.counters.Store(t.class.Counters())
	if t.waits() {
		u.queue.Block(t.class)
	}
	for _, s := range waiting {
		l.enqueue(s)
	}
}

// served is how many bytes of an uplink's packets are sealed before the TUN and the
// sockets are looked at again: some 100 µs of work, so that the TUN's ring, where
// nothing can be told apart, does not fill up meanwhile.
const served = 4 * bigSlot

// serve seals what the uplinks' queues let go now.
func (l *Lane) serve() {
	for _, u := range l.uplinks {
		if u.more = false; u.queue.Len() > 0 {
			l.serveUplink(u)
		}
	}
}

func (l *Lane) serveUplink(u *Uplink) {
	q := u.queue
	l.reportFlight(u)
	pushed := 0 // how far what is sealed was sent since more was
	for sent := 0; sent < served; {
		slice := q.Next(l.clock())
		switch slice.Verdict {
		case fairness.Send:
			sent += l.sendSlice(u, slice)
			pushed = 0
		case fairness.Drop:
			l.dropSegment(u, slice)
		case fairness.Nothing:
			// The in-flight limit may be all that holds the queue back, and what is sealed
			// counts: a device that runs dry must not wait for it.
			if u.shaped || pushed == 2 || l.unsent(u) == 0 {
				return
			}
			if pushed++; pushed == 1 {
				l.flushFull()
			} else {
				l.flushUplink(u)
			}
			l.reportFlight(u)
		}
	}
	u.more = true
}

// reportFlight tells the queue what is below it, if that is what has to hold it back.
func (l *Lane) reportFlight(u *Uplink) {
	if !u.shaped {
		u.queue.InFlight(l.clock(), u.inFlight(l.now), l.unsent(u))
	}
}

// unsent is the bytes that are sealed for the uplink's tunnels and not yet sent.
func (l *Lane) unsent(u *Uplink) (bytes int) {
	for _, t := range l.open {
		if t.uplink != u {
			continue
		}
		for _, tr := range t.full {
			bytes += len(tr.udp.Bytes())
		}
		if t.train != nil {
			bytes += len(t.train.udp.Bytes())
		}
	}
	return bytes
}

// sendSlice seals a slice and returns how many bytes of packets that were.
func (l *Lane) sendSlice(u *Uplink, slice fairness.Slice[*slot]) int {
	s := slice.Node.Value
	if slice.Mark {
		s.seg.MarkCE()
	}
	done, used, verdict := l.seal(s, slice.Segments)
	spent := u.queue.Done(slice, done)
	if verdict != forward {
		if !spent {
			u.queue.Cancel(slice)
		}
		if t := s.tunnel; t.train != nil && t.train.udp.Count() == 0 {
			l.giveTrain(t.train) // taken for nothing
			t.train = nil
		}
		l.dropRest(s, verdict)
	} else if spent {
		l.release(s)
	}
	return used
}

// dropSegment drops the segment that the AQM has chosen.
func (l *Lane) dropSegment(u *Uplink, slice fairness.Slice[*slot]) {
	s := slice.Node.Value
	s.seg.Skip()
	s.tunnel.Counters.Drops.Add(drop.Congestion, 1)
	if u.queue.Done(slice, 1) {
		l.release(s)
	}
}

// wakeTime is the lane time at which an uplink may have something to send again, a move
// has settled, or a strand asks for an answer; 0: nothing is to be done before something happens.
func (l *Lane) wakeTime() (at int64) {
	for _, u := range l.uplinks {
		if w := u.wakeTime(l.now); w != 0 && (at == 0 || w < at) {
			at = w
		}
	}
	for _, s := range [...]int64{l.settles(), l.askAt()} {
		if s != 0 && (at == 0 || s < at) {
			at = s
		}
	}
	return at
}

package fairness

import "time"

const (
	startInFlight = 2 * maxSlice
	minInFlight   = 16 << 10
	maxInFlight   = 4 << 20

	inFlightPoll     = int64(250 * time.Microsecond) // after being held back, look again
	inFlightInterval = int64(100 * time.Millisecond) // over which slack must show
	fewReports       = 8                             // with fewer in it, it was not busy

	// inFlightTime is what a device may be given to do, by what it was seen to drain. It
	// must outlast the caller's usual lateness, and no more: all of it is wait. What is
	// reported is the kernel's memory, half as much again as the bytes on the wire.
	inFlightTime = int64(6 * time.Millisecond)
)

// inflight bounds the bytes below the queue, in sockets and devices, as Linux's dynamic
// queue limits (lib/dynamic_queue_limits.c) do: it grows when the device ran dry although
// the limit held something back, and shrinks by what was never needed over an interval.
// The kernel hears of each completion; this one is told now and then, by report, by a
// caller who may be late. What ran dry for its lateness must not let the limit grow without
// end, so the limit is also bounded by a time at the drain's rate.
type inflight struct {
	known bool // there was a report: without, nothing is limited
	held  bool // since the last report the limit held something back
	bytes int  // below us: as reported, what the caller has taken and not sent, and what it took since
	peak  int  // most of that since the last report
	limit int
	floor int
	until int64 // end of the interval; in it:
	slack int   // the least that was below us
	top   int   // the most
	count int   // reports

	pollAt int64 // when a report is wanted, if something is held back

	drain drain
}

// drain is how fast the device takes what it is given, as far as that is known: it is seen
// between two reports of which the second says that the device was still busy. What the
// caller holds itself does not make the device busy: a caller that gets no processor would
// take its own slowness for the device's, and become slower still.
type drain struct {
	rate  int   // bytes per second; 0: not known
	at    int64 // of the last report
	since int64 // beginning of the interval; in it:
	bytes int   // that left
	busy  int64 // while it was seen
	blank int   // intervals in a row in which it was not
}

func (l *inflight) init() { l.limit, l.slack = startInFlight, maxInFlight }

func (l *inflight) sent(bytes int) {
	l.bytes += bytes
	l.peak = max(l.peak, l.bytes)
	l.top = max(l.top, l.bytes)
}

func (l *inflight) full() bool { return l.known && l.bytes >= l.limit }

// hold notes that something is held back. A report that is wanted is not put off by asking
// for it again.
func (l *inflight) hold(now int64) {
	if !l.held || l.pollAt <= now {
		l.pollAt = now + inFlightPoll
	}
	l.held = true
}

// report takes what is below us now: queued in sockets, and unsent with the caller. It
// returns whether the limit changed.
func (l *inflight) report(now int64, queued, unsent int) (changed bool) {
	before, bytes := l.limit, queued+unsent
	l.measure(now, queued, bytes)
	l.slack = min(l.slack, queued)
	l.count++
	if l.held && queued == 0 { // it ran dry: what it drained was too little
		l.limit += max(l.peak, l.floor)
		l.restart(now)
	}
	if now >= l.until {
		if l.count >= fewReports && l.slack > 0 {
			// Half of it: what the caller's lateness needs now and then is not in every interval.
			l.limit = min(l.limit, max(l.top, bytes)) - l.slack/2
		}
		l.restart(now)
	}
	l.limit = max(min(l.limit, l.most()), l.floor)
	l.known, l.held = true, false
	l.bytes, l.peak = bytes, bytes
	return l.limit != before
}

// measure watches the drain, given what sockets hold now, and what is below us in all.
func (l *inflight) measure(now int64, queued, bytes int) {
	d := &l.drain
	if queued > 0 && d.at != 0 {
		d.bytes += max(l.bytes-bytes, 0)
		d.busy += now - d.at
	}
	d.at = now
	if now-d.since < inFlightInterval {
		return
	}
	if d.busy > inFlightInterval/4 {
		d.rate, d.blank = int(int64(d.bytes)*int64(time.Second)/d.busy), 0
	} else if d.blank++; d.blank > 3 {
		d.rate = 0
	}
	d.since, d.bytes, d.busy = now, 0, 0
}

// most is the bound on the limit.
func (l *inflight) most() int {
	if l.drain.rate == 0 {
		return maxInFlight
	}
	return min(int(int64(l.drain.rate)*inFlightTime/int64(time.Second)), maxInFlight)
}

func (l *inflight) restart(now int64) {
	l.slack, l.top, l.count, l.until = maxInFlight, 0, 0, now+inFlightInterval
}

// InFlight tells the queue how many bytes the sockets of its uplink hold now, as SIOCOUTQ
// counts them, and how many the caller has taken and not sent yet. From the first call on
// the queue holds Next back by a limit of its own: call it, when Wake asks for it and
// whenever it costs nothing, before Next.
func (q *Queue[T]) InFlight(now int64, queued, unsent int) {
	q.now = now
	if q.inflight.report(now, max(queued, 0), max(unsent, 0)) {
		q.counters.InFlightLimit.Store(int64(q.inflight.limit))
		q.tune()
	}
	q.counters.InFlight.Store(int64(queued + unsent))
}

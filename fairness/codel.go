package fairness

import "math"

// codel is the state of RFC 8289 for one flow. Times are lane time.
type codel struct {
	firstAbove int64 // when the wait will have been above target for an interval; 0: it is not above
	dropNext   int64
	count      uint32 // drops since the dropping state was entered
	lastCount  uint32 // count when it was entered the last time
	dropping   bool
}

// judge says whether a segment is to be dropped or marked, given how long its superpacket
// waited (RFC 8289 §5.5). Ask it again for the next segment. acted must follow if the
// answer was yes and was followed.
func (d *codel) judge(now, waited, target, interval int64) bool {
	if waited < target {
		d.firstAbove = 0
		d.dropping = false
		return false
	}
	if d.firstAbove == 0 {
		d.firstAbove = now + interval
		return false
	}
	if now < d.firstAbove {
		return false
	}
	return !d.dropping || now >= d.dropNext
}

// acted notes that a segment was dropped or marked.
func (d *codel) acted(now, interval int64) {
	if d.dropping {
		d.count++
		// A flow that could not be served for long must not lose a burst for it.
		d.dropNext = controlLaw(max(d.dropNext, now-interval), interval, d.count)
		return
	}
	d.dropping = true
	// It was in this state not long ago: go on near the rate that worked (§5.6).
	if delta := d.count - d.lastCount; delta > 1 && now-d.dropNext < 16*interval {
		d.count = delta
	} else {
		d.count = 1
	}
	d.lastCount = d.count
	d.dropNext = controlLaw(now, interval, d.count)
}

func controlLaw(from, interval int64, count uint32) int64 {
	return from + int64(float64(interval)/math.Sqrt(float64(count)))
}

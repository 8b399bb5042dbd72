package load

import "time"

// gapMeter finds the longest time between two ACKs of a flow from readings of the age of the last one (tcpi_last_ack_recv).
// More than one ACK may have come between two readings, of which only the last is known, and the gap is taken to that one. So
// it is too long by at most the time between the readings, give or take a tick of the kernel's clock, and misses nothing.
type gapMeter struct {
	last    time.Duration // when the last known ACK came
	longest time.Duration
	end     time.Duration // of the longest, or how far it is known to reach
}

// observe takes a reading: at that time, the last ACK had come age ago. Times count from the start of the load, before which
// nothing is measured.
func (g *gapMeter) observe(at, age time.Duration) {
	came := max(at-age, 0)
	if gap := max(came-g.last, at-came); gap > g.longest {
		g.longest, g.end = gap, at
	}
	g.last = came
}

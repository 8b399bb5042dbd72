package main

import (
	"fmt"
	"math"
	"slices"
)

// bar is one thing that must hold, of one contestant on one wire.
type bar struct {
	Point      int     `json:"point"` // of the list of what a fair gateway must show, see [points]
	Scenario   string  `json:"scenario"`
	Contestant string  `json:"contestant"`
	Rate       uint64  `json:"rate"` // of the wire, bits per second; 0: no limit
	Congestion string  `json:"congestion"`
	What       string  `json:"what"`
	Value      float64 `json:"value"`
	Limit      float64 `json:"limit"`
	AtLeast    bool    `json:"at_least"` // the value must be; else at most
	Format     string  `json:"format"`   // of value and limit
	OK         bool    `json:"ok"`
}

// Limits of the bars.
const (
	leastJain   = 0.98
	mostOff     = 0.05  // of a tunnel from its share
	longestGap  = 100.0 // ms
	lateSlow    = 2.0   // ms that the 99th percentile of a probe may lie above an idle one's median below fastWire
	lateFast    = 1.0   // the same from there
	fastWire    = 400_000_000
	leastOthers = 0.90 // of their fair share, beside a flood
	leastUpload = 0.90 // of what it has alone
	lateBusy    = 10.0 // ms, where nothing is shaped
	leastOfFIFO = 0.97
	mostCPU     = 0.05
	leastBeside = 0.95 // of its fair share, beside a tunnel in trouble
)

func atMost(point int, what string, value, limit float64, format string) bar {
	return bar{Point: point, What: what, Value: value, Limit: limit, Format: format, OK: value <= limit}
}

// atLeast judges a ratio.
func atLeast(point int, what string, ratio, least float64) bar {
	return bar{Point: point, What: what, Value: ratio, Limit: least, AtLeast: true, Format: "%.3f", OK: ratio >= least}
}

// as is the bar as one of another point.
func (b bar) as(point int) bar {
	b.Point = point
	return b
}

// got and want are the value and the limit as texts.
func (b bar) got() string { return fmt.Sprintf(b.Format, b.Value) }
func (b bar) want() string {
	if b.AtLeast {
		return "≥ " + fmt.Sprintf(b.Format, b.Limit)
	}
	return "≤ " + fmt.Sprintf(b.Format, b.Limit)
}

// worse tells which of two bars of the same kind is farther from being held.
func (b bar) worse(than bar) bool {
	if b.OK != than.OK {
		return !b.OK
	}
	if b.AtLeast {
		return b.Value-b.Limit < than.Value-than.Limit
	}
	return b.Value-b.Limit > than.Value-than.Limit
}

// evenShares judges that every tunnel has its share, in every window.
func evenShares(m *measurement) []bar {
	worst, off, share := 0.0, 0.0, mean(m.Shares)
	if len(m.Jain) > 0 {
		worst = slices.Min(m.Jain)
	}
	for _, s := range m.Shares {
		off = max(off, math.Abs(s/share-1))
	}
	return []bar{
		atLeast(1, "Jain index of the tunnels, worst second", worst, leastJain),
		atMost(1, "tunnel farthest from its share", 100*off, 100*mostOff, "%.1f %%"),
	}
}

// noStarvation judges that no flow waits for long.
func noStarvation(m *measurement) []bar {
	gap, rtos := 0.0, 0
	for _, f := range m.Flows {
		gap, rtos = max(gap, f.LongestGap), rtos+f.RTOs
	}
	return []bar{
		atMost(2, "longest gap between ACKs", gap, longestGap, "%.0f ms"),
		atMost(2, "retransmission timeouts", float64(rtos), 0, "%.0f"),
	}
}

// promptProbe judges a probe beside load by the median of an idle one, in milliseconds.
func promptProbe(point int, m *measurement, idle float64) []bar {
	most := lateFast
	if m.Wire.Rate < fastWire {
		most = lateSlow
	}
	return []bar{
		atMost(point, "probe's 99th percentile over idle", m.Probe.P99-idle, most, "%.2f ms"),
		atMost(point, "probes lost", float64(m.Probe.Lost), 0, "%.0f"),
	}
}

// unshapedProbe judges a probe beside load where nothing is shaped.
func unshapedProbe(m *measurement) []bar {
	return []bar{
		atMost(6, "probe's 99th percentile", m.Probe.P99, lateBusy, "%.2f ms"),
		atMost(6, "probes lost", float64(m.Probe.Lost), 0, "%.0f"),
	}
}

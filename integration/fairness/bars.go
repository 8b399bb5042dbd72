package main

import (
	"fmt"
	"math"
	"slices"
)

// bar is one thing that must hold, of one contestant on one wire.
type bar struct {
	Point      int    `json:"point"` // of the list of what a fair gateway must show
	Scenario   string `json:"scenario"`
	Contestant string `json:"contestant"`
	Rate       uint64 `json:"rate"` // of the wire, bits per second; 0: no limit
	Congestion string `json:"congestion"`
	What       string `json:"what"`
	Got        string `json:"got"`
	Want       string `json:"want"`
	OK         bool   `json:"ok"`
}

const (
	leastJain   = 0.98
	mostOff     = 0.05 // of a tunnel from its share
	longestGap  = 100.0
	lateSlow    = 2.0 // ms that the 99th percentile of a probe may lie above an idle one's median at 100 Mbit/s
	lateFast    = 1.0 // the same from 400 Mbit/s
	fastWire    = 400_000_000
	leastOthers = 0.90 // of their fair share, beside a flood
	leastUpload = 0.90 // of what it has alone
	lateBusy    = 10.0 // ms, where the processor is the bottleneck
	leastOfFIFO = 0.97
	mostCPU     = 0.05
	leastBeside = 0.95 // of its fair share, beside a tunnel with a bad path
)

// evenShares judges that every tunnel has its share, in every window.
func evenShares(m *measurement) []bar {
	worst := 1.0
	if len(m.Jain) == 0 {
		worst = math.NaN()
	} else {
		worst = slices.Min(m.Jain)
	}
	share := mean(m.Shares)
	off := 0.0
	for _, s := range m.Shares {
		off = max(off, math.Abs(s-share)/share)
	}
	return []bar{
		{Point: 1, What: "Jain index of the tunnels, worst second", Got: fmt.Sprintf("%.3f", worst), Want: fmt.Sprintf("≥ %.2f", leastJain), OK: worst >= leastJain},
		{Point: 1, What: "tunnel farthest from its share", Got: percent(off), Want: "≤ " + percent(mostOff), OK: off <= mostOff},
	}
}

// noStarvation judges that no flow waits for long.
func noStarvation(m *measurement) []bar {
	gap, rtos := 0.0, 0
	for _, f := range m.Flows {
		gap, rtos = max(gap, f.LongestGap), rtos+f.RTOs
	}
	return []bar{
		{Point: 2, What: "longest gap between ACKs", Got: fmt.Sprintf("%.0f ms", gap), Want: fmt.Sprintf("≤ %.0f ms", longestGap), OK: gap <= longestGap},
		{Point: 2, What: "retransmission timeouts", Got: fmt.Sprint(rtos), Want: "0", OK: rtos == 0},
	}
}

// promptProbe judges a probe beside load by the median of an idle one, in milliseconds.
func promptProbe(m *measurement, idle float64) []bar {
	most := lateFast
	if m.Wire.Rate < fastWire {
		most = lateSlow
	}
	late := m.Probe.P99 - idle
	return []bar{
		{Point: 3, What: "probe's 99th percentile over idle", Got: fmt.Sprintf("%.2f ms", late), Want: fmt.Sprintf("≤ %.0f ms", most), OK: late <= most},
		{Point: 3, What: "probes lost", Got: fmt.Sprintf("%d of %d", m.Probe.Lost, m.Probe.Sent), Want: "0", OK: m.Probe.Lost == 0},
	}
}

// atLeast judges a ratio.
func atLeast(point int, what string, ratio, least float64) bar {
	return bar{Point: point, What: what, Got: percent(ratio), Want: "≥ " + percent(least), OK: ratio >= least}
}

func percent(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }

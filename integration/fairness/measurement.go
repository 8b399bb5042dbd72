package main

import (
	"slices"
	"time"

	"vpngw/integration/lab/load"
)

// wire is the shared wire of a scenario.
type wire struct {
	Rate         uint64 `json:"rate"`         // bits per second; 0: as fast as the machine is
	Bytes        int    `json:"bytes"`        // of its queue
	Superpackets int    `json:"superpackets"` // in its queue, where that counts these and not bytes
	// AtHub: the hub's gateway sends into the queue itself, as into a slow device of its own, and can see how full it is.
	// Else the queue is a router's.
	AtHub bool `json:"at_hub,omitempty"`
}

const (
	interval = 100 * time.Millisecond
	// perWindow are the readings of a window, and warmUp those before the first: shares are judged in windows of a second,
	// the first two excepted.
	perWindow = int(time.Second / interval)
	warmUp    = 2 * perWindow
)

// measurement is one run of a load.
type measurement struct {
	Scenario   string  `json:"scenario"`
	Variant    string  `json:"variant,omitempty"` // what tells apart the runs of a scenario
	Contestant string  `json:"contestant"`
	Wire       wire    `json:"wire"`
	Congestion string  `json:"congestion"`
	Seconds    float64 `json:"seconds"`

	Tunnels [][]float64   `json:"tunnels_mbit"`         // goodput of each, at each reading
	Windows [][]float64   `json:"tunnels_windows_mbit"` // the same in whole windows after the warm-up
	Shares  []float64     `json:"shares_mbit"`          // the mean of these
	Jain    []float64     `json:"jain"`                 // of the tunnels, in each window
	Flows   []flowFigures `json:"flows"`
	Probe   *delays       `json:"probe,omitempty"`
	Busy    float64       `json:"machine_busy"` // part of the machine's processors
	Waited  float64       `json:"hub_waited"`   // seconds that the hub gateway's threads waited for a processor, per second
	// Profile is the share of the hub gateway's processor time that its scheduler took; nil: not taken.
	Profile *float64 `json:"scheduler_cpu,omitempty"`
}

// flowFigures sum up a flow.
type flowFigures struct {
	Tunnel      int     `json:"tunnel"`
	Mbit        float64 `json:"mbit"` // after the warm-up
	LongestGap  float64 `json:"longest_gap_ms"`
	RTOs        int     `json:"rtos"`
	Backoff     int     `json:"backoff"`
	Retransmits int     `json:"retransmits"`
	RTT         float64 `json:"rtt_median_ms"`
	// Readings is the goodput in Mbit/s at each.
	Readings []float64 `json:"readings_mbit"`
}

// delays sum up a probe, in milliseconds.
type delays struct {
	Sent int       `json:"sent"`
	Lost int       `json:"lost"`
	P50  float64   `json:"p50_ms"`
	P99  float64   `json:"p99_ms"`
	Max  float64   `json:"max_ms"`
	CDF  []float64 `json:"cdf_ms"` // the delays that 0, 1/cdfSteps, … 1 of the probes did not exceed
}

// cdfSteps is how finely the distribution of delays is kept.
const cdfSteps = 500

// fill turns the result of a load into figures.
func (m *measurement) fill(r *load.Result) {
	count := 0
	for _, f := range r.Flows {
		count = max(count, f.Tunnel+1)
	}
	for _, f := range r.Floods {
		count = max(count, f.Tunnel+1)
	}
	totals := make([][]uint64, count)
	for i := range totals {
		totals[i] = make([]uint64, len(r.Times))
	}
	add := func(tunnel int, received []uint64) {
		for i, n := range received {
			totals[tunnel][i] += n
		}
	}
	for _, f := range r.Flows {
		add(f.Tunnel, f.Received)
		m.Flows = append(m.Flows, flowFigures{Tunnel: f.Tunnel, Mbit: mean(windows(r.Times, f.Received, warmUp, perWindow)),
			LongestGap: ms(f.LongestGap), RTOs: f.RTOs, Backoff: f.Backoff, Retransmits: f.Retransmits, RTT: ms(load.Percentile(f.RTT, 50)),
			Readings: rates(r.Times, f.Received)})
	}
	for _, f := range r.Floods {
		add(f.Tunnel, f.Received)
	}
	for _, t := range totals {
		m.Tunnels = append(m.Tunnels, rates(r.Times, t))
		w := windows(r.Times, t, warmUp, perWindow)
		m.Windows = append(m.Windows, w)
		m.Shares = append(m.Shares, mean(w))
	}
	m.Jain = jainOf(m.Windows)
	for _, p := range r.Probes {
		d := newDelays(p)
		m.Probe = &d
	}
}

// jainOf is the index in each window of all tunnels.
func jainOf(windows [][]float64) (indices []float64) {
	if len(windows) == 0 {
		return nil
	}
	for k := range windows[0] {
		var shares []float64
		for _, w := range windows {
			shares = append(shares, w[k])
		}
		indices = append(indices, load.Jain(shares))
	}
	return indices
}

func newDelays(p load.ProbeTrace) delays {
	d := delays{Sent: p.Sent, Lost: p.Lost, P50: ms(load.Percentile(p.Delays, 50)), P99: ms(load.Percentile(p.Delays, 99)), Max: ms(load.Percentile(p.Delays, 100))}
	sorted := slices.Sorted(slices.Values(p.Delays))
	for i := range cdfSteps + 1 {
		d.CDF = append(d.CDF, ms(load.NearestRank(sorted, 100*float64(i)/cdfSteps)))
	}
	return d
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// total is the goodput of all tunnels.
func (m *measurement) total() float64 { return mean(m.Shares) * float64(len(m.Shares)) }

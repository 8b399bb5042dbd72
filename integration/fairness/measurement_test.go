package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab/load"
)

// steady is the readings of a flow that gets so many Mbit/s.
func steady(mbit float64, readings int) (counts []uint64) {
	for i := range readings {
		counts = append(counts, uint64(float64(i)*mbit*12_500))
	}
	return counts
}

// complaint is a load of which 200/200/1/1 came out.
func complaint() *load.Result {
	r := &load.Result{}
	const readings = 51
	for i := range readings {
		r.Times = append(r.Times, time.Duration(i)*interval)
	}
	for i, mbit := range []float64{200, 150, 1, 1} {
		r.Flows = append(r.Flows, load.FlowTrace{Tunnel: i, Received: steady(mbit, readings), LongestGap: time.Duration(i) * time.Second, RTOs: i})
	}
	r.Flows = append(r.Flows, load.FlowTrace{Tunnel: 1, Received: steady(50, readings)})
	p := load.ProbeTrace{Sent: 200}
	for i := range 198 {
		p.Delays = append(p.Delays, time.Duration(i+1)*time.Millisecond)
	}
	p.Lost = 2
	r.Probes = []load.ProbeTrace{p}
	return r
}

func TestFill(t *testing.T) {
	m := &measurement{Wire: wire{Rate: 400e6}}
	m.fill(complaint())
	want := []float64{200, 200, 1, 1}
	for i, w := range want {
		if math.Abs(m.Shares[i]-w) > 0.01 || len(m.Windows[i]) != 3 || len(m.Tunnels[i]) != 50 {
			t.Errorf("tunnel %d: share %v in %d windows of %d readings, want %v in 3 of 50", i, m.Shares[i], len(m.Windows[i]), len(m.Tunnels[i]), w)
		}
	}
	if math.Abs(m.total()-402) > 0.01 || len(m.Jain) != 3 || math.Abs(m.Jain[0]-0.505) > 0.001 {
		t.Errorf("together %v, Jain %v", m.total(), m.Jain)
	}
	if d := m.Probe; d.P50 != 99 || d.P99 != 197 || d.Max != 198 || d.Lost != 2 || len(d.CDF) != cdfSteps+1 || d.CDF[0] != 1 || d.CDF[cdfSteps] != 198 {
		t.Errorf("probe %+v", d)
	}
}

// The bars of a starving load, each missed.
func TestBars(t *testing.T) {
	m := &measurement{Wire: wire{Rate: 400e6}}
	m.fill(complaint())
	bars := append(append(evenShares(m), noStarvation(m)...), promptProbe(3, m, 0.5)...)
	want := []string{"0.505 (≥ 0.980)", "99.0 % (≤ 5.0 %)", "3000 ms (≤ 100 ms)", "6 (≤ 0)", "196.50 ms (≤ 1.00 ms)", "2 (≤ 0)"}
	for i, b := range bars {
		if text := b.got() + " (" + b.want() + ")"; b.OK || text != want[i] {
			t.Errorf("%s: %s, ok %t, want %s", b.What, text, b.OK, want[i])
		}
	}
}

func TestBarsHeld(t *testing.T) {
	r := complaint()
	for i := range r.Flows {
		r.Flows[i] = load.FlowTrace{Tunnel: min(i, 3), Received: steady(100, len(r.Times)), LongestGap: 8 * time.Millisecond}
	}
	r.Flows = r.Flows[:4]
	r.Probes = []load.ProbeTrace{{Sent: 2, Delays: []time.Duration{2 * time.Millisecond, 2 * time.Millisecond}}}
	m := &measurement{Wire: wire{Rate: 100e6}}
	m.fill(r)
	for _, b := range append(append(evenShares(m), noStarvation(m)...), promptProbe(3, m, 0.5)...) {
		if !b.OK {
			t.Errorf("missed: %+v", b)
		}
	}
	m.Wire.Rate = fastWire // where less delay is allowed
	if b := promptProbe(3, m, 0.5)[0]; b.OK {
		t.Errorf("held: %+v", b)
	}
}

// A measurement in which nothing arrived holds no bar of shares.
func TestNothingArrived(t *testing.T) {
	m := &measurement{}
	m.fill(&load.Result{Times: []time.Duration{0}, Flows: []load.FlowTrace{{Tunnel: 0, Received: []uint64{0}}, {Tunnel: 1}}})
	for _, b := range evenShares(m) {
		if b.OK && b.AtLeast {
			t.Errorf("held: %+v", b)
		}
	}
}

func TestBesideFIFO(t *testing.T) {
	of := func(contestant, scenario string, rate uint64, shares ...float64) *measurement {
		return &measurement{Contestant: contestant, Scenario: scenario, Wire: wire{Rate: rate}, Congestion: "cubic", Shares: shares}
	}
	bars := besideFIFO([]*measurement{
		of(subject, "even", 100e6, 20, 20), of(shapedFIFO, "even", 100e6, 39, 1),
		of(subject, "even", 400e6, 80, 80), of(shapedFIFO, "even", 400e6, 99, 99), of(unshapedFIFO, "even", 400e6, 1, 1),
		of(subject, "flood", 400e6, 1, 1), of(shapedFIFO, "flood", 400e6, 99, 99),
	})
	if len(bars) != 2 || !bars[0].OK || bars[0].Rate != 100e6 || bars[1].OK || bars[1].got() != "0.808" {
		t.Errorf("%+v", bars)
	}
}

func TestMarkdown(t *testing.T) {
	r := &report{Contestants: []contestantInfo{{Name: subject, Version: "v1"}, {Name: "other", Version: "v2"}}, Notes: []string{"a note"}, Failures: []string{"a failure"}}
	m := &measurement{Scenario: "even", Contestant: subject, Wire: wire{Rate: 1e9}, Congestion: "cubic"}
	m.fill(complaint())
	r.Measurements = []*measurement{m}
	for i, worst := range []float64{0.99, 0.7, 0.999} {
		b := atLeast(1, "index", worst, leastJain)
		b.Contestant, b.Scenario, b.Rate = subject, "even", uint64(i)
		r.Bars = append(r.Bars, b)
	}
	text := r.markdown()
	for _, want := range []string{"✗ 0.700 (2/3) | – |", "1. tunnels have equal shares", "200.0/200.0/1.0/1.0 | 402 | 0.505", "1 Gbit/s", "a note", "FAILED: a failure"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"vpngw/integration/fairness/plot"
)

// plotted are the scenarios of which pictures are drawn.
var plotted = []string{"even", "trains", "crowd", "flood", "busy", "device"}

// smoothing is how many readings make a value of a picture.
const smoothing = 3

// picture is a file to be written.
type picture struct {
	name string
	svg  []byte
}

// draw makes the pictures of all measurements: for each scenario, wire and congestion control one of the shares and one of the
// probe's delays, with all contestants side by side.
func draw(r *report) (all []picture) {
	told := false
	for _, name := range plotted {
		type situation struct {
			rate       uint64
			congestion string
		}
		var order []situation
		groups := map[situation][]*measurement{}
		for _, m := range r.Measurements {
			if m.Scenario != name || m.Variant != "" {
				continue
			}
			s := situation{m.Wire.Rate, m.Congestion}
			if groups[s] == nil {
				order = append(order, s)
			}
			groups[s] = append(groups[s], m)
		}
		for _, s := range order {
			file := fmt.Sprintf("%s-%s-%s", name, fileRate(s.rate), s.congestion)
			all = append(all,
				picture{filepath.Join("fairness", "shares-"+file+".svg"), sharesOf(groups[s])},
				picture{filepath.Join("fairness", "delays-"+file+".svg"), delaysOf(groups[s])})
			if m := telling(groups[s]); m != nil && !told {
				told = true
				all = append(all, picture{filepath.Join("fairness", "readme.svg"), sharesOf(m)})
			}
		}
	}
	return all
}

// telling are the measurements that show in one picture what vpngw is for, if they are among those of a situation: how a
// FIFO's tunnels starve on the worst wire, and how the fair queue's do not.
func telling(measurements []*measurement) []*measurement {
	var before, after *measurement
	for _, m := range measurements {
		switch {
		case m.Wire.Superpackets == 0 || m.Wire.Rate != tellingRate:
		case m.Contestant == unshapedFIFO:
			before = m
		case m.Contestant == subject:
			after = m
		}
	}
	if before == nil || after == nil {
		return nil
	}
	return []*measurement{before, after}
}

// tellingRate in bits per second is that of the complaint.
const tellingRate = 400_000_000

func fileRate(rate uint64) string {
	if rate == 0 {
		return "unlimited"
	}
	return fmt.Sprintf("%dM", rate/1e6)
}

func scenarioTitle(name string) string {
	for _, s := range scenarios() {
		if s.name == name {
			return s.title
		}
	}
	return name
}

// situationText says what measurements side by side have in common.
func situationText(m *measurement) string {
	return fmt.Sprintf("%s, TCP %s", wireText(m.Wire), m.Congestion)
}

func sharesOf(measurements []*measurement) []byte {
	var panels []plot.Panel
	for _, m := range measurements {
		p := plot.Panel{Title: contestantText(m.Contestant), Subtitle: waitText(m), Means: m.Shares}
		for _, t := range m.Tunnels {
			p.Tunnels = append(p.Tunnels, smooth(t, smoothing))
		}
		panels = append(panels, p)
	}
	first := measurements[0]
	return plot.Shares(scenarioTitle(first.Scenario), situationText(first), panels, smoothing*interval.Seconds())
}

// waitText says how long a flow had to wait, and how uneven the worst second was.
func waitText(m *measurement) string {
	gap, worst := 0.0, 0.0
	for _, f := range m.Flows {
		gap = max(gap, f.LongestGap)
	}
	if len(m.Jain) > 0 {
		worst = slices.Min(m.Jain)
	}
	return fmt.Sprintf("Jain %.2f in the worst second, longest gap %.0f ms", worst, gap)
}

// smooth is the mean of every n values, and of what is left at the end.
func smooth(values []float64, n int) (means []float64) {
	for chunk := range slices.Chunk(values, n) {
		means = append(means, mean(chunk))
	}
	return means
}

func delaysOf(measurements []*measurement) []byte {
	var curves []plot.Curve
	for _, m := range measurements {
		if m.Probe == nil {
			continue
		}
		curves = append(curves, plot.Curve{Name: m.Contestant, Quantiles: m.Probe.CDF, P99: m.Probe.P99,
			Lost: float64(m.Probe.Lost) / float64(max(m.Probe.Sent, 1))})
	}
	first := measurements[0]
	return plot.Delays("Delay of a sparse probe in a fifth tunnel", scenarioTitle(first.Scenario)+". "+situationText(first), curves)
}

func contestantText(name string) string {
	for _, c := range contestants() {
		if c.name() == name {
			return c.about()
		}
	}
	return ""
}

package main

import (
	"fmt"
	"path/filepath"

	"vpngw/integration/fairness/plot"
)

// plotted are the scenarios of which pictures are drawn.
var plotted = []string{"even", "trains", "crowd", "flood", "busy"}

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
			where := fmt.Sprintf("%s, TCP %s", wireText(groups[s][0].Wire), s.congestion)
			all = append(all,
				picture{filepath.Join("fairness", "shares-"+file+".svg"), sharesOf(scenarioTitle(name)+": "+where, groups[s])},
				picture{filepath.Join("fairness", "delays-"+file+".svg"), delaysOf(scenarioTitle(name), where, groups[s])})
		}
	}
	return all
}

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

func sharesOf(title string, measurements []*measurement) []byte {
	var panels []plot.Panel
	fair := 0.0
	for _, m := range measurements {
		p := plot.Panel{Title: m.Contestant, Subtitle: contestantText(m.Contestant), Means: m.Shares}
		for _, t := range m.Tunnels {
			p.Tunnels = append(p.Tunnels, smooth(t, smoothing))
		}
		panels = append(panels, p)
		fair = max(fair, mean(m.Shares))
	}
	return plot.Shares(title, panels, smoothing*interval.Seconds(), fair)
}

// smooth is the mean of every n values.
func smooth(values []float64, n int) (means []float64) {
	for i := 0; i+n <= len(values); i += n {
		means = append(means, mean(values[i:i+n]))
	}
	return means
}

func delaysOf(title, where string, measurements []*measurement) []byte {
	var curves []plot.Curve
	for _, m := range measurements {
		if m.Probe == nil {
			continue
		}
		curves = append(curves, plot.Curve{Name: m.Contestant, Quantiles: m.Probe.CDF, P99: m.Probe.P99,
			Lost: float64(m.Probe.Lost) / float64(max(m.Probe.Sent, 1))})
	}
	return plot.Delays("A sparse probe in a fifth tunnel", title+": "+where, curves)
}

func contestantText(name string) string {
	for _, c := range contestants() {
		if c.name() == name {
			return c.about()
		}
	}
	return ""
}

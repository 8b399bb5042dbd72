package main

import (
	"fmt"
	"slices"
	"strings"
)

// points are what a fair gateway must show, by number.
var points = map[int]string{
	1: "tunnels have equal shares",
	2: "no flow starves",
	3: "what is sparse passes what is bulky",
	4: "a flood harms only its own tunnel",
	5: "ACKs are not held up by data",
	6: "unshaped, no sparse packet is dropped or late",
	7: "fairness costs next to nothing",
	8: "a bad path harms only its own tunnel",
	9: "a dead or stuck peer harms only its own tunnel",
}

// markdown is the report as a document.
func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("# Fairness: four tunnels on one wire\n\n")
	fmt.Fprintf(&b, "%s, %g s a measurement, of which the first two do not count. %s.\n\n", r.Started.Format("2006-01-02 15:04 MST"), r.Seconds, r.Machine)
	for _, c := range r.Contestants {
		fmt.Fprintf(&b, "- **%s**: %s. %s\n", c.Name, c.About, c.Version)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "- FAILED: %s\n", f)
	}
	b.WriteString("\n## Bars\n\nOf each bar the worst value that was seen, and how often it was held.\n\n")
	r.writeBars(&b)
	for _, s := range scenarios() {
		r.writeScenario(&b, s)
	}
	return b.String()
}

// kind are the bars of one line of the table.
type kind struct {
	point          int
	scenario, what string
}

func (r *report) writeBars(b *strings.Builder) {
	var order []kind
	bars := map[kind]map[string][]bar{}
	for _, x := range r.Bars {
		k := kind{x.Point, x.Scenario, x.What}
		if bars[k] == nil {
			bars[k] = map[string][]bar{}
			order = append(order, k)
		}
		bars[k][x.Contestant] = append(bars[k][x.Contestant], x)
	}
	slices.SortStableFunc(order, func(a, b kind) int { return a.point - b.point })
	head := []string{"", "bar", "scenario", "wanted"}
	for _, c := range r.Contestants {
		head = append(head, c.Name)
	}
	writeRow(b, head)
	writeRow(b, slices.Repeat([]string{"---"}, len(head)))
	said := 0
	for _, k := range order {
		number := ""
		if k.point != said {
			number, said = fmt.Sprintf("%d. %s", k.point, points[k.point]), k.point
		}
		cells := []string{number, k.what, k.scenario, wanted(bars[k])}
		for _, c := range r.Contestants {
			cells = append(cells, verdict(bars[k][c.Name]))
		}
		writeRow(b, cells)
	}
}

// wanted are the limits of bars of one kind: they may differ with the wire.
func wanted(by map[string][]bar) string {
	var limits []string
	for _, bars := range by {
		for _, x := range bars {
			if !slices.Contains(limits, x.want()) {
				limits = append(limits, x.want())
			}
		}
	}
	slices.Sort(limits)
	return strings.Join(limits, " or ")
}

// verdict sums up the bars of one kind and contestant.
func verdict(bars []bar) string {
	if len(bars) == 0 {
		return "–"
	}
	worst, held := bars[0], 0
	for _, x := range bars {
		if x.worse(worst) {
			worst = x
		}
		if x.OK {
			held++
		}
	}
	mark := "✓"
	if held < len(bars) {
		mark = "✗"
	}
	return fmt.Sprintf("%s %s (%d/%d)", mark, worst.got(), held, len(bars))
}

func (r *report) writeScenario(b *strings.Builder, s scenario) {
	var rows [][]string
	for _, m := range r.Measurements {
		if m.Scenario == s.name {
			rows = append(rows, m.row())
		}
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s (%s)\n\n", s.title, s.name)
	head := []string{"wire", "TCP", "", "gateway", "Mbit/s in each tunnel", "together", "Jain, worst 1 s", "longest gap, ms", "RTOs", "resent", "probe p50 / p99 / max, ms", "lost", "scheduler's CPU", "machine busy", "hub's wait for a CPU, ms/s"}
	writeRow(b, head)
	writeRow(b, slices.Repeat([]string{"---"}, len(head)))
	for _, row := range rows {
		writeRow(b, row)
	}
}

// row are the figures of a measurement.
func (m *measurement) row() []string {
	shares, together, index, gap, rtos, resent, probe, lost, cpu := "", "", "", "", "", "", "", "", ""
	if len(m.Shares) > 0 {
		shares, together = join(m.Shares, "%.1f"), fmt.Sprintf("%.0f", m.total())
	}
	if len(m.Jain) > 0 {
		index = fmt.Sprintf("%.3f", slices.Min(m.Jain))
	}
	if len(m.Flows) > 0 {
		longest, timeouts, again := 0.0, 0, 0
		for _, f := range m.Flows {
			longest, timeouts, again = max(longest, f.LongestGap), timeouts+f.RTOs, again+f.Retransmits
		}
		gap, rtos, resent = fmt.Sprintf("%.0f", longest), fmt.Sprint(timeouts), fmt.Sprint(again)
	}
	if m.Probe != nil {
		probe = fmt.Sprintf("%.2f / %.2f / %.2f", m.Probe.P50, m.Probe.P99, m.Probe.Max)
		lost = fmt.Sprintf("%d of %d", m.Probe.Lost, m.Probe.Sent)
	}
	if m.Profile != nil {
		cpu = fmt.Sprintf("%.1f %%", 100**m.Profile)
	}
	return []string{rateText(m.Wire.Rate), m.Congestion, m.Variant, m.Contestant, shares, together, index, gap, rtos, resent, probe, lost, cpu, fmt.Sprintf("%.0f %%", 100*m.Busy), fmt.Sprintf("%.0f", 1000*m.Waited)}
}

func writeRow(b *strings.Builder, cells []string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

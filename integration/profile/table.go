package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// writeRun prints one run: the account of both gateways side by side, then what they counted.
func writeRun(out io.Writer, title string, r *run) {
	a, b := r.Gateways[0], r.Gateways[1]
	fmt.Fprintf(out, "### %s: %.2f Gbit/s through the tunnel\n\n", title, a.gigabits())
	row(out, "µs per "+r.Unit, "A, "+a.Role, "%", "B, "+b.Role, "%")
	row(out, strings.Repeat("-", nameWidth), "--:", "--:", "--:", "--:")
	for _, c := range categories {
		cells := []string{string(c)}
		for _, g := range r.Gateways {
			cost, deviation := g.micros(c)
			cells = append(cells, fmt.Sprintf("%.2f ± %.2f", cost, deviation), fmt.Sprintf("%.1f", 100*cost/g.total()))
		}
		row(out, cells...)
	}
	last := []string{unsampled}
	for _, g := range r.Gateways {
		last = append(last, fmt.Sprintf("%.2f", g.unsampled()), fmt.Sprintf("%.1f", 100*g.unsampled()/g.total()))
	}
	row(out, last...)
	row(out, "**sum**", fmt.Sprintf("%.2f", a.total()), "100", fmt.Sprintf("%.2f", b.total()), "100")
	fmt.Fprintln(out)
	for _, g := range r.Gateways {
		writeCounters(out, g)
	}
	writePath(out, r)
	for _, g := range r.Gateways {
		if !g.explained() {
			fmt.Fprintf(out, "The samples of gateway %s stand for %.2f s, the kernel counted %.2f s: more than switches between tasks EXPLAIN.\n",
				g.Name, g.Account.Seconds, g.CPU)
		}
		if share := g.Account.share(rest); share > mostRest {
			fmt.Fprintf(out, "%.0f %% of gateway %s are of no known part: the table of functions does not fit the program.\n", 100*share, g.Name)
		}
		if g.Account.Lost > 0 {
			fmt.Fprintf(out, "%d samples of gateway %s were LOST.\n", g.Account.Lost, g.Name)
		}
	}
	fmt.Fprintln(out)
}

// Widths of the columns, so that the table can also be read as it is.
const (
	nameWidth = 24
	cellWidth = 14
)

func row(out io.Writer, cells ...string) {
	for i, c := range cells {
		width := cellWidth
		if i == 0 {
			fmt.Fprintf(out, "| %-*s ", nameWidth, c)
			continue
		} else if i%2 == 0 {
			width = 5
		}
		fmt.Fprintf(out, "| %*s ", width, c)
	}
	fmt.Fprintln(out, "|")
}

// writeCounters prints how a gateway's lane worked.
func writeCounters(out io.Writer, g *gateway) {
	c := &g.Counters
	fmt.Fprintf(out, "    gateway %s          calls/s  packets a call   %% of calls with 1, 2–3, 4–7, … 128– packets    in vain/s\n", g.Name)
	for _, e := range []struct {
		name string
		*edge
	}{{"TUN read", &c.Edges.TUNRead}, {"UDP send", &c.Edges.UDPSend}, {"UDP receive", &c.Edges.UDPReceive}, {"TUN write", &c.Edges.TUNWrite}} {
		sizes := ""
		for _, n := range e.Sizes {
			sizes += fmt.Sprintf("%5.0f", percent(n, e.Calls))
		}
		fmt.Fprintf(out, "    %-15s %11.0f  %14.1f   %-46s %12.0f\n", e.name,
			float64(e.Calls)/g.Seconds, per(e.Packets, e.Calls), sizes, float64(e.WouldBlock)/g.Seconds)
	}
	packets := c.Edges.TUNRead.Packets + c.Edges.UDPReceive.Packets
	_, _, fallbacks := c.carried()
	fmt.Fprintf(out, "    %.0f switches between tasks a second, of all its threads\n", float64(g.Switches)/g.Seconds)
	fmt.Fprintf(out, "    %.0f turns and %.0f sleeps a second, %.0f %% of them naps, %.1f packets a wake-up; woken by %s\n",
		float64(c.Lane.Turns)/g.Seconds, float64(c.Lane.Sleeps)/g.Seconds, percent(c.Lane.Naps, c.Lane.Sleeps),
		per(packets, c.Lane.Sleeps), shares(c.Lane.Wakes, c.Lane.Sleeps))
	var trains uint64
	for _, n := range c.Lane.TrainEnds {
		trains += n
	}
	fmt.Fprintf(out, "    trains sent because of %s; sent one by one after a refusal: %d\n\n", shares(c.Lane.TrainEnds, trains), fallbacks)
}

// writePath prints whose processor time the traffic took.
func writePath(out io.Writer, r *run) {
	p := &r.Path
	part := func(seconds float64) string {
		return fmt.Sprintf("%.2f (%.0f %%)", seconds/p.Seconds, 100*seconds/max(p.CPU, 1e-9))
	}
	fmt.Fprintf(out, "Whole path: %.2f processors; gateway A %s, gateway B %s, hosts and the kernel's own threads %s; softirqs of the machine %.2f.\n",
		p.CPU/p.Seconds, part(p.A), part(p.B), part(p.CPU-p.A-p.B), p.SoftIRQ/p.Seconds)
}

// writeFunctions prints the functions in which most samples of each gateway were taken.
func writeFunctions(out io.Writer, r *run, count int) {
	for _, g := range r.Gateways {
		fmt.Fprintf(out, "    gateway %s   µs per %s   in itself\n", g.Name, r.Unit)
		for _, f := range g.Account.Functions[:min(count, len(g.Account.Functions))] {
			share := float64(f.Samples) / float64(g.Account.Samples)
			fmt.Fprintf(out, "    %9.2f  %5.1f %%   %-24s %s\n", share*g.sampled(), 100*share, f.Category, f.Name)
		}
		fmt.Fprintln(out)
	}
}

// shares prints counts as parts of a whole, the largest first, without the zeros.
func shares(counts map[string]uint64, whole uint64) string {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, k := range keys {
		if counts[k] > 0 {
			parts = append(parts, fmt.Sprintf("%s %.1f %%", k, percent(counts[k], whole)))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func per(n, of uint64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

func percent(n, of uint64) float64 { return 100 * per(n, of) }

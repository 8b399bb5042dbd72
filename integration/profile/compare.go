package main

import (
	"fmt"
	"io"
	"math"
)

// significance is how many standard deviations a difference must have to be shown: of some hundred rows, chance alone
// shows hardly one.
const significance = 3

// writeDifferences prints what has become cheaper or dearer since another result, of the runs that both have.
func writeDifferences(out io.Writer, now, before *result) {
	fmt.Fprintf(out, "### Differences to %s of %s\n\n", before.Version, before.Started.Format("2006-01-02 15:04"))
	if now.Machine != before.Machine {
		fmt.Fprintf(out, "Measured on another machine, or with another load before: %s.\n\n", before.Machine)
	}
	fmt.Fprintln(out, "| wire, traffic, gateway | part | µs before | now | difference | chance ± |")
	fmt.Fprintln(out, "| --- | --- | --: | --: | --: | --: |")
	for i := range now.Runs {
		r := &now.Runs[i]
		old := before.find(r.Wire, r.Traffic)
		if old == nil {
			continue
		}
		for n, g := range r.Gateways {
			differ(out, fmt.Sprintf("%s, %s, %s per %s", r.Wire, r.Traffic, g.Name, r.Unit), g, old.Gateways[n])
		}
	}
	fmt.Fprintf(out, "\nParts that differ by less than %d standard deviations are left out. The machine's own drift comes on top: repeat, in turns, before believing.\n", significance)
}

// differ prints a gateway's sum and the parts of it that differ by more than chance.
func differ(out io.Writer, title string, now, before *gateway) {
	line := func(part string, was, is, chance float64) {
		fmt.Fprintf(out, "| %s | %s | %.2f | %.2f | %+.2f (%+.0f %%) | %.2f |\n", title, part, was, is, is-was, 100*(is/max(was, 1e-9)-1), chance)
	}
	line("**sum**", before.total(), now.total(), 0)
	if was, is := before.unsampled(), now.unsampled(); math.Abs(is-was) > tolerance*now.total() {
		line(unsampled, was, is, 0)
	}
	for _, c := range categories {
		was, s := before.micros(c)
		is, t := now.micros(c)
		if chance := math.Hypot(s, t); math.Abs(is-was) > significance*chance {
			line(string(c), was, is, chance)
		}
	}
}

package main

import (
	"fmt"
	"io"
	"strings"
)

// offloadSwitches are those of a tunnel file, under gateway.offload, with the name
// of the contestant that has one off, and what to call it.
var offloadSwitches = []struct{ key, name, title string }{
	{"tso", subjectName + "-notso", "TSO of the TUN device"},
	{"uso", subjectName + "-nouso", "USO of the TUN device"},
	{"checksum", subjectName + "-nochecksum", "checksum offload of the TUN device, and with it TSO and USO"},
	{"udp_segment", subjectName + "-nosegment", "UDP_SEGMENT of the socket"},
	{"udp_gro", subjectName + "-nogro", "UDP_GRO of the socket"},
	{"coalesce", subjectName + "-nocoalesce", "gluing before the TUN device"},
	{"peer_checksum", subjectName + "-nopeersum", "checksums left to the peer"},
}

// nothingName is the contestant with all of them off.
const nothingName = subjectName + "-nooffload"

// switchedOff lists the same gateway with each of its offloads off, and with all.
func switchedOff() []*vpngw {
	var all []*vpngw
	var lines []string
	for _, s := range offloadSwitches {
		line := s.key + ": false"
		all = append(all, &vpngw{name: s.name, lines: []string{"offload: {" + line + "}"}})
		lines = append(lines, line)
	}
	return append(all, &vpngw{name: nothingName, lines: []string{"offload: {" + strings.Join(lines, ", ") + "}"}})
}

// switchChoice is what a run with -switches consists of, where -only names nothing else.
func switchChoice() string {
	names := []string{subjectName, nothingName, "default", "tcp1", "tcp4", "udp1400", "quic"}
	for _, s := range offloadSwitches {
		names = append(names, s.name)
	}
	return strings.Join(names, ",")
}

// writeSwitches writes what each offload brings as a Markdown table for every wire:
// first what all of them reach together, then, for each that is off, what is left
// of the rate and what becomes of the cost.
func writeSwitches(w io.Writer, r *result, wires []wireKind, cases []benchCase, _ bool) error {
	var b strings.Builder
	for _, wire := range wires {
		fmt.Fprintf(&b, "### %s\n\n", wire.Title)
		head := []string{"off"}
		for _, c := range cases {
			head = append(head, c.Title+", Gbit/s", "CPU-s per Gbit")
		}
		rule := ruler(len(head) + 1)
		writeRow(&b, head)
		writeRow(&b, append(rule[:1], rule[2:]...))
		row := func(title string, figure func(rate, cost summary) (string, string)) {
			cells := []string{title}
			for _, c := range cases {
				x, y := figure(r.find(wire.Name, c.Name, keyRate), r.find(wire.Name, c.Name, keyCPUGbit))
				cells = append(cells, x, y)
			}
			writeRow(&b, cells)
		}
		row("nothing", func(rate, cost summary) (string, string) {
			return cell(rate.Spread, subjectName, 2), cell(cost.Spread, subjectName, 3)
		})
		for _, s := range append(offloadSwitches, struct{ key, name, title string }{"", nothingName, "all of them"}) {
			row(s.title, func(rate, cost summary) (string, string) {
				return times(cell(inverse(rate.Ratios), s.name, 2)), times(cell(inverse(cost.Ratios), s.name, 2))
			})
		}
		b.WriteByte('\n')
	}
	writeNotes(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

// times marks a factor.
func times(figure string) string {
	if figure == noFigure {
		return figure
	}
	return "×" + figure
}

// inverse turns ratios around: the others' figures divided by the subject's.
func inverse(ratios map[string]spread) map[string]spread {
	turned := map[string]spread{}
	for name, s := range ratios {
		if s.Min > 0 {
			turned[name] = spread{Median: 1 / s.Median, Min: 1 / s.Max, Max: 1 / s.Min, Rounds: s.Rounds}
		}
	}
	return turned
}

// find returns a row of the summary; one without figures if there is none.
func (r *result) find(wire, name, metric string) summary {
	for _, row := range r.Summary {
		if row.Wire == wire && row.Case == name && row.Metric == metric {
			return row
		}
	}
	return summary{}
}

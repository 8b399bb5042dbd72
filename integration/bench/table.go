package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// noFigure fills the cells that have nothing to show.
const noFigure = "–"

// writeTables writes the summary as Markdown, one table per wire: a column per
// contestant, then the subject's ratio to each other one.
func writeTables(w io.Writer, r *result, wires []wireKind, cases []benchCase, extras bool) error {
	var b strings.Builder
	var names, others []string
	subject := false
	for _, c := range r.Contestants {
		names = append(names, c.Name)
		if c.Name == subjectName {
			subject = true
		} else {
			others = append(others, c.Name)
		}
	}
	if !subject {
		others = nil
	}
	extra := map[string]bool{}
	for _, m := range metrics {
		extra[m.Key] = m.Extra
	}
	for _, wire := range wires {
		fmt.Fprintf(&b, "### %s\n\n", wire.Title)
		head := append([]string{"case", "figure"}, names...)
		for _, o := range others {
			head = append(head, subjectName+" ÷ "+o)
		}
		writeRow(&b, head)
		writeRow(&b, ruler(len(head)))
		for _, c := range cases {
			title := c.Title
			for _, row := range r.Summary {
				if row.Wire != wire.Name || row.Case != c.Name || extra[row.Metric] && !extras {
					continue
				}
				cells := []string{title, row.title}
				for _, n := range names {
					cells = append(cells, cell(row.Spread, n, row.digits))
				}
				for _, o := range others {
					cells = append(cells, cell(row.Ratios, o, 2))
				}
				writeRow(&b, cells)
				title = "" // once per case reads better
			}
		}
		b.WriteByte('\n')
	}
	writeNotes(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeNotes writes what belongs below every table: versions, the machine, failures.
func writeNotes(b *strings.Builder, r *result) {
	for _, c := range r.Contestants {
		fmt.Fprintf(b, "- %s: %s\n", c.Name, c.Version)
	}
	fmt.Fprintf(b, "- Medians (minimum–maximum); rounds: %d, interleaved, %d s a measurement; ratios are computed in each round.\n",
		r.Settings.Rounds, r.Settings.Seconds)
	fmt.Fprintf(b, "- %s\n", r.Machine)
	fmt.Fprintf(b, "- %s; CPU counted by %s; 64-byte UDP offered at %.0f packets/s.\n",
		pinning(r.Settings.Pin), r.Settings.CPUSource, float64(r.Settings.UDPMbit)*1e6/8/smallPayload)
	for _, f := range r.Failures {
		fmt.Fprintf(b, "- FAILED: %s\n", f)
	}
}

func pinning(on bool) string {
	if on {
		return "Pinned: host A and gateway A on one core, host B and gateway B on another"
	}
	return "Not pinned"
}

// cell formats a spread as "median (min–max)", and a single round as its value alone.
func cell(by map[string]spread, name string, digits int) string {
	s, ok := by[name]
	if !ok {
		return noFigure
	}
	median := strconv.FormatFloat(s.Median, 'f', digits, 64)
	if s.Rounds < 2 {
		return median
	}
	return fmt.Sprintf("%s (%s–%s)", median,
		strconv.FormatFloat(s.Min, 'f', digits, 64), strconv.FormatFloat(s.Max, 'f', digits, 64))
}

func writeRow(b *strings.Builder, cells []string) {
	b.WriteString("| ")
	b.WriteString(strings.Join(cells, " | "))
	b.WriteString(" |\n")
}

// ruler is the line below the head: words to the left, figures to the right.
func ruler(n int) []string {
	r := []string{"---", "---"}
	for len(r) < n {
		r = append(r, "--:")
	}
	return r
}

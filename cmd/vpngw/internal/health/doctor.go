package health

import (
	"context"
	"fmt"
	"io"
	"strings"

	"vpngw/tunnel/doctor"
	"vpngw/tunnel/survey"
)

// Report is the whole of `vpngw doctor --json`. Its fields are stable.
type Report struct {
	Healthy  bool             `json:"healthy"` // no errors and no warnings are left
	Findings []doctor.Finding `json:"findings"`
	Fixed    []Fix            `json:"fixed"`  // what --fix did
	Unseen   []string         `json:"unseen"` // what could not be looked at, and why
}

// Fix is one finding that was mended, or not.
type Fix struct {
	doctor.Finding
	Failed string `json:"failed,omitempty"` // why it could not be mended
}

// Examine looks at the machine around s; with fix, it mends what is safe to mend and looks again.
func Examine(ctx context.Context, s doctor.Subject, fix bool) Report {
	facts := survey.Look(ctx, s, survey.Thorough)
	findings := doctor.Examine(facts)
	r := Report{Fixed: []Fix{}}
	if fix {
		for _, f := range findings {
			if !f.Safe || f.Severity == doctor.Note {
				continue
			}
			done := Fix{Finding: f}
			if err := survey.Apply(*f.Change); err != nil {
				done.Failed = err.Error()
			}
			r.Fixed = append(r.Fixed, done)
		}
		if len(r.Fixed) > 0 {
			facts = survey.Look(ctx, s, survey.Thorough)
			findings = doctor.Examine(facts)
		}
	}
	r.Healthy = doctor.Healthy(findings)
	r.Findings = append([]doctor.Finding{}, findings...)
	r.Unseen = append([]string{}, facts.Unseen...)
	return r
}

// Print writes r for a person to read.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	for i := range r.Fixed {
		f := &r.Fixed[i]
		if f.Failed != "" {
			fmt.Fprintf(&b, "not fixed: %s\n", f.Failed)
			continue
		}
		fmt.Fprintf(&b, "fixed: %s\n", about(&f.Finding))
		fmt.Fprintf(&b, "  done: %s\n  undo: %s\n", f.Command, f.Undo)
	}
	if len(r.Fixed) > 0 {
		b.WriteByte('\n')
	}
	count := map[doctor.Severity]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		count[f.Severity]++
		printFinding(&b, f)
	}
	if len(r.Unseen) > 0 {
		b.WriteString("not seen\n")
		for _, u := range r.Unseen {
			printText(&b, "  ", u)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "verdict: %s\n", verdict(count))
	_, err := io.WriteString(w, b.String())
	return err
}

func printFinding(b *strings.Builder, f *doctor.Finding) {
	printText(b, "", fmt.Sprintf("%s: %s", f.Severity, about(f)))
	printText(b, "  ", f.Why)
	if f.Command != "" {
		// Not wrapped, so that it can be copied.
		safe := ""
		if f.Safe && f.Severity != doctor.Note {
			safe = "      (--fix does it)"
		}
		fmt.Fprintf(b, "  mend: %s%s\n", f.Command, safe)
	}
	if f.Advice != "" {
		printText(b, "  ", f.Advice)
	}
	b.WriteByte('\n')
}

func about(f *doctor.Finding) string {
	if f.Interface == "" {
		return f.What
	}
	return f.Interface + ": " + f.What
}

const width = 100

func printText(b *strings.Builder, indent, text string) {
	for n, line := range wrap(text, width-len(indent)-2) {
		if n > 0 && indent == "" {
			b.WriteString("  ")
		}
		fmt.Fprintln(b, indent+line)
	}
}

func verdict(count map[doctor.Severity]int) string {
	var parts []string
	for _, s := range []doctor.Severity{doctor.Error, doctor.Warning, doctor.Note} {
		if n := count[s]; n == 1 {
			parts = append(parts, fmt.Sprintf("1 %s", s))
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %ss", n, s))
		}
	}
	found := strings.Join(parts, ", ")
	switch {
	case count[doctor.Error] > 0:
		return "packets are lost or damaged: " + found
	case count[doctor.Warning] > 0:
		return "it works, but not as well as it could: " + found
	case found != "":
		return "all is well: " + found
	}
	return "all is well"
}

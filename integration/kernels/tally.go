package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// skip is a test that was not run, and why.
type skip struct{ test, reason string }

// tally counts the tests in the output of compiled tests run with -test.v. It is an io.Writer.
type tally struct {
	passed, failed int
	skipped        []skip

	line    []byte
	current string            // test that wrote last
	said    map[string]string // by test, its last line
}

func (t *tally) Write(b []byte) (int, error) {
	for rest := b; ; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			t.line = append(t.line, rest...)
			return len(b), nil
		}
		t.add(string(append(t.line, rest[:end]...)))
		t.line, rest = t.line[:0], rest[end+1:]
	}
}

// add reads one line.
func (t *tally) add(line string) {
	line = strings.TrimSpace(line)
	verb, rest, _ := strings.Cut(line, ": ")
	name, _, _ := strings.Cut(rest, " (")
	switch verb {
	case "--- PASS":
		t.passed++
	case "--- FAIL":
		t.failed++
	case "--- SKIP":
		reason := t.said[name]
		if _, text, ok := strings.Cut(reason, ": "); ok { // behind file and line
			reason = text
		}
		t.skipped = append(t.skipped, skip{name, reason})
	default:
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "===" {
			t.current = fields[2]
			return
		}
		if t.said == nil {
			t.said = map[string]string{}
		}
		t.said[t.current] = line
	}
}

// notEnded is the failure of a suite that was not run to its end.
const notEnded = "not ended"

// outcome is what became of a suite.
type outcome struct {
	suite
	tally
	failure string // why it was not run to its end, or "exit code 1"
	seconds float64
	log     string // file with all that it wrote
}

// good tells whether all is well.
func (o *outcome) good() bool { return o.failure == "" && o.failed == 0 && o.passed > 0 }

// summarize writes the summary of one kernel.
func summarize(w io.Writer, release string, outcomes []*outcome) {
	fmt.Fprintf(w, "\nLinux %s\n", release)
	for _, o := range outcomes {
		fmt.Fprintf(w, "  %-22s %4d passed %4d failed %4d skipped %6.0f s  %s\n", o.name(), o.passed, o.failed, len(o.skipped), o.seconds, o.failure)
		if o.leaveOut != "" {
			fmt.Fprintf(w, "    left out without /dev/kvm, for their bars: %s\n", o.leaveOut)
		}
		for rest := o.skipped; len(rest) > 0; {
			first, same := rest[0], len(rest)
			rest = slices.DeleteFunc(slices.Clone(rest), func(s skip) bool { return s.reason == first.reason })
			fmt.Fprintf(w, "    skipped %d, %s: %s\n", same-len(rest), first.test, first.reason)
		}
		if !o.good() {
			fmt.Fprintf(w, "    see %s\n", o.log)
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"vpngw/integration/lab/command"
	"vpngw/integration/lab/load"
)

// report is the result of a run. Its JSON form is for other programs.
type report struct {
	Started  time.Time `json:"started"`
	Settings settings  `json:"settings"`
	Figures  []figure  `json:"figures"`
	Bars     []bar     `json:"bars"`
	Rounds   []round   `json:"rounds"` // every single figure of the comparison
}

// figure is something that was seen.
type figure struct {
	What string `json:"what"`
	Seen string `json:"seen"`
}

// bar is one thing that must hold.
type bar struct {
	What string `json:"what"`
	Got  string `json:"got"`
	Want string `json:"want"`
	OK   bool   `json:"ok"`
}

func (r *report) figure(what, format string, args ...any) {
	r.Figures = append(r.Figures, figure{what, fmt.Sprintf(format, args...)})
}

func (r *report) bar(what, got, want string, ok bool) {
	r.Bars = append(r.Bars, bar{what, got, want, ok})
}

// errMissed ends a run whose figures are good but for the bars.
var errMissed = errors.New("a bar is missed")

// finish prints everything, writes the JSON if a file is named, and tells by its error whether a bar is missed.
func (r *report) finish(out io.Writer, file string) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, f := range r.Figures {
		fmt.Fprintf(w, "%s\t%s\n", f.What, f.Seen)
	}
	fmt.Fprintln(w)
	missed := false
	for _, b := range r.Bars {
		mark := "ok"
		if !b.OK {
			mark, missed = "MISSED", true
		}
		fmt.Fprintf(w, "%s\t%s: %s, wanted %s\n", mark, b.What, b.Got, b.Want)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if file != "" {
		if err := command.WriteJSON(file, r); err != nil {
			return err
		}
	}
	if missed {
		return errMissed
	}
	return nil
}

// spread is the median with the least and the largest value.
func spread(values []float64, unit string) string {
	if len(values) == 0 {
		return "nothing"
	}
	return strings.TrimSpace(fmt.Sprintf("%.3g (%.3g–%.3g) %s", load.Median(values), slices.Min(values), slices.Max(values), unit))
}

func kib(bytes float64) string { return fmt.Sprintf("%.1f KiB", bytes/1024) }

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

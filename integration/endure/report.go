package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"vpngw/integration/lab/command"
)

// bar is one thing that must hold.
type bar struct {
	What string `json:"what"`
	Got  string `json:"got"`
	Want string `json:"want"`
	OK   bool   `json:"ok"`
}

// report is the result of a measurement. Its JSON form is for other programs.
type report struct {
	Measurement string    `json:"measurement"`
	Started     time.Time `json:"started"`
	Settings    any       `json:"settings"`
	Rounds      any       `json:"rounds"` // every single figure
	Bars        []bar     `json:"bars"`
}

// finish prints the bars, writes the JSON and tells by its error whether a bar is missed.
func (c *common) finish(r report) error {
	r.Measurement = c.name
	if err := writeBars(c.out, r.Bars); err != nil {
		return err
	}
	if c.output != "" {
		if err := command.WriteJSON(c.output, r); err != nil {
			return err
		}
		c.say("all figures are in %s", c.output)
	}
	for _, b := range r.Bars {
		if !b.OK {
			return errMissed
		}
	}
	return nil
}

func writeBars(w io.Writer, bars []bar) error {
	rows := [][]string{{"", "bar", "seen", "wanted"}}
	for _, b := range bars {
		mark := "ok"
		if !b.OK {
			mark = "MISSED"
		}
		rows = append(rows, []string{mark, b.What, b.Got, b.Want})
	}
	return writeTable(w, rows)
}

// writeTable prints rows in columns, the first one as the head.
func writeTable(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

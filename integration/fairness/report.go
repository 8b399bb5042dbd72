package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vpngw/integration/lab/command"
)

// report is everything that was seen.
type report struct {
	Started      time.Time        `json:"started"`
	Seconds      float64          `json:"seconds"`
	Machine      string           `json:"machine"`
	Contestants  []contestantInfo `json:"contestants"`
	Notes        []string         `json:"notes"`
	Bars         []bar            `json:"bars"`
	Failures     []string         `json:"failures"`
	Measurements []*measurement   `json:"measurements"`
}

type contestantInfo struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	Version string `json:"version"`
}

// write puts the JSON into the file, and the document and the pictures beside it.
func (r *report) write(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	document := strings.TrimSuffix(file, filepath.Ext(file)) + ".md"
	if err := errors.Join(command.MakeFolder(filepath.Dir(file)), writeFile(file, append(text, '\n')), writeFile(document, []byte(r.markdown()))); err != nil {
		return err
	}
	for _, p := range draw(r) {
		if err := writeFile(filepath.Join(filepath.Dir(file), p.name), p.svg); err != nil {
			return err
		}
	}
	return nil
}

// readReport reads the JSON of an earlier run.
func readReport(file string) (*report, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// brief is a measurement on one line.
func (m *measurement) brief() string {
	var b strings.Builder
	if len(m.Shares) > 0 {
		fmt.Fprintf(&b, "%s Mbit/s", join(m.Shares, "%.1f"))
	}
	if len(m.Jain) > 0 {
		fmt.Fprintf(&b, ", Jain %.3f", slices.Min(m.Jain))
	}
	if m.Probe != nil {
		fmt.Fprintf(&b, ", probe p50 %.2f p99 %.2f max %.2f ms, %d of %d lost", m.Probe.P50, m.Probe.P99, m.Probe.Max, m.Probe.Lost, m.Probe.Sent)
	}
	return strings.TrimPrefix(b.String(), ", ")
}

func join(values []float64, format string) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprintf(format, v)
	}
	return strings.Join(texts, "/")
}

// rateText is how a wire's rate is said.
func rateText(rate uint64) string {
	switch {
	case rate == 0:
		return "no limit"
	case rate >= 1e9 && rate%1e9 == 0:
		return fmt.Sprintf("%d Gbit/s", rate/1e9)
	}
	return fmt.Sprintf("%g Mbit/s", float64(rate)/1e6)
}

func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// wireText says what a wire is.
func wireText(w wire) string {
	switch {
	case w.Rate == 0:
		return "no limit but the processor"
	case w.AtHub:
		return fmt.Sprintf("the gateway's own device of %s, queue of %d KiB", rateText(w.Rate), w.Bytes>>10)
	case w.Superpackets > 0:
		return fmt.Sprintf("wire of %s, queue of %d superpackets", rateText(w.Rate), w.Superpackets)
	}
	return fmt.Sprintf("wire of %s, queue of %d KiB", rateText(w.Rate), w.Bytes>>10)
}

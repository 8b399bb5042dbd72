package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is everything that was seen.
type report struct {
	Started      time.Time        `json:"started"`
	Seconds      float64          `json:"seconds"`
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

// writeJSON writes v into path. A folder that it makes hides itself from git, for results belong to a machine and not to the
// project.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'))
}

func writeFile(path string, text []byte) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(path, text, 0o644)
}

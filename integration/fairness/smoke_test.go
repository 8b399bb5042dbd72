package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vpngw/integration/lab"
)

// TestSmoke runs a short scenario: whether the bars hold is not asked here, but that traffic flows in every tunnel, that what
// it did is measured, and that all is reported.
func TestSmoke(t *testing.T) {
	t.Parallel()
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	var out, progress bytes.Buffer
	file := filepath.Join(t.TempDir(), "made", "fairness.json")
	err := start(t.Context(), []string{"-only", "even", "-contestants", subject, "-rates", "50", "-cc", "cubic", "-seconds", "4", "-o", file}, &out, &progress)
	if err != nil && !errors.Is(err, errMissed) {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Failures) > 0 || len(r.Measurements) != 2 || len(r.Bars) < 7 || len(r.Notes) != 2 {
		t.Fatalf("%d measurements, %d bars, failures %q, notes %q", len(r.Measurements), len(r.Bars), r.Failures, r.Notes)
	}
	m := r.Measurements[1]
	if len(m.Shares) != tunnels || len(m.Flows) != tunnels || len(m.Jain) < 1 || m.Profile == nil {
		t.Errorf("shares %v, %d flows, Jain %v, profile %v", m.Shares, len(m.Flows), m.Jain, m.Profile)
	}
	if m.total() < 10 || m.total() > 50 {
		t.Errorf("%.1f Mbit/s on a wire of 50", m.total())
	}
	if m.Probe.Sent < 500 || m.Probe.Lost > m.Probe.Sent/2 || m.Probe.P50 <= 0 || m.Probe.P99 < m.Probe.P50 || m.Probe.Max < m.Probe.P99 {
		t.Errorf("probe %+v", m.Probe)
	}
	if !strings.Contains(out.String(), "## Four tunnels, one flow each (even)") {
		t.Errorf("the document is\n%s", out.String())
	}
	for _, name := range []string{"fairness.md", "fairness/shares-even-50M-cubic.svg", "fairness/delays-even-50M-cubic.svg"} {
		if text, err := os.ReadFile(filepath.Join(filepath.Dir(file), name)); err != nil || len(text) < 1000 {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
}

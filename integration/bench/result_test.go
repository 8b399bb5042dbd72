package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"vpngw/integration/lab/command"
)

// Others read the JSON: its keys are a promise until resultFormat changes.
func TestJSONShape(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out", "bench.json")
	if err := command.WriteJSON(path, testResult()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, "result", got, "contestants", "failures", "format", "machine", "samples", "settings", "started", "summary")
	wantKeys(t, "machine", got["machine"], "arch", "cores", "cpu", "go", "iperf3", "kernel", "load_average_before")
	wantKeys(t, "settings", got["settings"], "cpu_source", "pin", "rounds", "seconds", "udp_mbit_per_s")
	wantKeys(t, "contestant", first(t, got["contestants"]), "name", "version")
	wantKeys(t, "failure", first(t, got["failures"]), "case", "contestant", "error", "round", "wire")
	s := first(t, got["samples"])
	wantKeys(t, "sample", s, "case", "contestant", "position", "round", "values", "wire")
	if v := s.(map[string]any)["values"].(map[string]any)["gbit_per_s"]; v != 30.0 {
		t.Errorf("gbit_per_s of the first sample is %v, want 30", v)
	}
	row := first(t, got["summary"])
	wantKeys(t, "summary", row, "case", "metric", "ratios", "spread", "wire")
	wantKeys(t, "spread", row.(map[string]any)["spread"].(map[string]any)["vpngw"], "max", "median", "min", "rounds")
}

func first(t *testing.T, list any) any {
	t.Helper()
	l, ok := list.([]any)
	if !ok || len(l) == 0 {
		t.Fatalf("%v is no list with something in it", list)
	}
	return l[0]
}

func wantKeys(t *testing.T, what string, object any, want ...string) {
	t.Helper()
	m, ok := object.(map[string]any)
	if !ok {
		t.Fatalf("%s is %v, not an object", what, object)
	}
	if got := slices.Sorted(maps.Keys(m)); !slices.Equal(got, want) {
		t.Errorf("keys of %s are %v, want %v", what, got, want)
	}
}

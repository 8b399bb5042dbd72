package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/load"
)

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-busy", "0"}, {"-busy", "61", "-many", "70"}, {"-many", "5", "-busy", "6"}, {"-many", "99999"}, {"-seconds", "1"}, {"now"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil || errors.Is(err, lab.ErrUnavailable) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestCompare: the bar is the median of the ratios of rounds that followed one another, in each direction.
func TestCompare(t *testing.T) {
	s := settings{Many: 1000, Busy: 10}
	var rounds []round
	for i, gbit := range []float64{5.0, 4.0, 6.0} {
		rounds = append(rounds,
			round{Tunnels: 10, Number: i, traffic: traffic{Gbit: gbit}},
			round{Tunnels: 1000, Number: i, traffic: traffic{Gbit: gbit - 0.2}},
			round{Tunnels: 10, Up: true, Number: i, traffic: traffic{Gbit: 3}},
			round{Tunnels: 1000, Up: true, Number: i, traffic: traffic{Gbit: 2}})
	}
	var r report
	r.compare(s, rounds, false)
	r.compare(s, rounds, true)
	if len(r.Bars) != 2 || !r.Bars[0].OK || r.Bars[1].OK || !strings.Contains(r.Bars[0].Got, "96 (95–96.7) %") || !strings.Contains(r.Bars[1].Got, "66.7 (66.7–66.7) %") {
		t.Errorf("%+v", r.Bars)
	}
	var out bytes.Buffer
	if err := r.finish(&out, ""); !errors.Is(err, errMissed) || !strings.Contains(out.String(), "MISSED") || !strings.Contains(out.String(), "5 (4–6) Gbit/s") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestGoodput(t *testing.T) {
	r := &load.Result{
		Times: []time.Duration{0, 500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second},
		Flows: []load.FlowTrace{{Received: []uint64{0, 1, 1e9, 2e9, 3e9}}, {Received: []uint64{0, 0, 0, 0, 5e8}}},
	}
	if got := goodput(r); got != 10 {
		t.Errorf("%v Gbit/s", got)
	}
	if got := goodput(&load.Result{}); got != 0 {
		t.Errorf("%v Gbit/s of nothing", got)
	}
}

func TestParseSlab(t *testing.T) {
	if n, err := parseSlab("MemTotal: 1 kB\nSlab:              12 kB\nSReclaimable: 3 kB\n"); err != nil || n != 12<<10 {
		t.Errorf("%d %v", n, err)
	}
	if _, err := parseSlab("MemTotal: 1 kB\n"); err == nil {
		t.Error("found what is not there")
	}
}

// TestSmoke runs the shortest part with a small crowd: whether everybody comes up, and all is reported.
func TestSmoke(t *testing.T) {
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "made", "scale.json")
	var out, progress bytes.Buffer
	if err := run(t.Context(), []string{"-only", "away", "-many", "20", "-busy", "2", "-idle", "2", "-o", file}, &out, &progress); err != nil {
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
	if len(r.Figures) != 2 || !strings.Contains(r.Figures[1].Seen, "all up") || !strings.Contains(out.String(), r.Figures[0].Seen) {
		t.Errorf("%s\n%s", text, out.String())
	}
}

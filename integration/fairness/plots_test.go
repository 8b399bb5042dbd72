package main

import (
	"slices"
	"strings"
	"testing"
)

// A report of two situations gives their pictures, and the telling one where the FIFO starves.
func TestDraw(t *testing.T) {
	r := &report{}
	for _, contestant := range []string{subject, unshapedFIFO} {
		for _, scenario := range []string{"even", "trains", "upload"} {
			w := byteQueue(tellingRate)
			if scenario == "trains" {
				w = wire{Rate: tellingRate, Superpackets: superpackets}
			}
			m := &measurement{Scenario: scenario, Contestant: contestant, Wire: w, Congestion: "cubic"}
			m.fill(complaint())
			r.Measurements = append(r.Measurements, m, &measurement{Scenario: scenario, Variant: "idle"})
		}
	}
	var got []string
	for _, p := range draw(r) {
		got = append(got, p.name)
		if p.name == "fairness/readme.svg" && strings.Index(string(p.svg), "one FIFO") > strings.Index(string(p.svg), "fair queue") {
			t.Error("the cure stands before the complaint")
		}
	}
	want := []string{"fairness/shares-even-400M-cubic.svg", "fairness/delays-even-400M-cubic.svg",
		"fairness/shares-trains-400M-cubic.svg", "fairness/delays-trains-400M-cubic.svg", "fairness/readme.svg"}
	if !slices.Equal(got, want) {
		t.Errorf("pictures %q, want %q", got, want)
	}
}

func TestSmooth(t *testing.T) {
	if got := smooth([]float64{1, 2, 3, 4, 5, 6, 7}, 3); !slices.Equal(got, []float64{2, 5, 7}) {
		t.Errorf("%v", got)
	}
}

package main

import (
	"testing"
	"time"
)

func TestRestartBars(t *testing.T) {
	s := restartSettings{Runs: 50}
	runs := func(slow ...time.Duration) (all []restartRun) {
		for _, kind := range restartKinds {
			for i := range s.Runs {
				r := restartRun{Kind: kind.Name, Run: i, Took: time.Second}
				if kind.Waits && i < len(slow) {
					r.Took = slow[i]
				}
				all = append(all, r)
			}
		}
		return all
	}
	if got := missed(restartBars(s, runs(flowAgain))); got != nil {
		t.Errorf("missed: %q", got)
	}
	if got := missed(restartBars(s, runs(flowAgain+1))); len(got) != 1 {
		t.Errorf("one of 50 is too slow: missed %q", got)
	}
	lost := runs()
	lost[0].Lost = true
	if got := missed(restartBars(s, lost)); len(got) != 1 {
		t.Errorf("one of 50 never came back: missed %q", got)
	}
	if got := missed(restartBars(s, runs()[1:])); len(got) != 1 {
		t.Errorf("one run less than asked for: missed %q", got)
	}
	if rows := restartTable(runs(3 * time.Second)); len(rows) != 3 || rows[1][4] != "1s" || rows[2][4] != "3s" || rows[2][2] != "1s" {
		t.Errorf("table %q", rows)
	}
}

func TestEveryAgeMeetsEveryAbsence(t *testing.T) {
	met := map[[2]time.Duration]bool{}
	for i := range 50 {
		met[[2]time.Duration{ages[i%len(ages)], absences[i%len(absences)]}] = true
	}
	if len(met) != len(ages)*len(absences) {
		t.Errorf("50 runs meet %d of %d combinations", len(met), len(ages)*len(absences))
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFloodSmoke runs one case of the flood: whether the bar holds is not asked here,
// but that datagrams arrive, that their answers are seen, and that all is reported.
func TestFloodSmoke(t *testing.T) {
	if err := needed(); err != nil {
		t.Skip(err)
	}
	var out, progress bytes.Buffer
	c := &common{name: "flood", out: &out, progress: &progress}
	file := filepath.Join(t.TempDir(), "made", "flood.json")
	err := runFlood(t.Context(), c, []string{"-rounds", "1", "-seconds", "1", "-rate", "5000", "-only", "IKE_SA_INIT from a stranger", "-o", file})
	if closeErr := c.close(); closeErr != nil {
		t.Error(closeErr)
	}
	if err != nil && !errors.Is(err, errMissed) {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Measurement string
		Bars        []bar
		Rounds      []floodRound
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Measurement != "flood" || len(r.Rounds) != 2 || len(r.Bars) != 4 || !strings.Contains(out.String(), r.Bars[0].What) {
		t.Fatalf("%s\n%s", text, out.String())
	}
	for _, round := range r.Rounds {
		if round.Datagrams < 1000 || round.Gbit <= 0 {
			t.Errorf("round without a flood or without TCP: %+v", round)
		}
		if answered := round.Replies.Count > 0; answered != round.Listening {
			t.Errorf("listening %t, %d replies", round.Listening, round.Replies.Count)
		}
		if round.Listening && round.Drops["ike_limited"] == 0 {
			t.Errorf("nothing was refused: %v", round.Drops)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"flod"}} {
		if err := run(t.Context(), args); err == nil || !strings.Contains(err.Error(), "usage:") || !strings.Contains(err.Error(), "restart") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

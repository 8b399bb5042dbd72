package main

import (
	"math"
	"testing"
)

func testSamples(figure string, by map[string][]float64) []sample {
	var out []sample
	for name, values := range by {
		for round, v := range values {
			out = append(out, sample{
				Wire: "default", Case: "tcp1", Round: round, Contestant: name,
				Values: map[string]float64{figure: v},
			})
		}
	}
	return out
}

func findSummary(t *testing.T, rows []summary, key string) summary {
	t.Helper()
	for _, r := range rows {
		if r.Metric == key {
			return r
		}
	}
	t.Fatalf("no row %s among %d", key, len(rows))
	return summary{}
}

// The figures drift from round to round; what is paired must not. The median of
// the differences and of the ratios here is not that of the medians.
func TestSummaryPairsRounds(t *testing.T) {
	samples := testSamples(keyCPUGbit, map[string][]float64{
		plainName:      {0.1, 0.5, 0.2},
		"wireguard-go": {0.7, 1.1, 2.2},
		subjectName:    {0.3, 0.7, 0.6},
	})
	rows := summarise(samples, allWires(), allCases())
	if len(rows) != 2 {
		t.Fatalf("%d rows, want the figure and what it adds to plain", len(rows))
	}
	whole := findSummary(t, rows, keyCPUGbit)
	if whole.Wire != "default" || whole.Case != "tcp1" {
		t.Errorf("row of %s, %s", whole.Wire, whole.Case)
	}
	checkSpread(t, whole.Spread[subjectName], spread{0.6, 0.3, 0.7, 3})
	checkSpread(t, whole.Ratios["wireguard-go"], spread{0.3 / 0.7, 0.6 / 2.2, 0.7 / 1.1, 3})
	checkSpread(t, whole.Ratios[plainName], spread{3, 1.4, 3, 3})
	if _, ok := whole.Ratios[subjectName]; ok {
		t.Error("a ratio of the subject to itself")
	}

	added := findSummary(t, rows, addedPrefix+keyCPUGbit)
	checkSpread(t, added.Spread[subjectName], spread{0.2, 0.2, 0.4, 3})
	checkSpread(t, added.Spread["wireguard-go"], spread{0.6, 0.6, 2.0, 3})
	checkSpread(t, added.Ratios["wireguard-go"], spread{1.0 / 3, 0.2, 1.0 / 3, 3})
	if _, ok := added.Spread[plainName]; ok {
		t.Error("plain adds something to itself")
	}
}

func checkSpread(t *testing.T, got, want spread) {
	t.Helper()
	const tolerance = 1e-9
	if math.Abs(got.Median-want.Median) > tolerance || math.Abs(got.Min-want.Min) > tolerance ||
		math.Abs(got.Max-want.Max) > tolerance || got.Rounds != want.Rounds {
		t.Errorf("spread %+v, want %+v", got, want)
	}
}

func TestSummaryWithoutPlain(t *testing.T) {
	samples := testSamples(keyCPUGbit, map[string][]float64{"wireguard-go": {1}, subjectName: {2}})
	rows := summarise(samples, allWires(), allCases())
	if len(rows) != 1 || rows[0].Metric != keyCPUGbit {
		t.Fatalf("rows %+v, want the figure alone: there is nothing to take off", rows)
	}
}

// Rate has no meaning as a difference to plain.
func TestSummaryAddsOnlyWhatAdds(t *testing.T) {
	samples := testSamples(keyRate, map[string][]float64{plainName: {30, 31}, subjectName: {6, 7}})
	rows := summarise(samples, allWires(), allCases())
	if len(rows) != 1 {
		t.Fatalf("%d rows, want 1", len(rows))
	}
	checkSpread(t, rows[0].Ratios[plainName], spread{(6.0/30 + 7.0/31) / 2, 6.0 / 30, 7.0 / 31, 2})
}

// Every figure that a case yields, and every key of the metrics, must be told apart.
func TestMetricKeysAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range metrics {
		if m.Key == "" || m.Title == "" || seen[m.Key] {
			t.Errorf("metric %+v has no name of its own", m)
		}
		seen[m.Key] = true
	}
}

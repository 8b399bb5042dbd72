package demo

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"vpngw/integration/lab/command"
	"vpngw/integration/lab/load"
)

// TestSecondAct plays the act with real gateways: the FIFO gives most to the tunnel with most flows, the fair queue does not.
func TestSecondAct(t *testing.T) {
	needLab(t)
	binary, _, err := command.Program(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	out := newWatched("")
	if err := Run(t.Context(), Options{Binary: binary, Out: out, Act: 2, QueueSeconds: 3}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Log(out)
	worst := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^  (FIFO|fair) +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +([0-9.]+) `).FindAllStringSubmatch(out.String(), -1) {
		worst[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	if len(worst) != 2 || worst["fair"] < worst["FIFO"]+0.2 {
		t.Errorf("Jain's index in the worst second: %v", worst)
	}
	checkNothingLeft(t, out.String())
}

func TestContest(t *testing.T) {
	c := contest{flows: []load.Flow{{Tunnel: 0}, {Tunnel: 0}, {Tunnel: 1}, {Tunnel: 2}, {Tunnel: 3}}}
	const mbyte = 125_000 // bytes, a Mbit
	readings := []load.Reading{
		{At: time.Second, Received: []uint64{90 * mbyte, 0, 0, 0, 0}, Delays: [][]time.Duration{{3, 1, 2}}},
		{At: 2 * time.Second, Received: []uint64{180 * mbyte, 0, 0, 0, 0}, Delays: [][]time.Duration{nil}},
		{At: 4 * time.Second, Received: []uint64{200 * mbyte, 20 * mbyte, 40 * mbyte, 40 * mbyte, 40 * mbyte}},
		{At: 5 * time.Second, Received: []uint64{230 * mbyte, 20 * mbyte, 70 * mbyte, 40 * mbyte, 40 * mbyte}},
	}
	want := [][]float64{{90, 0, 0, 0}, {90, 0, 0, 0}, {20, 20, 20, 20}, {30, 30, 0, 0}}
	for i, r := range readings {
		m := c.add(r)
		for tunnel, mbit := range m.mbit {
			if math.Abs(mbit-want[i][tunnel]) > 1e-9 {
				t.Errorf("reading %d, tunnel %d: %v Mbit/s, want %v", i, tunnel, mbit, want[i][tunnel])
			}
		}
	}
	c.finish(&load.Result{Flows: []load.FlowTrace{{LongestGap: 2}, {LongestGap: 5}, {LongestGap: 1}}, Probes: []load.ProbeTrace{{Delays: []time.Duration{4, 6}}}})
	if c.gap != 5 || len(c.delays) != 2 {
		t.Errorf("longest gap %d, %d delays", c.gap, len(c.delays))
	}
	// The warm-up does not count.
	if got := c.worstJain(); math.Abs(got-0.5) > 1e-9 {
		t.Errorf("worst index %v, want 0.5", got)
	}
	for i, mbit := range []float64{25, 25, 10, 10} {
		if got := c.share(i); math.Abs(got-mbit) > 1e-9 {
			t.Errorf("share of tunnel %d: %v, want %v", i, got, mbit)
		}
	}
}

func TestJain(t *testing.T) {
	for _, c := range []struct {
		shares []float64
		want   float64
	}{
		{nil, 0}, {[]float64{0, 0}, 0}, {[]float64{7, 7, 7, 7}, 1}, {[]float64{5, 0, 0, 0}, 0.25}, {[]float64{8, 1, 1, 1}, 121.0 / 268},
	} {
		if got := load.Jain(c.shares); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("load.Jain(%v) = %v, want %v", c.shares, got, c.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	values := []int{5, 1, 4, 2, 3}
	for p, want := range map[float64]int{0: 1, 20: 1, 50: 3, 80: 4, 81: 5, 99: 5, 100: 5} {
		if got := load.Percentile(values, p); got != want {
			t.Errorf("percentile %v of %v = %d, want %d", p, values, got, want)
		}
	}
	if got := load.Percentile([]int(nil), 50); got != 0 {
		t.Errorf("percentile of nothing = %d", got)
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		mbit   float64
		length int
		want   string
	}{
		{0, 4, "    "}, {-1, 4, "    "}, {50, 4, "██  "}, {100, 4, "████"}, {1000, 4, "████"},
		{100.0 / 32, 4, "▏   "}, {100.0 * 15 / 32, 4, "█▉  "}, {100.0 * 31 / 32, 4, "███▉"},
	} {
		if got := bar(c.mbit, c.length); got != c.want {
			t.Errorf("bar(%v, %d) = %q, want %q", c.mbit, c.length, got, c.want)
		}
	}
}

// What is shown of a second has room for any figures, on a terminal in the place of the second before.
func TestDisplay(t *testing.T) {
	heading := "123.4 s  FIFO 12 s"
	for name, m := range map[string]moment{
		"starved": {mbit: make([]float64, branches)},
		"usual":   {mbit: []float64{60.9, 9.2, 8.2, 8.3}, probe: []time.Duration{9 * time.Second, 123456 * time.Microsecond, time.Second / 10}},
		"all":     {mbit: []float64{99.9, 99.9, 99.9, 99.9}, probe: []time.Duration{9999 * time.Millisecond}},
	} {
		var plain, terminal strings.Builder
		(&display{out: &plain}).show(m, heading)
		if n := utf8.RuneCountInString(plain.String()); n > screenWidth+1 || strings.Count(plain.String(), "\n") != 1 {
			t.Errorf("%s: %d characters: %s", name, n, plain.String())
		}
		d := &display{out: &terminal, terminal: true}
		d.show(m, heading)
		first := terminal.String()
		d.show(m, heading)
		if again, ok := strings.CutPrefix(terminal.String()[len(first):], "\x1b[6A"); !ok || again != first {
			t.Errorf("%s: first %q, then %q", name, first, terminal.String()[len(first):])
		}
		for l := range strings.Lines(first) {
			text, ok := strings.CutPrefix(l, "\r\x1b[K")
			if n := utf8.RuneCountInString(text); !ok || n > 80 {
				t.Errorf("%s: %d characters: %q", name, n, l)
			}
		}
	}
}

package meter

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// windowOf takes one sample a second.
func windowOf[T any](samples ...T) *Window[T] {
	w := new(Window[T])
	for i, s := range samples {
		w.Add(start.Add(time.Duration(i)*time.Second), s)
	}
	return w
}

func TestWindowKeepsTheLast(t *testing.T) {
	w := new(Window[int])
	if old, last, span := w.Ends(); *old != 0 || *last != 0 || span != 0 {
		t.Errorf("empty: %d %d %v", *old, *last, span)
	}
	for i := 1; i <= 20; i++ {
		w.Add(start.Add(time.Duration(i)*time.Second), i)
		first := max(i-Samples+1, 1)
		if w.Len() != i-first+1 {
			t.Fatalf("after %d: %d samples", i, w.Len())
		}
		for k := range w.Len() {
			if *w.At(k) != first+k {
				t.Fatalf("after %d: sample %d is %d, want %d", i, k, *w.At(k), first+k)
			}
		}
		if i == 1 {
			continue
		}
		if old, last, span := w.Ends(); *old != first || *last != i || span != time.Duration(i-first)*time.Second {
			t.Fatalf("after %d: from %d to %d in %v", i, *old, *last, span)
		}
	}
	if w.Reset(); w.Len() != 0 {
		t.Error("not empty after Reset")
	}
}

// bucketOf is written from the definition of Waits.
func bucketOf(us uint64) int {
	for i := range Buckets - 1 {
		if us < 1<<i {
			return i
		}
	}
	return Buckets - 1
}

// TestQuantile compares with sorted waits: never off by more than a factor of two.
func TestQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Waits
		waits := rapid.SliceOfN(rapid.Uint64Range(1, 1<<(Buckets-1)-1), 1, 100).Draw(t, "waits")
		for _, us := range waits {
			w[bucketOf(us)]++
		}
		slices.Sort(waits)
		last := time.Duration(0)
		for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 1} {
			rank := max(int(math.Ceil(q*float64(len(waits)))), 1)
			want := time.Duration(waits[rank-1]) * time.Microsecond
			got := w.Quantile(q)
			if got < want/2 || got > 2*want || got < last {
				t.Fatalf("quantile %v: %v, want about %v, not under %v", q, got, want, last)
			}
			last = got
		}
		if longest := time.Duration(waits[len(waits)-1]) * time.Microsecond; w.Max() < longest || w.Max() > 2*longest || last > w.Max() {
			t.Fatalf("max %v, want %v to twice that; last quantile %v", w.Max(), longest, last)
		}
	})
}

func TestWaits(t *testing.T) {
	var none Waits
	if none.Quantile(0.5) != 0 || none.Max() != 0 || none.Count() != 0 {
		t.Error("waits without packets")
	}
	before, after := Waits{3: 10, 5: 4}, Waits{3: 15, 5: 4, 7: 1}
	if d := after.Since(&before); d != (Waits{3: 5, 7: 1}) {
		t.Errorf("since: %v", d)
	}
	if d := before.Since(&after); d.Count() != 0 {
		t.Errorf("counters that were set back: %v", d)
	}
	if s := before.Plus(&after); s != (Waits{3: 25, 5: 8, 7: 1}) {
		t.Errorf("plus: %v", s)
	}
	even := Waits{11: 100} // from 1.024 ms to under 2.048 ms
	if got, want := even.Quantile(0.5), 1536*time.Microsecond; got != want {
		t.Errorf("median %v, want %v", got, want)
	}
}

func TestShares(t *testing.T) {
	for _, c := range []struct {
		name string
		of   []Share
		part []float64
		jain float64
	}{
		{"none", nil, nil, 0},
		{"nothing sent", []Share{{Weight: 1, Contended: true}, {Weight: 1, Contended: true}}, []float64{0, 0}, 1},
		{"even", []Share{{Weight: 1, Bytes: 50, Contended: true}, {Weight: 1, Bytes: 50, Contended: true}}, []float64{.5, .5}, 1},
		{"by weight", []Share{{Weight: 3, Bytes: 75, Contended: true}, {Weight: 1, Bytes: 25, Contended: true}}, []float64{.75, .25}, 1},
		{"one has all", []Share{{Weight: 1, Bytes: 9, Contended: true}, {Weight: 1, Contended: true}, {Weight: 1, Contended: true}}, []float64{1, 0, 0}, 1. / 3},
		{"who asks for little does not count", []Share{{Weight: 1, Bytes: 45, Contended: true}, {Weight: 1, Bytes: 45, Contended: true}, {Weight: 1, Bytes: 10}}, []float64{.45, .45, .1}, 1},
		{"alone", []Share{{Weight: 1, Bytes: 90, Contended: true}, {Weight: 1, Bytes: 10}}, []float64{.9, .1}, 0},
		{"the complaint", []Share{{Weight: 1, Bytes: 200, Contended: true}, {Weight: 1, Bytes: 200, Contended: true}, {Weight: 1, Bytes: 1, Contended: true}, {Weight: 1, Bytes: 1, Contended: true}},
			[]float64{.4975, .4975, .0025, .0025}, .505},
	} {
		jain := Shares(c.of)
		if math.Abs(jain-c.jain) > .001 {
			t.Errorf("%s: Jain index %v, want %v", c.name, jain, c.jain)
		}
		for i, want := range c.part {
			if math.Abs(c.of[i].Part-want) > .0001 {
				t.Errorf("%s: part %d is %v, want %v", c.name, i, c.of[i].Part, want)
			}
		}
	}
}

// TestJainBounds: from 1/n to 1, and the same for a multiple.
func TestJainBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(0, 1e9), 1, 20).Draw(t, "x")
		j := Jain(x)
		if j < 1/float64(len(x))-1e-9 || j > 1+1e-9 {
			t.Fatalf("Jain index %v of %d", j, len(x))
		}
		for i := range x {
			x[i] *= 3
		}
		if again := Jain(x); math.Abs(again-j) > 1e-6 {
			t.Fatalf("%v of three times what had %v", again, j)
		}
	})
}

// TestLimitsAreDocumented: who reads a limit in the status finds what it means.
func TestLimitsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/fairness.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []Limit{Nothing, OwnRate, UplinkRate, Device, PeerSocket, Processor} {
		if !strings.Contains(string(doc), "\n| `"+string(l)+"` | ") {
			t.Errorf("docs/fairness.md does not say what %q means", l)
		}
	}
}

func TestLimitedBy(t *testing.T) {
	const sec = time.Second
	waiting := func(bytes uint64) Tunnel { return Tunnel{Bytes: bytes, Backlog: 1000} }
	free := windowOf(Uplink{}, Uplink{})
	for _, c := range []struct {
		name   string
		tunnel *Window[Tunnel]
		uplink *Window[Uplink]
		want   Limit
	}{
		{"no samples", windowOf[Tunnel](), free, Nothing},
		{"one sample", windowOf(waiting(0)), free, Nothing},
		{"no backlog", windowOf(Tunnel{}, Tunnel{Bytes: 9}), windowOf(Uplink{}, Uplink{ByRate: sec}), Nothing},
		{"a backlog now and then", windowOf(Tunnel{}, waiting(1), Tunnel{Bytes: 2}), windowOf(Uplink{}, Uplink{ByRate: sec}), Nothing},
		{"a backlog mostly", windowOf(waiting(0), Tunnel{}, waiting(2)), windowOf(Uplink{}, Uplink{ByRate: sec}), UplinkRate},
		{"the shaper", windowOf(waiting(0), waiting(9)), windowOf(Uplink{ByRate: sec}, Uplink{ByRate: 3 * sec / 2, ByInFlight: sec / 4}), UplinkRate},
		{"the device", windowOf(waiting(0), waiting(9)), windowOf(Uplink{ByRate: 9 * sec}, Uplink{ByRate: 9 * sec, ByInFlight: sec / 4}), Device},
		{"its own rate, beside others at the shaper", windowOf(waiting(0), Tunnel{Bytes: 9, Backlog: 1, ByRate: sec * 9 / 10}), windowOf(Uplink{}, Uplink{ByRate: sec / 2}), OwnRate},
		{"too short a time", windowOf(waiting(0), Tunnel{Bytes: 9, Backlog: 1, ByRate: sec / 20}), windowOf(Uplink{}, Uplink{ByRate: sec / 20, ByInFlight: sec / 20}), Processor},
		{"nothing holds it", windowOf(waiting(0), waiting(9)), free, Processor},
		{"a dead peer", windowOf(Tunnel{Blocked: sec, Backlog: 1}, Tunnel{Blocked: 2 * sec, Backlog: 1}), windowOf(Uplink{}, Uplink{ByRate: sec}), PeerSocket},
		{"a full socket now and then, at a device that is full", windowOf(waiting(0), Tunnel{Bytes: 9, Backlog: 1, Blocked: sec / 4}), windowOf(Uplink{}, Uplink{ByInFlight: sec / 2}), Device},
		{"counters that were set back", windowOf(Tunnel{ByRate: sec, Backlog: 1, Bytes: 9}, waiting(1)), windowOf(Uplink{ByRate: sec}, Uplink{}), Processor},
	} {
		if got := LimitedBy(c.tunnel, c.uplink); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

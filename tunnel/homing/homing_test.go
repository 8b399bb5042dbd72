package homing

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// machine is lanes that carry tunnels, each of which wants a part of a lane's time.
type machine struct {
	lanes   int
	want    []float64 // of each tunnel; < 0: all it can get, as TCP does
	home    []int
	fixed   []bool
	weight  []int
	blind   bool // the policy does not know the weights
	policy  Policy
	changes []Move
}

func newMachine(lanes int, want ...float64) *machine {
	return &machine{lanes: lanes, want: want, home: make([]int, len(want)), fixed: make([]bool, len(want)), weight: slices.Repeat([]int{1}, len(want))}
}

// second gives each tunnel its part: what wants all shares what the others leave.
func (m *machine) second() (busy []float64, tunnels []Tunnel) {
	busy = make([]float64, m.lanes)
	greedy := make([]int, m.lanes)
	for i, w := range m.want {
		if w < 0 {
			greedy[m.home[i]] += m.weight[i]
		} else {
			busy[m.home[i]] += w
		}
	}
	tunnels = make([]Tunnel, len(m.want))
	for i, w := range m.want {
		l := m.home[i]
		if scale := max(busy[l], 1); w >= 0 {
			w /= scale
		} else {
			w = max(1-busy[l], 0.02) / float64(greedy[l]) * float64(m.weight[i])
		}
		tunnels[i] = Tunnel{Lane: l, Work: 1e9 * w, Weight: m.weight[i], Fixed: m.fixed[i]}
	}
	for l := range busy {
		if busy[l] = min(busy[l], 1); greedy[l] > 0 {
			busy[l] = 1
		}
	}
	return busy, tunnels
}

// demand is what the tunnels of each lane want that want a certain part, however much that is.
func (m *machine) demand() []float64 {
	sum := make([]float64, m.lanes)
	for i, w := range m.want {
		sum[m.home[i]] += max(w, 0)
	}
	return sum
}

func (m *machine) step() (Move, bool) {
	busy, tunnels := m.second()
	for i := range tunnels {
		if m.blind {
			tunnels[i].Weight = 1
		}
	}
	move, ok := m.policy.Decide(busy, tunnels)
	if ok {
		m.home[move.Tunnel] = move.To
		m.changes = append(m.changes, move)
	}
	return move, ok
}

func (m *machine) run(seconds int) {
	for range seconds {
		m.step()
	}
}

// counts is how many tunnels are at home on each lane.
func (m *machine) counts() []int {
	n := make([]int, m.lanes)
	for _, h := range m.home {
		n[h]++
	}
	return n
}

func TestScenarios(t *testing.T) {
	const all = -1
	for _, c := range []struct {
		name  string
		lanes int
		want  []float64
		count string // of tunnels on each lane, in the end
		moves int    // at most
	}{
		{"one lane", 1, []float64{all, all}, "[2]", 0},
		{"nothing to do", 4, []float64{0, 0, 0}, "[3 0 0 0]", 0},
		{"a lane is enough", 4, []float64{0.3, 0.3, 0.1}, "[3 0 0 0]", 0},
		{"one tunnel that takes all", 4, []float64{all}, "[1 0 0 0]", 0},
		{"one that takes all, and crumbs", 4, []float64{all, 0.01, 0.02}, "[3 0 0 0]", 0},
		{"two", 2, []float64{all, all}, "[1 1]", 1},
		{"four on two lanes", 2, []float64{all, all, all, all}, "[2 2]", 2},
		{"four on four lanes", 4, []float64{all, all, all, all}, "[1 1 1 1]", 3},
		{"ten on four lanes", 4, []float64{all, all, all, all, all, all, all, all, all, all}, "[3 3 2 2]", 9},
		{"a large one goes from the small ones, or they from it", 2, []float64{0.6, 0.2, 0.2, 0.2}, "[3 1]", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(c.lanes, c.want...)
			m.run(300)
			if got := fmt.Sprint(m.counts()); got != c.count || len(m.changes) > c.moves {
				t.Errorf("%s after %d moves, want %s after at most %d: %+v", got, len(m.changes), c.count, c.moves, m.changes)
			}
		})
	}
}

// TestGivesBack: when the load goes, the tunnels come home; not for a lull.
func TestGivesBack(t *testing.T) {
	m := newMachine(3, 0.5, 0.5, 0.5)
	m.run(60)
	if got := fmt.Sprint(m.counts()); got != "[1 1 1]" && got != "[2 1 0]" && got != "[1 2 0]" {
		t.Fatalf("under load %s", got)
	}
	spread := m.counts()[0]
	m.want = []float64{0, 0, 0}
	m.run(quietFor - 2)
	m.want = []float64{0.5, 0.5, 0.5}
	m.run(5)
	if m.counts()[0] != spread {
		t.Error("a lull moved a tunnel")
	}
	m.want = []float64{0.1, 0, 0.2}
	m.run(60)
	if got := fmt.Sprint(m.counts()); got != "[3 0 0]" {
		t.Errorf("without load %s", got)
	}
}

// TestJoinsLanesInUse: what a lane gives back goes to none that was empty.
func TestJoinsLanesInUse(t *testing.T) {
	m := newMachine(3, 0.45, 0.2)
	m.home[1] = 2
	m.run(60)
	if m.home[1] != 2 {
		t.Errorf("homes %v", m.home)
	}
}

// TestFixedStays: whatever the load.
func TestFixedStays(t *testing.T) {
	m := newMachine(2, -1, -1, -1)
	m.fixed[0], m.fixed[2] = true, true
	m.run(100)
	if m.home[0] != 0 || m.home[2] != 0 || m.home[1] != 1 {
		t.Errorf("homes %v", m.home)
	}
	m.want = []float64{0, 0, 0}
	m.fixed[1] = true
	m.run(100)
	if m.home[1] != 1 {
		t.Error("a fixed tunnel was given back")
	}
}

// TestSteadyLoad: under any steady load it comes to rest, a move never makes the worst lane
// worse, and never leads to a lane that would be full of it alone.
func TestSteadyLoad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(rapid.IntRange(1, 16).Draw(t, "lanes"),
			rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0, 1.2), rapid.Just(0.0), rapid.Float64Range(0, 0.1)), 1, 30).Draw(t, "tunnels")...)
		for i := range m.home {
			m.home[i] = rapid.IntRange(0, m.lanes-1).Draw(t, "home")
			m.weight[i] = rapid.IntRange(1, 8).Draw(t, "weight")
		}
		worst := func() (w float64) {
			for _, d := range m.demand() {
				w = max(w, d)
			}
			return w
		}
		last, lastAt := 0, 0
		for second := range 400 {
			before, demand := worst(), m.demand()
			move, ok := m.step()
			if !ok {
				continue
			}
			if second-lastAt <= 4 && last > 0 {
				t.Fatalf("two moves in %d seconds", second-lastAt)
			}
			last, lastAt = last+1, second
			// Two lanes that want more than there is cannot be told apart: then it counts tunnels.
			if after := worst(); after > max(before, full)+1e-9 && !(demand[move.From] >= packed && demand[move.To] >= packed) {
				t.Fatalf("second %d: %+v makes %v to %v", second, move, demand, m.demand())
			}
		}
		if lastAt > 380 {
			t.Fatalf("no rest after 400 seconds and %d moves, the last %+v", last, m.changes[len(m.changes)-1])
		}
	})
}

// TestNoisyLoad: loads that jump about move a tunnel now and then, not all the time.
func TestNoisyLoad(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		m := newMachine(4, make([]float64, 8)...)
		for range 3600 {
			for i := range m.want {
				m.want[i] = max(0.2+0.1*r.NormFloat64(), 0)
			}
			m.step()
		}
		if n := len(m.changes); n > 60 {
			t.Errorf("seed %d: %d moves in an hour", seed, n)
		}
		if sum := m.demand(); max(sum[0], sum[1], sum[2], sum[3]) > 1.2 {
			t.Errorf("seed %d: demands %v", seed, sum)
		}
	}
}

// TestWeights: where TCP fills all lanes, what each tunnel gets for its weight comes as near
// to what the others get as moves of one tunnel can bring it.
func TestWeights(t *testing.T) {
	for _, c := range []struct {
		lanes   int
		weights []int
		most    float64 // that a tunnel has for its weight, of what another one has
	}{
		{2, []int{3, 1, 1, 1}, 1},
		{2, []int{1, 1, 2}, 1},
		{2, []int{4, 2, 1, 1}, 1},
		{2, []int{1, 1, 1, 1, 1, 5}, 1},
		{3, []int{6, 1, 1, 1, 1, 1, 1, 3, 3}, 1},
		{4, []int{2, 2, 2, 2, 4, 4, 8, 8}, 1},
		{2, []int{10, 1}, 10}, // each fills a lane: less would leave one idle
	} {
		m := newMachine(c.lanes, slices.Repeat([]float64{-1}, len(c.weights))...)
		m.weight = c.weights
		m.run(300)
		if got := m.unevenness(); got > c.most+1e-9 {
			t.Errorf("%v on %d lanes: homes %v, a tunnel has %.2f times what another has for its weight; %d moves", c.weights, c.lanes, m.home, got, len(m.changes))
		}
	}
}

// TestWeightsSim draws weights: on average, what a tunnel gets is nearer to its share than
// where tunnels are counted only.
func TestWeightsSim(t *testing.T) {
	const seeds = 200
	weighed, counted := 0.0, 0.0
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 9))
		weights := make([]int, 4+r.IntN(12))
		for i := range weights {
			weights[i] = 1 + r.IntN(8)
		}
		lanes := 2 + r.IntN(3)
		for _, blind := range []bool{false, true} {
			m := newMachine(lanes, slices.Repeat([]float64{-1}, len(weights))...)
			m.weight, m.blind = weights, blind
			m.run(400)
			if n := len(m.changes); n > 2*len(weights) {
				t.Errorf("seed %d: %d moves", seed, n)
			}
			if blind {
				counted += m.unevenness() / seeds
			} else {
				weighed += m.unevenness() / seeds
			}
		}
	}
	t.Logf("the best tunnel has for its weight %.2f times what the worst has; %.2f times if weights are not known", weighed, counted)
	if weighed > 1.6 || weighed > counted-0.2 {
		t.Error("weights do not count")
	}
}

// unevenness is what the tunnel with the most for its weight has, of what that with the
// least has.
func (m *machine) unevenness() float64 {
	_, tunnels := m.second()
	least, most := math.Inf(1), 0.0
	for i, tn := range tunnels {
		each := tn.Work / float64(m.weight[i])
		least, most = min(least, each), max(most, each)
	}
	return most / least
}

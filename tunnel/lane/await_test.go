package lane

import (
	"runtime"
	"testing"
	"time"
)

// TestSleepBeyondNap: what comes only after a nap wakes the lane as well, and a sleep that
// a nap begins is one sleep.
func TestSleepBeyondNap(t *testing.T) {
	g := newGate(t)
	for _, pause := range []time.Duration{0, nap * time.Millisecond / 2, 5 * nap * time.Millisecond} {
		ran := false
		time.AfterFunc(pause, func() { g.lane.Do(func() { ran = true }) })
		for !ran { // a signal may end a sleep before
			if err := g.lane.poll(true); err != nil {
				t.Fatal(err)
			}
			g.lane.turn()
		}
	}
	if n := g.lane.counters.Wakes.Command.Load(); n != 3 {
		t.Errorf("%d wake-ups by commands, want 3", n)
	}
	if n := napping.Load(); n != 0 {
		t.Errorf("%d lanes are said to take a nap", n)
	}
}

// TestNapKeepsProcessor: a lane takes no nap that would leave no processor.
func TestNapKeepsProcessor(t *testing.T) {
	defer func(n int32) { processors = n }(processors)
	processors = 1
	g := newGate(t)
	sleep := func() uint64 {
		t.Helper()
		g.lane.Do(func() {})
		if err := g.lane.poll(true); err != nil {
			t.Fatal(err)
		}
		g.lane.turn()
		return g.lane.counters.Naps.Swap(0)
	}
	if n := sleep(); n != 0 {
		t.Errorf("%d naps with one processor", n)
	}
	processors = 3
	if n := sleep(); n != 1 {
		t.Errorf("%d naps with three processors, want one", n)
	}
	napping.Add(2) // those of other lanes
	defer napping.Add(-2)
	if n := sleep(); n != 0 {
		t.Errorf("%d naps while two lanes have two of three processors", n)
	}
}

// TestNapsHoldNobody: lanes that are woken all the time, so that they sleep in naps only,
// neither hold up the collector of garbage, which stops the world, nor other goroutines.
func TestNapsHoldNobody(t *testing.T) {
	for range 2 * runtime.GOMAXPROCS(0) {
		g := runningGate(t)
		defer g.start()()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			ticker := time.NewTicker(time.Millisecond)
			defer ticker.Stop()
			for {
				select {
				case <-stop:
					return
				case <-ticker.C:
					g.lane.Do(func() {})
				}
			}
		}()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("50 collections take longer than %v", patience)
	}
}

// TestMakeRoom: as many lanes as processors get one more, unless the environment says how
// many there are.
func TestMakeRoom(t *testing.T) {
	defer func(n int32) { processors = n }(processors)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for _, c := range []struct{ lanes, want int }{{1, 2}, {2, 3}, {5, 6}, {1, 6}} {
		if MakeRoom(c.lanes); runtime.GOMAXPROCS(0) != c.want || processors != int32(c.want) {
			t.Errorf("%d lanes: %d processors, of which lanes know %d; want %d", c.lanes, runtime.GOMAXPROCS(0), processors, c.want)
		}
	}
	t.Setenv("GOMAXPROCS", "6")
	if MakeRoom(9); runtime.GOMAXPROCS(0) != 6 {
		t.Errorf("%d processors though the environment says 6", runtime.GOMAXPROCS(0))
	}
}

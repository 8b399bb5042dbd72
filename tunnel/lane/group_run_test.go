package lane

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"vpngw/tunnel/drop"
)

// crossing is a tunnel whose packets cross lanes that run, with the test for the kernel on
// one side and for the peer on the other.
type crossing struct {
	*site
	mu    sync.Mutex
	flows [2]*flow // the second has no answers, so that it stays in its queue
	queue [2]int   // of the TUN, that the kernel gives each flow's packets to
	got   uint32   // packets of the peer that came to the TUN, all in order
}

// crossingTUN is a queue of the TUN of a crossing.
type crossingTUN struct {
	*fakeTUN
	t *testing.T
	*crossing
	lane int
}

// Write is the kernel's side of it.
func (c *crossingTUN) Write(vecs [][]byte) error {
	c.crossing.written(c.t, c.lane, vecs)
	return nil
}

func (c *crossing) written(t *testing.T, lane int, vecs [][]byte) {
	var b []byte
	for _, v := range vecs {
		b = append(b, v...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range cut(t, b) {
		if n := binary.BigEndian.Uint32(p[40:]); n != c.got {
			t.Errorf("packet %d of the peer came as number %d", n, c.got)
		}
		c.got++
	}
	c.queue[0] = lane
}

// TestMoveWhileRunning moves a tunnel to and fro between three lanes that run, under load
// both ways: nothing is lost, and no packet passes another of its flow.
func TestMoveWhileRunning(t *testing.T) {
	gates := newGates(t, 3)
	c := &crossing{site: siteOn(gates, 1, 0), flows: [2]*flow{tcp4(1, 1000), tcp4(1, 1001)}, queue: [2]int{0, 2}}
	for i, g := range gates {
		if err := g.lane.SetTUN(&crossingTUN{fakeTUN: g.tun, t: t, crossing: c, lane: i}); err != nil {
			t.Fatal(err)
		}
	}
	var lanes sync.WaitGroup
	for _, g := range gates {
		lanes.Go(func() {
			if err := g.lane.Run(); err != nil {
				t.Error(err)
			}
		})
	}
	end := time.Now().Add(3 * time.Second)
	var work sync.WaitGroup
	var sent [2]uint32
	work.Go(func() { // the hosts
		for time.Now().Before(end) {
			if uint64(sent[0]+sent[1])-c.Counters.PacketsOut.Load() > 60 {
				runtime.Gosched()
				continue
			}
			i := rand.IntN(2)
			c.mu.Lock()
			for range 1 + rand.IntN(8) {
				gates[c.queue[i]].tun.push(c.flows[i].plain(number(sent[i])))
				sent[i]++
			}
			c.mu.Unlock()
		}
	})
	arrived := uint32(0)
	work.Go(func() { // the peer
		back := c.flows[0].back()
		for time.Now().Before(end) {
			c.mu.Lock()
			waiting := arrived - c.got
			c.mu.Unlock()
			if waiting > 60 {
				runtime.Gosched()
				continue
			}
			b := c.seal(back.packet(number(arrived), true))
			c.socket.arrive(len(b), b)
			arrived++
		}
	})
	moves, told, ran := 0, 0, 0 // ran is of whatever lane is home
	for time.Now().Before(end) {
		if c.Move(gates[rand.IntN(3)].lane, uplinkOn(gates)) {
			moves++
		}
		for range rand.IntN(4) {
			told++
			n := told
			c.Do(func(l *Lane) {
				if ran++; ran != n || c.Home() != l {
					t.Errorf("command %d ran as number %d, home is %p and not %p", n, ran, c.Home(), l)
				}
			})
		}
		time.Sleep(time.Millisecond)
	}
	work.Wait()
	eventually(t, "all has come out", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.got == arrived && c.Counters.PacketsOut.Load() == uint64(sent[0]+sent[1])
	})
	gates[0].lane.group.Stop()
	lanes.Wait()
	var next [2]uint32
	for _, p := range c.opened(t) {
		i := binary.BigEndian.Uint16(p[20:]) - 1000
		if n := binary.BigEndian.Uint32(p[40:]); n != next[i] {
			t.Fatalf("flow %d: packet %d left as number %d", i, n, next[i])
		}
		next[i]++
	}
	if next != sent || ran != told || moves < 5 {
		t.Errorf("%v of %v packets left, %d of %d commands ran, %d moves", next, sent, ran, told, moves)
	}
	wantDrops(t, &c.Counters.Drops, map[drop.Reason]int{})
	t.Logf("%d moves, %v packets out, %d in", moves, sent, arrived)
}

// TestCloseInTheMiddle: the socket of a tunnel between two homes is closed with the group.
func TestCloseInTheMiddle(t *testing.T) {
	gates := newGates(t, 2)
	s := siteOn(gates, 1, 0)
	s.socket.arrive(100, make([]byte, 100))
	if !s.Move(gates[1].lane, uplinkOn(gates)) || s.Move(gates[1].lane, uplinkOn(gates)) {
		t.Fatal("a tunnel moves once at a time")
	}
	gates[1].step() // expects it
	gates[0].step() // lets go of it
	ran := false
	s.Do(func(*Lane) { ran = true })
	if s.Home() != gates[1].lane || s.socket.closes != 0 {
		t.Fatalf("home is lane %d, the socket was closed %d times", s.Home().index, s.socket.closes)
	}
	gates[0].lane.group.Close()
	if s.socket.closes != 1 || ran {
		t.Errorf("the socket was closed %d times, a command ran: %v", s.socket.closes, ran)
	}
}

// TestAsleep: a lane that is given something is woken once, and one that turns is not.
func TestAsleep(t *testing.T) {
	gates := newGates(t, 2)
	siteOn(gates, 1, 0)
	if !gates[0].lane.fallAsleep() {
		t.Fatal("an idle lane does not fall asleep")
	}
	p := tcp4(1, 5).plain(nil)
	gates[1].tun.push(p, p)
	gates[1].step()
	if gates[0].lane.asleep.Load() {
		t.Error("the lane was not woken")
	}
	if gates[0].lane.fallAsleep() {
		t.Error("a lane with packets to take falls asleep")
	}
	gates[0].settle()
	c := &gates[0].lane.counters
	c.asleepSince.Store(100)
	if got := c.Asleep(150); got != 50 {
		t.Errorf("asleep for %v, want 50 ns", got)
	}
	c.wokeUp(180)
	if got := c.Asleep(1000); got != 80 {
		t.Errorf("asleep for %v, want 80 ns", got)
	}
}

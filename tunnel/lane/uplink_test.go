package lane

import (
	"bytes"
	"testing"
	"time"

	"vpngw/crypto/esp"
	"vpngw/offload"
	"vpngw/tunnel/drop"
)

// advance moves the lane's time on.
func (g *gate) advance(d time.Duration) { g.lane.started = g.lane.started.Add(-d) }

// shaped is a gate whose tunnel 1 leaves by a slow uplink, in steps of the test's time.
func shaped(t testing.TB, c UplinkConfig) (g *gate, s *site) {
	g = newGate(t)
	s = g.site(1, false)
	c.Limit = 16 << 20
	g.uplink = g.lane.AddUplink(c)
	g.lane.SetUplink(s.Tunnel, g.uplink)
	return g, s
}

// TestUplinkRate: what leaves in a time is what the rate lets, all of it in the end, and
// the lane knows when it has to wake up.
func TestUplinkRate(t *testing.T) {
	g, s := shaped(t, UplinkConfig{Rate: 80e6, Overhead: 14, Target: time.Hour})
	f := tcp4(1, 5)
	var want [][]byte
	for i := range 20 {
		p := f.super(bytesOf(40*1000, byte(i)), 1000)
		want = append(want, cut(t, p)...)
		g.tun.push(p)
	}
	var got [][]byte
	wire, start := 0, g.lane.clock()
	for len(got) < len(want) {
		g.step()
		for _, p := range s.opened(t) {
			got = append(got, p)
			wire += esp.SealedLen(len(p)) + 8 + 20 + 14
		}
		// A late lane makes up for at most 4 ms, and has begun one slice.
		elapsed := time.Duration(g.lane.now - start)
		if most := int((elapsed + 5*time.Millisecond).Microseconds()) * 10; wire > most {
			t.Fatalf("%d bytes have left after %v at 10 a µs", wire, elapsed)
		}
		if g.uplink.queue.Len() > 0 {
			if ahead := time.Duration(g.lane.wakeTime() - g.lane.now); ahead > time.Millisecond {
				t.Fatalf("the lane would sleep for %v", ahead)
			}
		}
		if elapsed > 10*time.Second {
			t.Fatalf("%d of %d packets have left in %v", len(got), len(want), elapsed)
		}
		g.advance(time.Millisecond)
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("packet %d is not what was to be sent", i)
		}
	}
	if at := g.lane.wakeTime(); at != 0 {
		t.Errorf("an empty queue wants to be woken at %d", at)
	}
}

// TestCongestion: a flow whose packets wait too long loses single segments, or has them
// marked if it is ECN-capable.
func TestCongestion(t *testing.T) {
	for _, capable := range []bool{false, true} {
		g, s := shaped(t, UplinkConfig{Rate: 8e6})
		f := tcp4(1, 5)
		if capable {
			f.tos = offload.ECT0
		}
		total := 0
		for i := range 20 {
			g.tun.push(f.super(bytesOf(40*1000, byte(i)), 1000))
			total += 40
		}
		sent, marked := 0, 0
		for range 2000 {
			g.step()
			for _, p := range s.opened(t) {
				sent++
				if p[1]&offload.ECNMask == offload.CE {
					marked++
				}
			}
			g.advance(time.Millisecond)
		}
		lost := int(s.Counters.Drops.Get(drop.Congestion))
		if sent+lost != total {
			t.Errorf("ECN %v: %d packets sent and %d dropped of %d", capable, sent, lost, total)
		}
		if capable && (marked == 0 || lost != 0) || !capable && (marked != 0 || lost == 0) {
			t.Errorf("ECN %v: %d dropped, %d marked", capable, lost, marked)
		}
		if most := total / 4; lost+marked > most {
			t.Errorf("ECN %v: %d dropped and %d marked of %d", capable, lost, marked, total)
		}
		wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.Congestion: lost})
	}
}

// TestSetUplink: what waits at one uplink goes out by the other, in order, also when the
// tunnel's socket is full meanwhile.
func TestSetUplink(t *testing.T) {
	for _, blocked := range []bool{false, true} {
		g, s := shaped(t, UplinkConfig{Rate: 8e3})
		if blocked {
			s.block(0)
		}
		f := tcp4(1, 5)
		var want [][]byte
		for i := range 10 {
			p := f.super(bytesOf(20*1000, byte(i)), 1000)
			want = append(want, cut(t, p)...)
			g.tun.push(p)
		}
		g.step()
		if g.uplink.queue.Len() == 0 {
			t.Fatal("nothing waits at the slow uplink")
		}
		before := s.Queue()
		fast := g.lane.AddUplink(UplinkConfig{Target: time.Hour})
		g.lane.SetUplink(s.Tunnel, fast)
		if s.Queue() == before {
			t.Error("the counters are still those of the uplink before")
		}
		g.settle()
		if blocked {
			if got := len(s.opened(t)); got != 0 {
				t.Errorf("a blocked tunnel sent %d packets", got)
			}
			s.free()
			g.settle()
		}
		s.wantPackets(t, want)
		wantDrops(t, &s.Counters.Drops, nil)

		g.tun.push(f.super(bytesOf(2*1000, 0), 1000))
		s.block(0)
		g.step()
		g.tun.push(f.super(bytesOf(3*1000, 0), 1000))
		g.step()
		g.lane.SetUplink(s.Tunnel, nil)
		wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.NoSocket: 3})
		s.socket.ready.setWritable(true) // for a moment: what is sealed is tried again
		g.step()
		s.socket.ready.setWritable(false)
		g.tun.push(f.super(bytesOf(4*1000, 0), 1000))
		g.step()
		wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.NoSocket: 7})
	}
}

// TestDeviceQueue: what the socket still holds keeps the rest in the queue.
func TestDeviceQueue(t *testing.T) {
	g, s := shaped(t, UplinkConfig{Target: time.Hour})
	f := tcp4(1, 5)
	total := 0
	for i := range 40 {
		g.tun.push(f.super(bytesOf(40*1000, byte(i)), 1000))
		total += 40
	}
	s.socket.queued = 1 << 20
	for range 100 {
		g.step()
		g.advance(time.Millisecond)
		s.socket.queued-- // slow, but it moves
	}
	held := len(s.opened(t))
	if held == 0 || held > total/2 {
		t.Errorf("%d of %d packets were sent although none left the device", held, total)
	}
	if at := g.lane.wakeTime(); at == 0 || at-g.lane.now > int64(time.Millisecond) {
		t.Errorf("the lane would look again at %d, it is %d", at, g.lane.now)
	}
	s.socket.queued = 0
	g.advance(time.Millisecond)
	g.settle()
	if got := held + len(s.opened(t)); got != total {
		t.Errorf("%d of %d packets were sent", got, total)
	}
}

// TestStuckSocket: what got stuck below one tunnel's socket holds no other tunnel back,
// and the tunnel goes on when it is free.
func TestStuckSocket(t *testing.T) {
	g, stuck := shaped(t, UplinkConfig{Target: time.Hour})
	other := g.site(2, false)
	g.lane.SetUplink(other.Tunnel, g.uplink)
	total := 0
	push := func(n int) {
		for i := range 10 {
			g.tun.push(tcp4(n, 5).super(bytesOf(40*1000, byte(i)), 1000))
		}
	}
	turns := func(n int) {
		for range n {
			g.step()
			g.advance(time.Millisecond)
		}
	}
	push(1)
	g.step()
	sentBefore := len(stuck.opened(t))
	stuck.socket.queued = 2 << 20
	turns(int(stuckAfter/1e6) + 5)
	for range 10 {
		push(1)
		push(2)
		total += 400
		turns(5)
	}
	turns(600) // the limit may be that of a device that hardly moves, for a while
	// Until it is clear who is stuck, more may come than has room.
	full := int(other.Counters.Drops.Get(drop.QueueFull))
	if got := len(other.opened(t)); got+full != total || got < total/2 {
		t.Errorf("%d of %d packets were sent beside a stuck socket, %d had no room", got, total, full)
	}
	if at := g.lane.wakeTime(); at == 0 || at-g.lane.now > stuckPoll {
		t.Errorf("the lane would look again at %d, it is %d", at, g.lane.now)
	}
	lost := int(stuck.Counters.Drops.Get(drop.QueueFull))
	stuck.socket.queued = 0
	g.settle()
	if got := sentBefore + len(stuck.opened(t)); got+lost != 400+total {
		t.Errorf("the stuck tunnel sent %d packets, lost %d, of %d", got, lost, 400+total)
	}
}

// TestTimer: the lane sleeps until its uplink may send again, and no longer.
func TestTimer(t *testing.T) {
	g := runningGate(t)
	s := g.site(1, false)
	g.lane.SetUplink(s.Tunnel, g.lane.AddUplink(UplinkConfig{Rate: 80e6, Limit: 16 << 20, Target: time.Hour}))
	stop := g.start()
	start := time.Now()
	f := tcp4(1, 5)
	total := 0
	for i := range 25 {
		g.tun.push(f.super(bytesOf(40*1000, byte(i)), 1000))
		total += 40
	}
	sent := 0
	eventually(t, "all packets", func() bool {
		sent += len(s.opened(t))
		return sent == total
	})
	if took := time.Since(start); took < 90*time.Millisecond { // a MB at 10 MB/s
		t.Errorf("sent in %v", took)
	}
	stop()
	if turns := g.lane.counters.Turns.Load(); turns > 5000 {
		t.Errorf("%d turns: the lane does not sleep", turns)
	}
}

package lane

import (
	"bytes"
	"testing"

	"vpngw/offload"
	"vpngw/tunnel/drop"
)

// TestLaneWithoutQueue: what comes in on a lane without a TUN queue is written by the first
// one, glued and in order; what comes meanwhile from the first one's sockets is not
// concerned.
func TestLaneWithoutQueue(t *testing.T) {
	gates := newGates(t, 3)
	s := siteOn(gates, 1, 2)
	if err := gates[2].lane.SetTUN(nil); err != nil {
		t.Fatal(err)
	}
	f := tcp4(1, 5).back()
	var want [][]byte
	for i := range 20 {
		size := []int{10, 1400, 9000}[i%3]
		p := f.packet(bytesOf(size, byte(i)), true)
		want = append(want, p)
		s.socket.arrive(10000, s.seal(p))
		gates[2].step()
		if i%2 == 1 {
			gates[0].step()
		}
	}
	var got [][]byte
	for _, w := range gates[0].tun.written() {
		got = append(got, w[offload.VirtioHeaderLen:])
	}
	if !bytes.Equal(bytes.Join(got, nil), bytes.Join(want, nil)) {
		t.Errorf("%d packets were written, want %d, in order", len(got), len(want))
	}
	gates[2].step()
	if n := len(gates[2].lane.big.free) + len(gates[2].lane.small.free); n == 0 {
		t.Error("no slot is back")
	}
	wantDrops(t, &gates[0].lane.counters.Drops, map[drop.Reason]int{})
	wantDrops(t, &gates[2].lane.counters.Drops, map[drop.Reason]int{})
	if n := s.Counters.PacketsIn.Load(); n != 20 {
		t.Errorf("%d packets count as received", n)
	}
}

// TestLaneWithoutQueueDrops: where no lane has a queue, or the first one does not come to
// take them, each packet is counted once.
func TestLaneWithoutQueueDrops(t *testing.T) {
	gates := newGates(t, 2)
	s := siteOn(gates, 1, 1)
	for _, g := range gates {
		if err := g.lane.SetTUN(nil); err != nil {
			t.Fatal(err)
		}
	}
	f := tcp4(1, 5).back()
	receive := func() {
		s.socket.arrive(10000, s.seal(f.packet([]byte("x"), true)))
		gates[1].step()
	}
	receive()
	gates[0].step()
	wantDrops(t, &gates[0].lane.counters.Drops, map[drop.Reason]int{drop.TUNDown: 1})
	for range ringRoom + 3 {
		receive()
	}
	wantDrops(t, &gates[1].lane.counters.Drops, map[drop.Reason]int{drop.LaneFull: 3})
}

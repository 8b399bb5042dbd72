package lane

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"vpngw/offload"
	"vpngw/tunnel/drop"
)

// newGates makes the lanes of one group, each with a fake TUN.
func newGates(t testing.TB, n int) []*gate {
	t.Helper()
	group := must(NewGroup(Config{Coalesce: glueAll}, n))
	t.Cleanup(group.Close)
	var gates []*gate
	for _, l := range group.Lanes() {
		g := &gate{t: t, lane: l, tun: newFakeTUN(t), uplink: l.AddUplink(UplinkConfig{Name: "wan", Limit: 16 << 20, Target: time.Hour})}
		if err := l.SetTUN(g.tun); err != nil {
			t.Fatal(err)
		}
		gates = append(gates, g)
	}
	return gates
}

// siteOn adds tunnel n to the group, at home on lane home.
func siteOn(gates []*gate, n, home int) *site {
	s := gates[home].site(n, false)
	s.home.Store(gates[home].lane)
	for _, g := range gates {
		g.lane.SetRoutes(gates[home].lane.routes)
	}
	return s
}

// uplinkOn finds the uplink of a gate by its lane, as control does.
func uplinkOn(gates []*gate) func(*Lane) *Uplink {
	return func(l *Lane) *Uplink { return gates[l.index].uplink }
}

// TestHandOver: a packet that comes to another lane leaves by its tunnel's home, in order,
// and its slot comes back.
func TestHandOver(t *testing.T) {
	gates := newGates(t, 3)
	s := siteOn(gates, 1, 0)
	f := tcp4(1, 5)
	var want [][]byte
	for i := range 20 {
		p := f.super(bytesOf(10*1000, byte(i)), 1000)
		want = append(want, cut(t, p)...)
		gates[1].tun.push(p)
	}
	gates[1].step()
	if n := gates[1].lane.counters.HandedOver.Load(); n != 200 {
		t.Errorf("%d packets were handed over, want 200", n)
	}
	if s.Counters.PacketsOut.Load() != 0 {
		t.Error("a lane sent what is not its own")
	}
	gates[0].settle()
	s.wantPackets(t, want)
	if n := len(gates[0].lane.big.free); n != 0 {
		t.Errorf("the home keeps %d slots of others", n)
	}
	gates[1].step()
	if n := len(gates[1].lane.big.free); n != 20 && n != 21 {
		t.Errorf("%d of 20 slots are back", n)
	}
}

// TestHandOverFull: a lane that does not come to take them costs packets of the tunnel, and
// they are counted.
func TestHandOverFull(t *testing.T) {
	gates := newGates(t, 2)
	s := siteOn(gates, 1, 0)
	p := tcp4(1, 5).plain([]byte("x"))
	for range ringRoom + 10 {
		gates[1].tun.push(p)
	}
	for range ringRoom/tunReads + 1 {
		gates[1].step()
	}
	wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.LaneFull: 10})
	gates[0].settle()
	if n := s.Counters.PacketsOut.Load(); n != ringRoom {
		t.Errorf("%d packets left, want %d", n, ringRoom)
	}
}

// TestNoAllocationHandOver covers both lanes' part.
func TestNoAllocationHandOver(t *testing.T) {
	gates := newGates(t, 2)
	s := siteOn(gates, 1, 0)
	s.socket.discard = true
	super, small := tcp4(1, 5000).super(bytesOf(45*1398, 1), 1398), tcp4(1, 5001).plain([]byte("x"))
	if got := testing.AllocsPerRun(200, func() {
		gates[1].tun.push(super, small, super)
		gates[1].step()
		gates[0].step()
	}); got != 0 {
		t.Errorf("%v allocations for three packets", got)
	}
	if got := s.Counters.PacketsOut.Load(); got != 201*91 {
		t.Errorf("%d packets were sent, want %d", got, 201*91)
	}
}

// TestHandOverESP: what comes to the listener for an SA of another lane is opened there,
// and shows that the peer has moved.
func TestHandOverESP(t *testing.T) {
	gates := newGates(t, 2)
	s := siteOn(gates, 1, 1)
	listener := newFakeSocket(t, "0.0.0.0:4500", "203.0.113.1:4500")
	if err := gates[0].lane.AddListener(listener, listener.local); err != nil {
		t.Fatal(err)
	}
	from := netip.MustParseAddrPort("203.0.113.9:1234")
	gates[1].advance(time.Second)
	f := tcp4(1, 5).back()
	for _, size := range []int{10, 1400, 9000} {
		p := f.packet(bytesOf(size, 1), true)
		listener.arriveFrom(arrival{b: s.seal(p), size: 10000, from: from, to: netip.MustParseAddr("192.0.2.1")})
		gates[0].step()
		gates[1].step()
		if got := gates[1].tun.written(); len(got) != 1 || !bytes.Equal(got[0][offload.VirtioHeaderLen:], p) {
			t.Fatalf("%d bytes: the home wrote %x, want %x", size, got, p)
		}
	}
	moved := 0
	for _, e := range gates[1].events() {
		if m, ok := e.(Moved); ok && m.Remote == from && m.Local == netip.MustParseAddrPort("192.0.2.1:4500") {
			moved++
		}
	}
	if moved == 0 {
		t.Error("control does not hear that the peer has moved")
	}
	unknown := s.seal(f.packet(nil, true))
	unknown[0] ^= 0xff
	listener.arriveFrom(arrival{b: unknown, size: 10000, from: from, to: netip.MustParseAddr("192.0.2.1")})
	gates[0].step()
	wantDrops(t, &gates[0].lane.counters.Drops, map[drop.Reason]int{drop.UnknownSPI: 1})
	gates[1].lane.RemoveInbound(s.in.ESP.SPI())
	if gates[0].lane.group.spis.find(s.in.ESP.SPI()) != nil {
		t.Error("the directory keeps an SA that is gone")
	}
}

// TestFenceReadsTheQueue: also packets that came into the queue since the last poll are
// handed over before the fence is passed.
func TestFenceReadsTheQueue(t *testing.T) {
	gates := newGates(t, 2)
	siteOn(gates, 1, 1)
	asked := gates[1].lane.out[0]
	if err := gates[0].lane.poll(false); err != nil {
		t.Fatal(err)
	}
	for range tunReads + 1 {
		gates[0].tun.push(tcp4(1, 5).plain(nil))
	}
	asked.fence.want.Add(1)
	gates[0].lane.turn()
	if asked.fence.passed() != 0 {
		t.Error("the fence was passed with a packet in the queue")
	}
	asked.fence.want.Add(1) // a later request does not hold up the one before
	gates[0].step()
	if got := asked.fence.passed(); got != 1 {
		t.Errorf("passed %d, want 1", got)
	}
	gates[0].step()
	if got := asked.fence.passed(); got != 2 {
		t.Errorf("passed %d, want 2", got)
	}
	if n := gates[0].lane.counters.HandedOver.Load(); n != tunReads+1 {
		t.Errorf("%d packets were handed over", n)
	}
}

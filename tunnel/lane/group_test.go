package lane

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
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

// simulation is three lanes, a kernel that steers flows to TUN queues as Linux does, and
// tunnels that move all the time.
type simulation struct {
	*testing.T
	rand    *rand.Rand
	gates   []*gate
	tunnels []*simTunnel
	moves   int
}

type simTunnel struct {
	*site
	blocked  bool
	told     []int // commands of control, as they were run
	commands int
	flows    []*simFlow
}

type simFlow struct {
	*flow
	back      *flow
	queue     int      // of the TUN, that the kernel gives its packets to
	oneWay    bool     // nothing ever comes back, so that its queue stays
	out, in   uint32   // numbers of the next packets
	sent, got []uint32 // numbers, as they came out
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{T: t, rand: rand.New(rand.NewPCG(seed, 1)), gates: newGates(t, 3)}
	for n := range 2 {
		home := s.rand.IntN(3)
		st := &simTunnel{site: siteOn(s.gates, n+1, home)}
		for port := range 3 {
			f := tcp4(n+1, uint16(1000+port))
			st.flows = append(st.flows, &simFlow{flow: f, back: f.back(), queue: home})
		}
		st.flows[2].oneWay, st.flows[2].queue = true, s.rand.IntN(3)
		s.tunnels = append(s.tunnels, st)
	}
	// The second site replaced the routes of the first only if it did not know them.
	routes := s.gates[0].lane.routes.Clone()
	for n, st := range s.tunnels {
		routes.Insert(netip.PrefixFrom(host4(n+1, true), 17).Masked(), st.Tunnel)
	}
	for _, g := range s.gates {
		g.lane.SetRoutes(routes)
	}
	return s
}

// number makes the payload of a packet.
func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// step does one thing at random.
func (s *simulation) step() {
	st := s.tunnels[s.rand.IntN(len(s.tunnels))]
	f := st.flows[s.rand.IntN(len(st.flows))]
	switch s.rand.IntN(12) {
	case 0, 1, 2:
		for range 1 + s.rand.IntN(5) {
			s.gates[f.queue].tun.push(f.plain(number(f.out)))
			f.out++
		}
	case 3, 4:
		s.answer(st, f)
	case 5:
		if st.blocked = !st.blocked; st.blocked {
			st.block(0)
		} else {
			st.free()
		}
	case 6:
		st.commands++
		n := st.commands
		st.Do(func(l *Lane) {
			if st.Home() != l {
				s.Errorf("tunnel %d: command %d ran on lane %d", st.ID, n, l.index)
			}
			st.told = append(st.told, n)
		})
	case 7:
		s.move(st)
		s.pass()
	default:
		s.turn(s.rand.IntN(len(s.gates)))
	}
}

// answer makes a packet of the peer arrive.
func (s *simulation) answer(st *simTunnel, f *simFlow) {
	if f.oneWay {
		return
	}
	b := st.seal(f.back.packet(number(f.in), true))
	f.in++
	st.socket.arrive(len(b), b)
}

// atHome tells whether the flows of a tunnel have come to its home's queue.
func (s *simulation) atHome(st *simTunnel) bool {
	for _, f := range st.flows {
		if !f.oneWay && f.queue != st.Home().index {
			return false
		}
	}
	return true
}

// pass lets time go by as soon as no flow has still to come to its tunnel's home.
func (s *simulation) pass() {
	for _, st := range s.tunnels {
		if !s.atHome(st) {
			return
		}
	}
	for _, g := range s.gates {
		g.advance(time.Duration(settleTime / 2))
	}
}

// move moves a tunnel to which all its flows have come.
func (s *simulation) move(st *simTunnel) {
	if s.atHome(st) && st.Move(s.gates[s.rand.IntN(len(s.gates))].lane, uplinkOn(s.gates)) {
		s.moves++
	}
}

// turn turns one lane, and steers the flows of what it wrote.
func (s *simulation) turn(i int) {
	s.gates[i].step()
	for _, w := range s.gates[i].tun.written() {
		for _, p := range cut(s.T, w) {
			f := s.flowOf(p, 22)
			f.queue = i
			f.got = append(f.got, binary.BigEndian.Uint32(p[40:]))
		}
	}
}

// flowOf finds a flow by its near host and the port that stands at an offset.
func (s *simulation) flowOf(p []byte, port int) *simFlow {
	n := p[13] // both addresses have the tunnel's number there
	return s.tunnels[n-1].flows[binary.BigEndian.Uint16(p[port:])-1000]
}

// finish lets everything come to rest and looks at what came out.
func (s *simulation) finish() {
	for _, st := range s.tunnels {
		st.free()
	}
	for range 200 {
		for i := range s.gates {
			s.turn(i)
		}
	}
	for _, st := range s.tunnels {
		for _, p := range st.opened(s.T) {
			f := s.flowOf(p, 20)
			f.sent = append(f.sent, binary.BigEndian.Uint32(p[40:]))
		}
		for i, f := range st.flows {
			s.inOrder(fmt.Sprintf("tunnel %d, flow %d, out", st.ID, i), f.sent, f.out)
			s.inOrder(fmt.Sprintf("tunnel %d, flow %d, in", st.ID, i), f.got, f.in)
		}
		want := make([]int, st.commands)
		for i := range want {
			want[i] = i + 1
		}
		if !slices.Equal(st.told, want) {
			s.Errorf("tunnel %d: commands ran as %v", st.ID, st.told)
		}
		wantDrops(s.T, &st.Counters.Drops, nil)
	}
	made := 0
	for _, g := range s.gates {
		made += g.lane.trainsMade
		wantDrops(s.T, &g.lane.counters.Drops, nil)
		if len(g.lane.held)+len(g.lane.open)+len(g.lane.leaving) > 0 {
			s.Errorf("lane %d still has work", g.lane.index)
		}
		if g.lane.trainsMade != len(g.lane.trains) {
			s.Errorf("lane %d counts %d trains and has %d", g.lane.index, g.lane.trainsMade, len(g.lane.trains))
		}
	}
}

func (s *simulation) inOrder(what string, got []uint32, want uint32) {
	if len(got) != int(want) {
		s.Errorf("%s: %d of %d packets came out", what, len(got), want)
	}
	for i, n := range got {
		if n != uint32(i) {
			s.Errorf("%s: packet %d came out as number %d of %v", what, n, i, got)
			return
		}
	}
}

// TestMoveKeepsOrder: whatever happens meanwhile, a move loses no packet, lets none pass
// another of its flow, and control's commands run in their order where the tunnel is.
func TestMoveKeepsOrder(t *testing.T) {
	moves := 0
	for seed := range uint64(150) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := newSimulation(t, seed)
			for i := range 600 {
				s.step()
				if i%150 == 149 { // a pause in which all flows have come to their queues
					for _, st := range s.tunnels {
						for _, f := range st.flows {
							s.answer(st, f)
						}
					}
					for range 20 {
						for i := range s.gates {
							s.turn(i)
						}
					}
					s.pass()
					s.pass()
				}
			}
			s.finish()
			moves += s.moves
		})
	}
	t.Logf("%d moves", moves)
	if moves < 500 {
		t.Errorf("only %d moves", moves)
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

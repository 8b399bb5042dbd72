package lane

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

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

package tunnel

import (
	"vpngw/offload"
	"vpngw/tunnel/lane"
)

// OneLaneStatus is one lane's part of the work.
type OneLaneStatus struct {
	Busy       float64    `json:"busy"` // part of the last second that it did not sleep for
	Turns      uint64     `json:"turns"`
	Sleeps     uint64     `json:"sleeps"`
	HandedOver uint64     `json:"handed_over"` // packets that came to it for a tunnel of another lane
	QueueBytes int64      `json:"queue_bytes"` // memory of packets that wait
	Tunnels    int        `json:"tunnels"`     // that it carries, or a strand of
	TUNRead    EdgeStatus `json:"tun_read"`
	UDPSend    EdgeStatus `json:"udp_send"`
	UDPReceive EdgeStatus `json:"udp_receive"`
	TUNWrite   EdgeStatus `json:"tun_write"`
}

func (g *Gateway) eachLane() []OneLaneStatus {
	all := make([]OneLaneStatus, len(g.lanes.Lanes()))
	for i, l := range g.lanes.Lanes() {
		c := l.Counters()
		all[i] = OneLaneStatus{
			Busy: g.homing.busy[i], Turns: c.Turns.Load(), Sleeps: c.Sleeps.Load(),
			HandedOver: c.HandedOver.Load(), QueueBytes: c.QueueBytes.Load(),
		}
		var e EdgesStatus
		g.addEdges(&e, i)
		all[i].TUNRead, all[i].UDPSend, all[i].UDPReceive, all[i].TUNWrite = e.TUNRead, e.UDPSend, e.UDPReceive, e.TUNWrite
	}
	for _, t := range g.tunnels {
		all[t.home].Tunnels++
		for _, s := range t.strands {
			if s.inUse {
				all[s.number].Tunnels++
			}
		}
	}
	return all
}

func (g *Gateway) laneStatus() (sum LaneStatus) {
	for _, l := range g.lanes.Lanes() {
		c := l.Counters()
		sum.Turns += c.Turns.Load()
		sum.Sleeps += c.Sleeps.Load()
		sum.QueueBytes += c.QueueBytes.Load()
		sum.EventsLost += c.EventsLost.Load()
		sum.TUNFallbacks += c.TUNFallbacks.Load()
	}
	return sum
}

func newEdgesStatus() EdgesStatus { return EdgesStatus{MergeEnds: map[string]uint64{}} }

func (g *Gateway) edges() EdgesStatus {
	s := newEdgesStatus()
	for i := range g.lanes.Lanes() {
		g.addEdges(&s, i)
	}
	return s
}

// addEdges counts in what crossed the edges on a lane, whatever interface it belongs to.
func (g *Gateway) addEdges(s *EdgesStatus, lane int) {
	s.add(&g.lanes.Lanes()[lane].Counters().Edges)
	for _, edges := range g.interfaces.edges {
		s.add(edges[lane])
	}
}

// add counts in the edges of an interface, or of none, on a lane.
func (s *EdgesStatus) add(e *lane.Edges) {
	s.TUNRead.add(&e.TUNRead)
	s.UDPSend.add(&e.UDPSend)
	s.UDPReceive.add(&e.UDPReceive)
	s.TUNWrite.add(&e.TUNWrite)
	if s.MergeEnds == nil {
		return
	}
	for end := range e.MergeEnds {
		s.MergeEnds[offload.End(end).String()] += e.MergeEnds[end].Load()
	}
}

// add counts an edge of a lane in.
func (s *EdgeStatus) add(e *lane.Edge) {
	s.Calls += e.Calls.Load()
	s.Bytes += e.Bytes.Load()
	s.Packets += e.Packets.Load()
	if s.Sizes == nil {
		s.Sizes = make([]uint64, len(e.Sizes))
	}
	for n := range e.Sizes {
		s.Sizes[n] += e.Sizes[n].Load()
	}
	if s.Calls > 0 {
		s.BytesPerCall = float64(s.Bytes) / float64(s.Calls)
	}
}

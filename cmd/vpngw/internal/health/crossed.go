package health

import (
	"slices"

	"vpngw/tunnel"
)

// Crossed is what crossed a gateway's edges between two looks at it, in all and by
// interface, as `vpngw offloads --watch --json` shows it. Its fields are stable.
type Crossed struct {
	Seconds    float64                  `json:"seconds"` // between the looks
	Edges      tunnel.EdgesStatus       `json:"edges"`
	Interfaces []tunnel.InterfaceStatus `json:"interfaces"` // those that are known, then what belongs to none
}

// CrossedBetween compares two looks at one gateway. If it began anew between them, what is
// less than before counts as nothing.
func CrossedBetween(before, now *tunnel.Status) Crossed {
	c := Crossed{Seconds: max(now.Uptime-before.Uptime, 0), Edges: grownEdges(&before.Edges, &now.Edges), Interfaces: []tunnel.InterfaceStatus{}}
	for _, i := range now.Interfaces {
		var was tunnel.EdgesStatus
		if n := slices.IndexFunc(before.Interfaces, func(b tunnel.InterfaceStatus) bool { return b.Name == i.Name }); n >= 0 {
			was = before.Interfaces[n].EdgesStatus
		}
		i.EdgesStatus = grownEdges(&was, &i.EdgesStatus)
		c.Interfaces = append(c.Interfaces, i)
	}
	return c
}

func grownEdges(before, now *tunnel.EdgesStatus) tunnel.EdgesStatus {
	g := tunnel.EdgesStatus{
		TUNRead: grownEdge(&before.TUNRead, &now.TUNRead), UDPSend: grownEdge(&before.UDPSend, &now.UDPSend),
		UDPReceive: grownEdge(&before.UDPReceive, &now.UDPReceive), TUNWrite: grownEdge(&before.TUNWrite, &now.TUNWrite),
		MergeEnds: map[string]uint64{},
	}
	for why, n := range now.MergeEnds {
		g.MergeEnds[why] = grown(before.MergeEnds[why], n)
	}
	return g
}

func grownEdge(before, now *tunnel.EdgeStatus) tunnel.EdgeStatus {
	g := tunnel.EdgeStatus{
		Calls: grown(before.Calls, now.Calls), Bytes: grown(before.Bytes, now.Bytes), Packets: grown(before.Packets, now.Packets),
		WouldBlock: grown(before.WouldBlock, now.WouldBlock), Sizes: slices.Clone(now.Sizes),
	}
	for n := range min(len(g.Sizes), len(before.Sizes)) {
		g.Sizes[n] = grown(before.Sizes[n], g.Sizes[n])
	}
	if g.Calls > 0 {
		g.BytesPerCall = float64(g.Bytes) / float64(g.Calls)
	}
	return g
}

func grown(before, now uint64) uint64 {
	if now < before {
		return 0
	}
	return now - before
}

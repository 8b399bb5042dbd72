package configs

import (
	"fmt"
	"time"
)

func uplink(sc scope) Uplink {
	return Uplink{Rate: get[Rate](sc, "rate"), Overhead: int(get[uint64](sc, "overhead"))}
}

// uplinks reads the uplinks with settings of their own, over those of gateway.uplink.
func (a *assembly) uplinks(g *Gateway, sc scope) {
	own, all := sc.sub("uplinks"), sc.sub("uplink")
	for _, layer := range own.layers {
		for _, e := range layer.named {
			if e.name == g.Interface {
				a.at(e.key, e.path, "this is the TUN device", "an uplink is the interface that the sealed packets leave by, such as eth0")
			}
			if g.Uplinks == nil {
				g.Uplinks = map[string]Uplink{}
			}
			g.Uplinks[e.name] = uplink(scope{table: own.table, layers: append([]*section{e.section}, all.layers...)})
		}
	}
}

func (a *assembly) fairness(sc scope) Fairness {
	f := Fairness{
		FIFO:         get[string](sc, "queue") == "fifo",
		ECN:          get[bool](sc, "ecn"),
		Memory:       get[ByteSize](sc, "memory"),
		TunnelMemory: get[ByteSize](sc, "tunnel_memory"),
		Target:       get[time.Duration](sc, "target"),
	}
	e := sc.entry("tunnel_memory")
	if e == nil { // the default
		f.TunnelMemory = min(f.TunnelMemory, f.Memory)
	}
	if f.TunnelMemory > f.Memory {
		a.problem(e, fmt.Sprintf("tunnel_memory (%v) is larger than memory (%v)", f.TunnelMemory, f.Memory), "what waits in one tunnel is part of what waits in all")
	}
	return f
}

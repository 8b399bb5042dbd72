package main

// counters is the part of a gateway's status that says how its lane worked.
type counters struct {
	Edges   edges  `json:"edges"`
	Lane    lane   `json:"lane"`
	Tunnels []flow `json:"tunnels"`
}

// flow is what a tunnel carried, in inner packets and their bytes.
type flow struct {
	BytesIn    uint64 `json:"bytes_in"`
	BytesOut   uint64 `json:"bytes_out"`
	PacketsIn  uint64 `json:"packets_in"`
	PacketsOut uint64 `json:"packets_out"`
	Fallbacks  uint64 `json:"segment_fallbacks"`
}

// edges are the four places where packets cross between a gateway and its kernel.
type edges struct {
	TUNRead    edge `json:"tun_read"`
	UDPSend    edge `json:"udp_send"`
	UDPReceive edge `json:"udp_receive"`
	TUNWrite   edge `json:"tun_write"`
}

// edge counts the system calls at one of them.
type edge struct {
	Calls      uint64   `json:"calls"`
	Bytes      uint64   `json:"bytes"`
	Packets    uint64   `json:"packets"`
	WouldBlock uint64   `json:"would_block"`
	Sizes      []uint64 `json:"sizes"` // calls by their packets: 1, 2 to 3, 4 to 7, …
}

// lane is the data path.
type lane struct {
	Turns     uint64            `json:"turns"`
	Sleeps    uint64            `json:"sleeps"`
	Naps      uint64            `json:"naps"`
	Wakes     map[string]uint64 `json:"wakes"`
	TrainEnds map[string]uint64 `json:"train_ends"`
}

// since is what was counted between two readings. The later one is changed.
func (c counters) since(before counters) counters {
	c.Edges.TUNRead.subtract(before.Edges.TUNRead)
	c.Edges.UDPSend.subtract(before.Edges.UDPSend)
	c.Edges.UDPReceive.subtract(before.Edges.UDPReceive)
	c.Edges.TUNWrite.subtract(before.Edges.TUNWrite)
	c.Lane.Turns -= before.Lane.Turns
	c.Lane.Sleeps -= before.Lane.Sleeps
	c.Lane.Naps -= before.Lane.Naps
	for k, n := range before.Lane.Wakes {
		c.Lane.Wakes[k] -= n
	}
	for k, n := range before.Lane.TrainEnds {
		c.Lane.TrainEnds[k] -= n
	}
	for i, f := range before.Tunnels {
		t := &c.Tunnels[i]
		t.BytesIn -= f.BytesIn
		t.BytesOut -= f.BytesOut
		t.PacketsIn -= f.PacketsIn
		t.PacketsOut -= f.PacketsOut
		t.Fallbacks -= f.Fallbacks
	}
	return c
}

func (e *edge) subtract(before edge) {
	e.Calls -= before.Calls
	e.Bytes -= before.Bytes
	e.Packets -= before.Packets
	e.WouldBlock -= before.WouldBlock
	for i, n := range before.Sizes {
		e.Sizes[i] -= n
	}
}

// carried sums what crossed the tunnels, both ways.
func (c counters) carried() (bytes, packets, fallbacks uint64) {
	for _, f := range c.Tunnels {
		bytes += f.BytesIn + f.BytesOut
		packets += f.PacketsIn + f.PacketsOut
		fallbacks += f.Fallbacks
	}
	return bytes, packets, fallbacks
}

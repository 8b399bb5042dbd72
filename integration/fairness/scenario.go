package main

import (
	"context"
	"slices"

	"vpngw/integration/lab/load"
)

// scenario is a situation in which gateways are compared.
type scenario struct {
	name, title string
	// unlimited: there is no rate of the wire to vary.
	unlimited bool
	// rates are the wires it makes sense on, and congestion the controls; nil: all that are asked for.
	rates      []uint64
	congestion []string
	// only these contestants take part; nil: all.
	only []string
	run  func(ctx context.Context, r *run) error
}

// shapers are the subject with the FIFO of the same rate beside the reference, and two the subject and the reference alone.
var (
	shapers = []string{subject, shapedFIFO, wireguardName}
	two     = []string{subject, wireguardName}
)

// scenarios are in the order of the report. What is measured in the first is what others are compared with.
func scenarios() []scenario {
	cubic := []string{"cubic"}
	return []scenario{
		{name: "even", title: "Four tunnels, one flow each", run: even},
		{name: "crowd", title: "Four tunnels: eight flows in the first, one in each other", run: crowd, only: shapers},
		{name: "trains", title: "Four tunnels, one flow each, through a short queue", run: trains, only: []string{subject, unshapedFIFO, wireguardName}},
		{name: "flood", title: "Three tunnels with a flow, the fourth with UDP at three times the wire's rate", run: flood, only: shapers},
		{name: "upload", title: "An upload, while a flow in each tunnel fills the way of its ACKs", run: upload, congestion: cubic, only: shapers},
		{name: "busy", title: "Four tunnels, one flow each, unshaped, with no limit but the processor", run: busy, unlimited: true, only: shapers},
		{name: "device", title: "Four tunnels, one flow each, unshaped, out of a slow device of the gateway's own", run: device, rates: []uint64{100e6, 400e6}, congestion: cubic, only: two},
		{name: "mixed", title: "Four tunnels with round trips of 1, 1, 20 and 100 ms", run: mixed, rates: []uint64{100e6, 400e6}, only: two},
		{name: "loss", title: "Four tunnels, 1 % of the packets lost in the fourth", run: loss, rates: []uint64{100e6, 400e6}, congestion: cubic, only: two},
		{name: "dead", title: "The fourth tunnel's peer dies while it is sent to", run: dead, congestion: cubic, only: two},
		{name: "full", title: "The fourth tunnel's packets get stuck below its socket", run: full, congestion: cubic, only: two},
	}
}

// at tells whether the scenario is run on wires of the rate, 0 being the one without limit.
func (s scenario) at(rate uint64) bool {
	if s.unlimited || rate == 0 {
		return s.unlimited && rate == 0
	}
	return s.rates == nil || slices.Contains(s.rates, rate)
}

func (s scenario) with(congestion string) bool {
	return s.congestion == nil || slices.Contains(s.congestion, congestion)
}

func (s scenario) takes(contestant string) bool {
	return s.only == nil || slices.Contains(s.only, contestant)
}

// byteQueue is the usual wire: a queue of 256 KB in which packets wait one by one.
func byteQueue(rate uint64) wire { return wire{Rate: rate, Bytes: 256 << 10} }

// shaped is the rate that gateways hold themselves to on a wire: 95 % of it.
func shaped(rate uint64) uint64 { return rate / 100 * 95 }

// oneEach is a flow in each of the first n tunnels, with a probe in the last of all.
func (r *run) oneEach(n int) load.Load {
	l := load.Load{Duration: r.seconds, Probes: []load.Probe{r.probe()}}
	for i := range n {
		l.Flows = append(l.Flows, r.flow(i, r.congestion))
	}
	return l
}

package main

import (
	"fmt"
	"slices"
	"strings"

	"vpngw/integration/lab"
)

// superpacket is the unit that bulk traffic's costs are given in, bytes of inner packets.
const superpacket = 64 << 10

// wire is how what lies between the gateways treats superpackets.
type wire struct {
	name, title string
	nicLike     bool
}

// wires lists them in the order of the output.
func wires() []wire {
	return []wire{
		{"default", "default wire", false}, // veth: superpackets cross whole, checksums are never computed
		{"nic", "NIC-like wire", true},     // the sender cuts and computes checksums, the receiver coalesces
	}
}

// traffic is one kind of load, from host A to host B.
type traffic struct {
	name, title string
	load        lab.Iperf
	perPacket   bool // its costs are given per packet and not per 64 KiB
}

// kinds lists the traffic in the order of the output. The rates of UDP are below what the gateways saturate at.
func kinds() []traffic {
	return []traffic{
		{"tcp1", "TCP ×1", lab.Iperf{Streams: 1}, false},
		{"tcp4", "TCP ×4", lab.Iperf{Streams: 4}, false},
		{"bidir", "TCP ×1 both ways", lab.Iperf{Streams: 1, Bidirectional: true}, false},
		{"udp64", "UDP, 64 bytes, 19,531/s", lab.Iperf{UDP: true, Length: 64, RateMbit: 10}, true},
		{"udp1400", "UDP, 1,400 bytes, 44,643/s", lab.Iperf{UDP: true, Length: 1400, RateMbit: 500}, true},
	}
}

// unit is what the costs of t are divided by.
func (t traffic) unit() string {
	if t.perPacket {
		return "packet"
	}
	return "64 KiB"
}

// roles says what each gateway does with most packets.
func (t traffic) roles() (a, b string) {
	if t.load.Bidirectional {
		return "both ways", "both ways"
	}
	return "seals", "opens"
}

// choose picks wires and kinds by comma-separated names; of what is not named, all.
func choose(text string) (w []wire, k []traffic, err error) {
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(wires(), func(w wire) bool { return w.name == name })
		j := slices.IndexFunc(kinds(), func(t traffic) bool { return t.name == name })
		switch {
		case i >= 0:
			w = append(w, wires()[i])
		case j >= 0:
			k = append(k, kinds()[j])
		case name != "":
			return nil, nil, fmt.Errorf("-only: there is no %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	if len(w) == 0 {
		w = wires()
	}
	if len(k) == 0 {
		k = kinds()
	}
	return w, k, nil
}

// names are those that choose knows.
func names() (all []string) {
	for _, w := range wires() {
		all = append(all, w.name)
	}
	for _, t := range kinds() {
		all = append(all, t.name)
	}
	return all
}

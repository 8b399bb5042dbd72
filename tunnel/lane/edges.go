package lane

import (
	"net/netip"
	"sync/atomic"

	"github.com/gaissmai/bart"

	"vpngw/offload"
)

// Edges counts what crossed the four edges of a gateway, on one lane: all of it, or what
// came from and went to one network interface of the machine. Only the lane writes to it;
// any goroutine may read it.
type Edges struct {
	TUNRead, TUNWrite, UDPSend, UDPReceive Edge

	MergeEnds [offload.EndCount]atomic.Uint64 // why superpackets that were glued for the TUN of what was received did not grow
}

// LANs finds the Edges of the interface that a host is behind, by its address. They are
// those of one lane. A table given to a lane is not changed any more.
type LANs = bart.Table[*Edges]

// nearHosts is how many hosts' interfaces a lane has at hand.
const nearHosts = 64

// lans is a lane's knowledge of the interfaces that hosts are behind. The zero value
// knows none.
type lans struct {
	table *LANs
	near  [nearHosts]nearHost // hosts that were looked up, by the last bits of their addresses
}

type nearHost struct {
	host  netip.Addr // the zero Addr: none
	edges *Edges
}

// SetLANs replaces what the lane knows of the interfaces that hosts are behind. On the
// lane's goroutine.
func (l *Lane) SetLANs(table *LANs) { l.lans = lans{table: table} }

// towards is where a packet from or to a host of ours is counted.
func (l *Lane) towards(host netip.Addr) *Edges {
	if l.lans.table == nil {
		return &l.counters.Edges
	}
	b := host.As16()
	n := &l.lans.near[(b[15]^b[14]^b[13])%nearHosts]
	if n.host != host {
		n.host = host
		edges, ok := l.lans.table.Lookup(host)
		if !ok {
			edges = &l.counters.Edges
		}
		n.edges = edges
	}
	return n.edges
}

// towardsPeer is where a datagram of t is counted: at its uplink. That of nobody, or of
// one that has no way out yet, belongs to no interface.
func (l *Lane) towardsPeer(t *Tunnel) *Edges {
	if t != nil && t.uplink != nil && t.uplink.edges != nil {
		return t.uplink.edges
	}
	return &l.counters.Edges
}

// destination is that of an IP packet that was parsed before.
func destination(packet []byte) netip.Addr {
	if packet[0]>>4 == 4 {
		return netip.AddrFrom4([4]byte(packet[16:20]))
	}
	return netip.AddrFrom16([16]byte(packet[24:40]))
}

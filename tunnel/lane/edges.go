package lane

import (
	"encoding/binary"
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

// nearHosts is how many hosts' interfaces a lane has at hand: to look one up in the table
// takes ten times as long.
const nearHosts = 64

// lans is a lane's knowledge of the interfaces that hosts are behind. The zero value
// knows none.
type lans struct {
	table *LANs
	near  [nearHosts]nearHost // hosts that were looked up, each at its place
}

type nearHost struct {
	host
	edges *Edges // nil: no host
}

// host is an address as it stands in a packet; of IPv4 it is ::ffff:a.b.c.d.
type host struct{ high, low uint64 }

// sourceOf is that of an IP packet that was parsed before.
func sourceOf(packet []byte) host { return hostAt(packet, 12, 8) }

// destinationOf is that of an IP packet that was parsed before.
func destinationOf(packet []byte) host { return hostAt(packet, 16, 24) }

func hostAt(packet []byte, at4, at6 int) host {
	if packet[0]>>4 == 4 {
		return host{0, 0xffff<<32 | uint64(binary.BigEndian.Uint32(packet[at4:]))}
	}
	return host{binary.BigEndian.Uint64(packet[at6:]), binary.BigEndian.Uint64(packet[at6+8:])}
}

func (h host) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], h.high)
	binary.BigEndian.PutUint64(b[8:], h.low)
	return netip.AddrFrom16(b).Unmap()
}

// SetLANs replaces what the lane knows of the interfaces that hosts are behind. On the
// lane's goroutine.
func (l *Lane) SetLANs(table *LANs) { l.lans = lans{table: table} }

// towards is where a packet from or to a host of ours is counted.
func (l *Lane) towards(h host) *Edges {
	n := &l.lans.near[(h.low^h.low>>8^h.low>>16)%nearHosts]
	if n.host != h || n.edges == nil {
		*n = nearHost{h, l.lookUp(h)}
	}
	return n.edges
}

func (l *Lane) lookUp(h host) *Edges {
	if l.lans.table != nil {
		if edges, ok := l.lans.table.Lookup(h.addr()); ok {
			return edges
		}
	}
	return &l.counters.Edges
}

// towardsPeer is where a datagram of t is counted: at its uplink. That of nobody, or of
// one that has no way out yet, belongs to no interface.
func (l *Lane) towardsPeer(t *Tunnel) *Edges {
	if t != nil && t.uplink != nil && t.uplink.Edges != nil {
		return t.uplink.Edges
	}
	return &l.counters.Edges
}

// Package drop names the reasons for which vpngw drops a packet, and counts them.
//
// No packet is dropped without one of these counters.
package drop

import "sync/atomic"

// Reason is why a packet was dropped.
type Reason uint8

// Reasons on the way out: from the TUN device to the wire.
const (
	NoRoute      Reason = iota // no tunnel has the destination in its remote subnets
	Multicast                  // multicast and link-local destinations, which no tunnel carries
	Malformed                  // the TUN gave something that is no whole IP packet, or a superpacket that cannot be cut
	SourcePolicy               // source outside the tunnel's local traffic selectors, or destination outside the remote ones (RFC 4301 §5.1)
	TunnelDown                 // the tunnel has no child SA to send on
	NoSocket                   // the tunnel has keys but no socket, for example without a route to the peer
	QueueFull                  // the queue's byte bound; counted for the tunnel that paid
	Congestion                 // the AQM: the flow's packets waited too long; tells its sender to slow down
	Exhausted                  // sequence numbers used up before a rekey succeeded
	HardLimit                  // the SA has sealed all the bytes or packets that its hard limit allows
	TooBig                     // the wire's MTU is smaller than the datagram (EMSGSIZE)
	PathMTU                    // longer than the path to the peer carries, and not to be fragmented; its sender is told, unless too often
	Firewall                   // our own firewall refused the datagram (EPERM)
	Unreachable                // no route, link down or address gone (ENETUNREACH, EHOSTUNREACH, ENETDOWN, EADDRNOTAVAIL)
	SendError                  // any other error of a send
	LaneFull                   // the tunnel's lane was too slow to take it from the lane that it came to
	outEnd
)

// Reasons on the way in: from the wire to the TUN device.
const (
	Runt             Reason = iota + outEnd // too short for ESP and no keepalive
	UnknownSPI                              // no SA has this SPI
	IKETooLong                              // IKE message longer than any peer sends
	IKELimited                              // IKE_SA_INIT request beyond what one address, or all unknown ones, may ask for
	IKEUnknownSPI                           // IKE message with no SPI of ours, beyond the few that may be hints
	Replayed                                // sequence number seen before
	TooOld                                  // sequence number below the replay window
	Unauthentic                             // ICV wrong
	BadTrailer                              // authentic, with impossible padding
	Dummy                                   // next header 59: traffic-flow confidentiality padding
	NextHeader                              // next header is neither IPv4 nor IPv6, or not the packet's
	InnerMalformed                          // authentic, but no whole IP packet inside
	InnerSource                             // inner source outside the peer's traffic selectors (RFC 4301 §5.2)
	InnerDest                               // inner destination outside ours
	ReceiveFull                             // the kernel dropped it: the socket's receive buffer was full
	Truncated                               // a receive that did not fit the buffer
	TUNDown                                 // the TUN device is down or gone
	TUNRefused                              // the TUN refused the packet
	TUNFull                                 // the TUN would have blocked
	ControlBusy                             // IKE message while the control side's inbox was full
	NotIKE                                  // on the port of IKE alone: no IKE message
	HardLimitIn                             // the SA has opened all the bytes or packets that its hard limit allows
	CongestionNotECT                        // congestion marked outside on what does not speak ECN inside (RFC 6040 §4.2)
	Count                                   // number of reasons
)

// TUNRingFull is the name under which status counts what the kernel dropped because
// the ring from which the TUN is read was full: the packets came faster, or in a
// larger burst, than the gateway could read.
const TUNRingFull = "tun_ring_full"

var names = [Count]string{
	NoRoute: "no_route", Multicast: "multicast", Malformed: "malformed", SourcePolicy: "source_policy",
	TunnelDown: "tunnel_down", NoSocket: "no_socket", QueueFull: "queue_full", Congestion: "congestion", Exhausted: "sequence_exhausted",
	TooBig: "too_big", PathMTU: "path_mtu", Firewall: "firewall", Unreachable: "unreachable", SendError: "send_error", LaneFull: "lane_full",
	Runt: "runt", UnknownSPI: "unknown_spi", IKETooLong: "ike_too_long", IKELimited: "ike_limited", IKEUnknownSPI: "ike_unknown_spi", Replayed: "replayed", TooOld: "too_old", Unauthentic: "unauthentic",
	BadTrailer: "bad_trailer", Dummy: "dummy", NextHeader: "next_header", InnerMalformed: "inner_malformed",
	InnerSource: "inner_source", InnerDest: "inner_destination", ReceiveFull: "receive_buffer_full", Truncated: "truncated", TUNDown: "tun_down",
	TUNRefused: "tun_refused", TUNFull: "tun_full", ControlBusy: "control_busy",
	HardLimit: "sa_hard_limit", HardLimitIn: "sa_hard_limit_in", NotIKE: "not_ike",
	CongestionNotECT: "congestion_not_ect",
}

// String returns the reason's name as status and metrics show it.
func (r Reason) String() string {
	if r >= Count || names[r] == "" {
		return "unknown"
	}
	return names[r]
}

// Counters counts drops by reason. The zero value is ready; any goroutine may
// call its methods. It must not be copied.
type Counters struct {
	n [Count]atomic.Uint64
}

// Add counts packets dropped for one reason.
func (c *Counters) Add(r Reason, packets int) { c.n[r].Add(uint64(packets)) }

// Get returns the packets dropped for one reason.
func (c *Counters) Get(r Reason) uint64 { return c.n[r].Load() }

// Map returns all counters by name, the zeros too.
func (c *Counters) Map() map[string]uint64 {
	m := make(map[string]uint64, Count)
	for r := range Count {
		if names[r] != "" {
			m[names[r]] = c.n[r].Load()
		}
	}
	return m
}

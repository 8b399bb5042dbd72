// Package fairness decides whose packet is sent next and whose is dropped.
//
// It is a pure package: sizes and time in, decisions out. It holds no bytes of any
// packet, does no I/O, reads no clock, starts no goroutine and allocates nothing per
// packet. A Queue stands in front of one uplink; its classes are tunnels, and a
// tunnel's flows are told apart by a hash.
//
//	           tunnel A             tunnel B             tunnel C
//	           ┌──────────────┐     ┌──────────────┐     ┌──────────────┐
//	Enqueue ──▶│ sparse  ▪ ▪  │     │ sparse       │     │ sparse  ▪    │
//	           │ bulk    ▮▮▮▮ │     │ bulk    ▮▮   │     │ bulk         │
//	           │         ▮▮   │     │         ▮▮▮▮ │     │              │
//	           └──────┬───┬───┘     └──────────┬───┘     └──────┬───────┘
//	                  │   │                    │                │
//	   sparse round   A ──│────────────────────│─────────────── C     first, a packet each
//	   bulk round         A ────────────────── B                      deficit round robin by
//	                                           │                      bytes × weight, and so
//	                                           │                      inside a tunnel its flows
//	                                           ▼
//	       in-flight limit, uplink's rate, tunnel's rate ──▶ Next: a slice, or a drop, or a mark
//
// # Shares
//
// Tunnels share by weight and flows of a tunnel equally, both in bytes on the wire, by
// deficit round robin (Shreedhar and Varghese, 1995): who has credit is served, overdraws
// it by less than one slice, and pays in the next round. Nothing is rounded, so shares are
// exact over time.
//
// # Sparse flows
//
// A flow that takes less than its fair share waits for no round of bulk, as in RFC 8290
// §3.3, in which a flow is new until it has been empty through a round. Here the round is
// a virtual clock: the bytes that each unit of weight was served. A flow may send
// sparseAllowance bytes ahead of bulk, and regains them as fast as the clock grants its
// share. So a probe every few milliseconds is sparse however many tunnels are in the
// round, and no flow stays sparse by being empty at the right moments. What goes ahead is
// charged to its tunnel: a tunnel in debt, as by a port scan of many new flows, has its
// new flows wait as bulk. Tunnels with something sparse take turns, a flow's packet each.
//
// # Slices
//
// A superpacket waits whole. Next grants a slice of it: as many segments as the rate lets
// go in a quarter of a millisecond, at least one. It overdraws deficits by less than a
// segment. Where nobody sets a rate it is the whole superpacket, or what half the
// in-flight limit allows, and overdraws by less than that: one send of 44 segments costs
// no more than one of five. Alone, no deficit limits it.
//
// # Delay
//
// CoDel (RFC 8289) watches each bulk flow and drops or marks single segments, never a
// superpacket. The time a superpacket waited ends when its first segment leaves: what it
// takes to serialise the others is no more a standing queue than that of the bits of a
// packet. Sparse flows are spared, and so is the last segment of a flow.
//
// # Rates
//
// A shaper per uplink and per tunnel keeps the time at which what was sent will have left.
// It makes up for idle time by less than a millisecond, and for a late caller by four if
// something waited. A tunnel above its rate leaves the rounds until its time has come, as
// one does whose socket is full: neither costs the others anything. Where no rate is known, what the
// sockets hold is limited as Linux's dynamic queue limits do it, so that the queue builds
// here, where it can be ordered, and not below.
//
// # Overload
//
// The memory of what waits is bounded, in all and per tunnel. Beyond, the head of the
// fattest flow of the fattest tunnel (by memory ÷ weight) is the victim.
package fairness

// Package ike is IKEv2 (RFC 7296) as a pure machine: events and the time go in,
// actions come out. There is no I/O, clock, goroutine or global randomness in it,
// so two machines on a simulated wire replay exactly from a seed.
//
// One Machine serves all tunnels of a gateway, as initiator and as responder. The
// shell around it feeds it what happened (Event) and does what it says (Action).
//
// # A tunnel's life
//
// AddPeer makes a peer known; a peer that contacts us is then answered. Connect
// makes it wanted: the machine initiates, and after every failure tries again with
// back-off until RemovePeer. Up says that keys are agreed, InstallChild and
// UseOutbound which keys, Endpoint where the packets go, Down that there is nothing
// left to send with and why.
//
// # Make before break
//
// InstallChild always precedes UseOutbound of the same child, and UseOutbound is
// given only when the peer is known to have the inbound half installed. A rekeyed
// child's inbound half stays until RemoveChild, five seconds after its DELETE.
package ike

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
//
// # New keys
//
// Children and IKE SAs are rekeyed at their lifetimes, and when SoftLimit or Rekey asks
// for it. A new IKE SA takes over the children of the old one as they are: ESP does not
// notice, and all that the tunnel sees of it is a new Up. Keys that no rekey replaced end
// at 5/4 of their lifetime; a new handshake then follows, for an IKE SA shortly before.
//
// # Additional child SAs
//
// With Peer.Extra at both ends a tunnel gets additional children (RFC 9611), each with the
// number of a resource, such as a core, and the first one's selectors. SA_RESOURCE_INFO and
// a Vendor ID of ours in IKE_AUTH announce it, so other peers are not asked. Who began makes
// them, one after another, and makes anew what ended; they are rekeyed like the first one
// and go over to a rekeyed IKE SA with it. What becomes of them never ends the tunnel.
//
// # Segments without checksum
//
// With Peer.Unsummed at both ends, which Vendor IDs of ours in IKE_AUTH say, a child may
// carry TCP and UDP segments whose checksum the receiver makes. It holds for all children
// of an IKE SA and of those that replace it.
//
// # Collisions
//
// Both ends may rekey, make and close at the same time. What then goes on is decided by
// nonces (RFC 7296 §2.8.1, §2.8.2), and what cannot be done beside one another is refused
// by TEMPORARY_FAILURE (§2.25) and tried again. A window of one keeps these cases few:
//
//	peer asks for    while ours is             answer
//	rekey of child   rekey of that child       a child; nonces decide (settleRekey)
//	rekey of child   DELETE of that child      TEMPORARY_FAILURE
//	rekey of child   rekey of the IKE SA       TEMPORARY_FAILURE
//	new child        rekey of the IKE SA       TEMPORARY_FAILURE
//	DELETE of child  anything                  done; ours then fails or is forgotten
//	rekey of IKE SA  rekey of the IKE SA       an SA; nonces decide (settleIKE)
//	rekey of IKE SA  anything about a child    TEMPORARY_FAILURE
//	rekey of IKE SA  DELETE of the IKE SA      TEMPORARY_FAILURE
//	DELETE of IKE SA rekey of the IKE SA       done; the peer's rekey, if any, has won
package ike

package ike

import (
	"fmt"
	"net/netip"
)

// Action is something the shell is to do, in the order given.
type Action interface{ action() }

// Send is one IKE message to send.
type Send struct {
	Local  netip.AddrPort // may be zero: whatever reaches Remote
	Remote netip.AddrPort
	Bytes  []byte // without the non-ESP marker; read-only, and never changed afterwards
}

// SendFragmentable is a Send whose packet may be fragmented by this machine and by routers:
// with DF clear.
type SendFragmentable Send

// InstallChild is a new pair of ESP SAs. Its inbound half is to be installed now;
// sending on it waits for UseOutbound.
type InstallChild struct {
	ID    PeerID
	Child Child
}

// UseOutbound says that from now on this tunnel sends on the child whose inbound
// SPI is SPI, for the resource that the child is of.
type UseOutbound struct {
	ID       PeerID
	SPI      uint32
	Resource int // as in Child
}

// StopOutbound says that an additional child ends and nothing replaces it: what is not yet
// on its way belongs on the first one. Until RemoveChild what waits for it may still go.
type StopOutbound struct {
	ID       PeerID
	Resource int // as in Child, not 0
}

// RemoveChild says to forget both halves of the child whose inbound SPI is SPI.
type RemoveChild struct {
	ID       PeerID
	SPI      uint32
	Resource int // as in Child
}

// Up says that a peer has authenticated and an IKE SA stands. It is also given when
// a new IKE SA replaces one that was up.
type Up struct {
	ID            PeerID
	Local, Remote netip.AddrPort
	Initiator     bool   // of this IKE SA
	BehindNAT     bool   // we are behind a NAT: NAT keepalives (RFC 3948 §2.3) are due
	PeerBehindNAT bool   // known only of peers that do not always want UDP encapsulation
	Suite         string // negotiated IKE suite, as in PeerStatus
}

// Down says that a peer has no usable SA any more (its children were removed by
// RemoveChild before), or that an attempt to get one failed. A wanted peer with an
// address is tried again.
type Down struct {
	ID     PeerID
	Reason Reason
}

// Refused says that the handshake of an initiator was refused in IKE_AUTH. IDs are the
// tunnels that it may be about: that of the identity it claimed, or else those whose
// peers are configured at its address; none is proven. What anybody can cause comes as
// often as they like.
type Refused struct {
	IDs    []PeerID
	Remote netip.AddrPort
	Reason Reason
}

// Endpoint says where this tunnel's ESP goes from now on.
type Endpoint struct {
	ID            PeerID
	Local, Remote netip.AddrPort
}

// PathProbed is what a ProbePath found.
type PathProbed struct {
	ID      PeerID
	Size    int
	Outcome PathOutcome
}

// Child is what ESP needs to know of a child SA pair.
type Child struct {
	Inbound, Outbound ChildKeys
	Local, Remote     []Selector // as negotiated: ours and theirs
	Initiator         bool       // we sent the request that made it
	Replaces          uint32     // inbound SPI of the child that it rekeys; 0: none, or it is removed already
	Resource          int        // 1 to Peer.Extra: of an additional child (RFC 9611), the same at both ends; 0: the first one
	Opener            bool       // the UDP ports of additional children are ours to open, and not the peer's; it holds for all of an IKE SA
	Unsummed          bool       // both ends take ESP next header 253 for a TCP or UDP segment without checksum (see Peer.Unsummed)
}

// ChildKeys is one direction of a child SA.
type ChildKeys struct {
	SPI    uint32 // as it stands in the packets of this direction
	Suite  Cipher
	Keymat []byte // key followed by the 4-byte salt (RFC 4106 §8.1, RFC 7634 §2); the receiver's to keep
	ESN    bool
}

// String leaves the keys out.
func (k ChildKeys) String() string {
	esn := ""
	if k.ESN {
		esn = "/ESN"
	}
	return fmt.Sprintf("%08x %v%s", k.SPI, k.Suite, esn)
}

// GoString leaves the keys out.
func (k ChildKeys) GoString() string { return k.String() }

func (Send) action()         {}
func (InstallChild) action() {}
func (UseOutbound) action()  {}
func (StopOutbound) action() {}
func (RemoveChild) action()  {}
func (Up) action()           {}
func (Down) action()         {}
func (Endpoint) action()     {}
func (Refused) action()      {}
func (PathProbed) action()   {}

func (SendFragmentable) action() {}

package ike

import (
	"net/netip"
	"time"
)

// State is where a tunnel's life stands.
type State uint8

// The states.
const (
	StateIdle       State = iota // known; waits for the peer, for Connect or for the next attempt
	StateConnecting              // a handshake of ours is under way, and nothing is up
	StateUp                      // authenticated, with a child SA
	StateRekeying                // up, and a child or the IKE SA is being rekeyed
	StateDown                    // lost or refused; see Reason. A wanted peer is tried again
)

var stateNames = [...]string{"idle", "connecting", "up", "rekeying", "down"}

// String gives the state in one word.
func (s State) String() string {
	if int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// PeerStatus is a copy of what can be seen of a tunnel.
type PeerStatus struct {
	Known         bool // false: no such peer, and all else is zero
	Name          string
	State         State
	Wanted        bool   // Connect was given: it is tried again after every loss
	Reason        Reason // of the last loss or failure; zero once up
	Local, Remote netip.AddrPort

	// Of the IKE SA, when up.
	Initiator                bool
	InitiatorSPI             uint64
	ResponderSPI             uint64
	Suite                    string // e.g. "aes256gcm16-prfsha256-x25519"
	Established              time.Time
	BehindNAT, PeerBehindNAT bool
	LastHeard                time.Time // newest authenticated message or ESP

	Children []ChildStatus // oldest first
	Counters Counters
}

// ChildStatus is a copy of what can be seen of a child SA.
type ChildStatus struct {
	SPIIn, SPIOut uint32
	Suite         string // e.g. "aes256gcm16/ESN"
	Created       time.Time
	Local, Remote []Selector
	Sending       bool // UseOutbound was given, and no newer child replaced it
	Leaving       bool // replaced or deleted: inbound only, until RemoveChild
	Resource      int  // of an additional child 1 and up, else 0
	Unsummed      bool // as in Child
}

// Counters count a tunnel's messages since AddPeer.
type Counters struct {
	MessagesIn, MessagesOut uint64
	Retransmits             uint64
	Rejected                [RejectCount]uint64 // by RejectReason
}

package ike

import "net/netip"

// Event is something that happened outside the machine.
type Event interface{ event() }

// AddPeer makes a peer known, or replaces what was known under its ID. SAs of a
// replaced peer are deleted with DELETE messages. A peer that does not Validate is
// not added; the answer is then Down with ReasonConfig.
type AddPeer struct{ Peer Peer }

// RemovePeer deletes a peer's SAs, telling the peer, and forgets it.
type RemovePeer struct{ ID PeerID }

// Connect makes a peer wanted: the machine initiates to Peer.Remote now and after
// every loss until RemovePeer. It changes nothing for a peer that is already up or
// connecting, and waits for the peer where Remote is the zero value. Given for a
// peer that is backing off it starts a new attempt at once; so it may be given, at most
// once a second, when traffic waits for a tunnel that is down.
type Connect struct {
	ID    PeerID
	Local netip.AddrPort // our end for Send.Local; may be zero
}

// Datagram is one IKE message as received.
type Datagram struct {
	Local, Remote netip.AddrPort
	Bytes         []byte // without the non-ESP marker; borrowed until Step returns
}

// Tick says only that time has passed. Every event does so too.
type Tick struct{}

// SoftLimit asks for a rekey of the child with this inbound SPI.
type SoftLimit struct {
	ID  PeerID
	SPI uint32
}

// Rekey asks for new keys now: of the child in use, or with IKE of the IKE SA under it.
type Rekey struct {
	ID  PeerID
	IKE bool
}

// HardLimit says that the child with this inbound SPI can no longer send: it is
// deleted and a new one built.
type HardLimit struct {
	ID  PeerID
	SPI uint32
}

// Heard says that ESP authenticated on the child with this inbound SPI since the
// last Heard. To be given at once for the first packet of a new child, and at most
// once a second after that.
type Heard struct {
	ID  PeerID
	SPI uint32
}

// Silent says that nothing comes where something should: ESP has gone out for a while and
// none authenticated since, or what came has ceased and a NAT that we are behind may be the
// cause. It may be given as often as that holds.
type Silent struct{ ID PeerID }

// UnknownSPI is ESP from Remote with an SPI that no SA has. It is to be given only for
// datagrams of at least 40 bytes, the length of the notify that may answer it.
type UnknownSPI struct {
	Local, Remote netip.AddrPort
	SPI           uint32
}

// Moved says that the newest authenticated ESP of a tunnel came from another
// address than Endpoint told.
type Moved struct {
	ID            PeerID
	Local, Remote netip.AddrPort
}

// Probe asks a peer that is up at once whether it lives, for example because our own
// address has changed: the peer follows the request to where it came from. Without an
// answer a new IKE SA is tried beside the old one after 0.6 s.
type Probe struct {
	ID    PeerID
	Local netip.AddrPort // our end from now on; zero: as before
}

// ProbePath asks whether an IP packet of Size bytes gets to a peer, by an authenticated
// probe (RFC 8899) that does not count for dead-peer detection. The answer is PathProbed;
// there is none if the IKE SA ends meanwhile. What is too small for a
// message, or larger than MaxPathProbe, stays unknown.
type ProbePath struct {
	ID   PeerID
	Size int
}

// Shutdown sends a DELETE for every IKE SA, forgets all of them, and stops
// answering. The DELETEs are sent once: nothing waits for their answers.
type Shutdown struct{}

func (AddPeer) event()    {}
func (RemovePeer) event() {}
func (Connect) event()    {}
func (Datagram) event()   {}
func (Tick) event()       {}
func (SoftLimit) event()  {}
func (Rekey) event()      {}
func (HardLimit) event()  {}
func (Heard) event()      {}
func (Silent) event()     {}
func (UnknownSPI) event() {}
func (Moved) event()      {}
func (Probe) event()      {}
func (ProbePath) event()  {}
func (Shutdown) event()   {}

package ike

import (
	"slices"

	"vpngw/crypto/ike/message"
)

// suspects are the tunnels that a refused initiator may belong to.
func (s *sa) suspects(d Datagram) []PeerID {
	if p := s.hs.claimed; p != nil {
		return []PeerID{p.ID}
	}
	var ids []PeerID
	for _, p := range s.m.addrs.at[d.Remote.Addr().Unmap()] {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return ids
}

// refusedFor is why, by what the initiator is told.
func refusedFor(t message.NotifyType) ReasonCode {
	switch t {
	case message.NotifyAuthenticationFailed:
		return ReasonAuth
	case message.NotifyTemporaryFailure:
		return ReasonLocal
	}
	return ReasonInvalidSyntax
}

package ike

import (
	"bytes"
	"slices"

	"vpngw/crypto/ike/message"
)

// maxCandidates bounds the IKE_SA_INIT responses that one attempt follows up.
const maxCandidates = 4

// candidates are the SAs of one attempt. IKE_SA_INIT is not protected: the first
// response that looks right may be forged, and the true one come behind it. Each that
// differs makes an SA of its own, with the same request; the first one that
// authenticates stays (RFC 7296 §2.4). The first of the list is the peer's attempt, and
// holds our SPI for all.
type candidates struct{ list []*sa }

// racing tells whether a message may be one more response to our IKE_SA_INIT.
func (s *sa) racing(h message.Header) bool {
	return s.state == saAuth && h.Exchange == message.ExchangeIKESAInit && h.Flags.Response() && h.MessageID == 0
}

// candidate is the SA of this attempt with that SPI of the peer's, or else s.
func (s *sa) candidate(other message.SPI) *sa {
	if s.state != saAuth {
		return s
	}
	for _, c := range s.hs.race.list {
		if c.spiR == other {
			return c
		}
	}
	return s
}

// anotherInit takes one more IKE_SA_INIT response.
func (s *sa) anotherInit(d Datagram, msg *message.Message) {
	race := s.hs.race
	if slices.ContainsFunc(race.list, func(c *sa) bool { return bytes.Equal(c.hs.initR, d.Bytes) || c.spiR == msg.ResponderSPI }) {
		s.reject(RejectExchange, d, "the IKE_SA_INIT response came before")
		return
	}
	if len(race.list) == maxCandidates {
		s.reject(RejectUnprotected, d, "too many different IKE_SA_INIT responses")
		return
	}
	c := s.m.newSA(true, s.local, s.remote)
	c.peer, c.spiI, c.nonceI, c.createdAt = s.peer, s.spiI, s.nonceI, s.createdAt
	c.hs.group, c.hs.private, c.hs.initI = s.hs.group, s.hs.private, s.hs.initI
	if err := c.acceptInit(d, msg); err != nil {
		s.reject(RejectUnprotected, d, err.Error())
		return
	}
	c.hs.race = race
	race.list = append(race.list, c)
	s.peer.log.Info("another IKE_SA_INIT response: following both", "remote", d.Remote)
	if err := c.begin(); err != nil {
		c.failAttempt(s.peer.fail("authenticate", err))
	}
}

// leaveRace takes an SA that failed out of its attempt. It tells whether the attempt goes
// on with others.
func (s *sa) leaveRace() bool {
	race := s.hs.race
	if race == nil || len(race.list) < 2 {
		return false
	}
	race.list = slices.DeleteFunc(race.list, func(c *sa) bool { return c == s })
	s.hs.race = nil
	race.list[0].lead()
	return true
}

// winRace ends the others once s has authenticated.
func (s *sa) winRace() {
	if s.hs == nil || s.hs.race == nil || len(s.hs.race.list) < 2 {
		return
	}
	others := s.hs.race.list
	s.hs.race.list = []*sa{s}
	s.lead()
	for _, c := range others {
		if c != s {
			c.hs.race = nil
			c.close()
		}
	}
}

// lead makes s the one that stands for the attempt.
func (s *sa) lead() { s.m.sas[s.spiI], s.peer.attempt = s, s }

// closeRace closes the whole attempt of which s is a part.
func (s *sa) closeRace() {
	race := s.hs.race
	if race == nil {
		return
	}
	list := race.list
	race.list = nil
	for _, c := range list {
		if c != s {
			c.hs.race = nil
			c.close()
		}
	}
}

package ike

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"time"

	"vpngw/crypto/ike/message"
)

// saState is where an IKE SA stands.
type saState uint8

const (
	saInit        saState = iota // initiator: IKE_SA_INIT request sent
	saAuth                       // initiator: IKE_INTERMEDIATE or IKE_AUTH request sent
	saHalfOpen                   // responder: IKE_SA_INIT answered
	saRefused                    // responder: AUTH refused; only repeats that answer
	saEstablished                //
	saRival                      // made by the peer's rekey while ours is under way: one of the two goes
	saReplaced                   // rekeyed: its children are another's, and it waits for its DELETE
	saDeleting                   // our DELETE is due or under way: nothing else begins
	saFading                     // deleted by the peer: only repeats the answer to that
	saClosed                     //
)

var saStateNames = [...]string{"init", "auth", "half-open", "refused", "established", "rival", "replaced", "deleting", "fading", "closed"}

func (s saState) String() string { return saStateNames[s] }

// sa is one IKE SA, from its first message on.
type sa struct {
	m         *Machine
	peer      *peer // nil for a responder's until AUTH told who it is
	state     saState
	initiator bool // we are its original initiator
	spiI      message.SPI
	spiR      message.SPI

	local, remote netip.AddrPort
	behindNAT     bool
	peerNAT       bool

	suite   suite
	keys    ikeKeys
	ppk     bool // the peer's PPK is in the keys
	in, out *protection

	// Of the handshake; dropped once established.
	hs *handshake

	nonceI, nonceR []byte
	initKey        [sha256.Size]byte // responder: the INIT request that made it
	counted        netip.Prefix      // responder: whom it counts for as half-open

	// Window of one (RFC 7296 §2.3): one request of ours under way, and one answer to
	// the peer's last request at hand.
	nextID   uint32
	req      *request
	tasks    []task
	expectID uint32
	answer   [][]byte   // to request expectID−1: the message, or its fragments
	parts    reassembly // of request expectID

	trip      time.Duration // a round trip, as the last path probe had it; 0: not known
	verdict   *pathVerdict  // of a path probe; nil: none is held
	fragments bool          // both ends do RFC 7383; goes on in the IKE SA that replaces this one

	createdAt, establishedAt uint64 // logical time
	established              time.Time
	lastHeard                time.Time
	asked                    time.Time // since when suspect waits for an answer
	hadChild                 bool
	childGroup               Group // that the peer asked for by INVALID_KE_PAYLOAD, or 0
	extras                   extras
	unsummed                 bool // both ends announced it

	refusals int    // TEMPORARY_FAILUREs in a row to our rekey of it, or to a new child
	rekeying bool   // our rekey of it is due or under way
	rival    *sa    // made by the peer's rekey of it while ours is under way
	rivalOf  *sa    // the SA of which it is the rival
	heir     *sa    // what it was replaced by
	proven   bool   // the peer is known to have it
	birth    *birth // of the first SA of a line of rekeyed ones; nil: this one is it

	retry, dpd, expire, childless, suspect, stale timer
	soft, hard                                    timer
	verdictDue, more                              timer
	why                                           Reason // of expire
	lastHint                                      time.Time
}

// handshake is what only IKE_SA_INIT and IKE_AUTH need.
type handshake struct {
	group   Group
	tried   []Group
	private *ecdh.PrivateKey
	race    *candidates // initiator: from the first IKE_SA_INIT response on
	cookie  []byte
	cookies int
	initI   []byte // the IKE_SA_INIT messages as they went over the wire
	initR   []byte
	claimed *peer   // responder: whose identity the initiator claimed, proven or not
	refusal Reason  // of an unprotected notify: only a hint
	hashes  hashSet // that the peer announced
	usePPK  bool    // USE_PPK went both ways
	plain   ikeKeys // initiator: without the PPK that keys has

	mlkem   *mlkem.DecapsulationKey768 // initiator: of the IKE_INTERMEDIATE under way
	intI    []byte                     // IntAuth_i of it
	intAuth []byte                     // ends what both ends sign (RFC 9242 §3.3.2); nil: no such exchange yet
	before  *protection                // what opened messages before it: a request may come again
}

func (m *Machine) newSA(initiator bool, local, remote netip.AddrPort) *sa {
	s := &sa{m: m, initiator: initiator, local: local, remote: remote, hs: &handshake{}, createdAt: m.tick()}
	s.retry.fire = s.retryDue
	s.dpd.fire = s.dpdDue
	s.expire.fire = s.expired
	s.childless.fire = s.childlessDue
	s.suspect.fire = s.suspectDue
	s.stale.fire = func() { s.parts.clear() }
	s.soft.fire = s.rekey
	s.hard.fire = s.tooOld
	s.verdictDue.fire = s.decidePath
	s.more.fire = s.extraDue
	return s
}

// spi is our own SPI.
func (s *sa) spi() message.SPI {
	if s.initiator {
		return s.spiI
	}
	return s.spiR
}

// counters are the peer's, or everybody's before it is known.
func (s *sa) counters() *Counters {
	if s.peer != nil {
		return &s.peer.counters
	}
	return &s.m.strangers
}

// derive makes the keys of the SA from the shared secret.
func (s *sa) derive(secret []byte) {
	s.keys = deriveIKE(s.suite, secret, s.nonceI, s.nonceR, s.spiI, s.spiR)
}

// protect makes both AEADs. A half-open SA has none, for they are large.
func (s *sa) protect() (in, out *protection, err error) {
	keyIn, keyOut := s.keys.ei, s.keys.er
	if s.initiator {
		keyIn, keyOut = keyOut, keyIn
	}
	in, errIn := newProtection(s.suite.cipher, keyIn)
	out, errOut := newProtection(s.suite.cipher, keyOut)
	return in, out, errors.Join(errIn, errOut)
}

// header is that of a message of ours.
func (s *sa) header(x message.ExchangeType, response bool, id uint32) message.Header {
	h := message.Header{InitiatorSPI: s.spiI, ResponderSPI: s.spiR, Version: message.Version2, Exchange: x, MessageID: id}
	if s.initiator {
		h.Flags |= message.FlagInitiator
	}
	if response {
		h.Flags |= message.FlagResponse
	}
	return h
}

// seal builds a protected message, in fragments where it is too long for one packet.
func (s *sa) seal(x message.ExchangeType, response bool, id uint32, ps []message.Payload) ([][]byte, error) {
	h := s.header(x, response, id)
	msgs, err := s.build(h, ps)
	if err == nil {
		s.m.traceMessage("sealed", s.remote, h, ps)
	}
	return msgs, err
}

// send sends a message, or its fragments.
func (s *sa) send(msgs [][]byte) {
	for _, b := range msgs {
		s.counters().MessagesOut++
		s.m.emit(Send{s.local, s.remote, b})
	}
}

// respond answers the request at hand and remembers the answer. INVALID_SYNTAX ends the
// IKE SA at both ends (RFC 7296 §2.21.3); not every peer knows, so it is told.
func (s *sa) respond(x message.ExchangeType, ps []message.Payload) {
	b, err := s.seal(x, true, s.expectID, ps)
	if err != nil {
		// Only a list of payloads that is too long gets here; the peer will ask again.
		s.m.log.Error("cannot build an answer", "exchange", x, "err", err)
		return
	}
	s.expectID++
	s.answer = b
	s.send(b)
	if s.state == saEstablished && x != message.ExchangeIKEAuth && message.FindNotify(ps, message.NotifyInvalidSyntax) != nil {
		s.beginDelete(Reason{ReasonInvalidSyntax, "a request of " + s.remote.String() + " broke the syntax of " + x.String()})
	}
}

// close forgets the SA without a word to the peer. Its children must be gone or go
// with removeChildren.
func (s *sa) close() {
	if s.state == saClosed {
		return
	}
	s.state = saClosed
	if s.hs != nil {
		s.closeRace()
	}
	s.stopTimers()
	s.closeRival()
	if s.m.sas[s.spi()] == s {
		delete(s.m.sas, s.spi())
	}
	if !s.initiator {
		s.m.halfOpen.forget(s)
	}
	s.req, s.tasks, s.keys, s.hs = nil, nil, ikeKeys{}, nil
	s.parts.clear()
	if p := s.peer; p != nil {
		p.sas = slices.DeleteFunc(p.sas, func(o *sa) bool { return o == s })
		if p.attempt == s {
			p.attempt = nil
		}
	}
}

func (s *sa) stopTimers() {
	for _, t := range []*timer{&s.retry, &s.dpd, &s.expire, &s.childless, &s.suspect, &s.soft, &s.hard, &s.stale, &s.verdictDue, &s.more} {
		s.m.timers.stop(t)
	}
}

// end closes an established SA and its children, and tells the tunnel if it was the
// last. With linger the inbound halves stay a while.
func (s *sa) end(why Reason, linger bool) {
	if s.state == saClosed {
		return
	}
	p := s.peer
	wasUsable := s.state == saEstablished
	s.close()
	s.dropChildren(linger)
	if wasUsable {
		p.log.Debug("IKE SA ended", "spi_i", s.spiI, "spi_r", s.spiR, "reason", why)
		p.settle(why)
	}
}

func (s *sa) dropChildren(linger bool) {
	if s.peer == nil {
		return
	}
	for _, c := range slices.Clone(s.peer.children) {
		if c.sa == s {
			c.drop(linger)
		}
	}
}

// heardFrom notes that the peer has this SA and lives.
func (s *sa) heardFrom() {
	s.lastHeard = s.m.now
	if s.state == saEstablished {
		s.m.timers.set(&s.dpd, s.m.dpdAt(s.peer.DPD.Interval))
	}
}

// expired ends what took too long.
func (s *sa) expired() {
	switch s.state {
	case saHalfOpen, saRefused, saFading:
		s.close()
	case saDeleting:
		s.end(s.why, false)
	case saReplaced:
		s.replacedDue()
	case saEstablished, saRival:
		s.beginDelete(s.why)
	}
}

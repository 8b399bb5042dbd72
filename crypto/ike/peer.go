package ike

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"
)

// PeerID names a peer, and so a tunnel, towards the machine. The caller chooses it.
type PeerID uint32

// LevelTrace is the slog level of message contents. Secrets are never logged.
const LevelTrace = slog.Level(-8)

// Config is what a Machine is made with.
type Config struct {
	// IKESPI makes the SPI of an IKE SA of 64 random bits, so that the shell can know
	// its own again; nil: the bits are the SPI.
	IKESPI func(random uint64) uint64

	Rand   io.Reader              // all randomness; required. A failing reader fails the attempt at hand
	Log    *slog.Logger           // nil: nothing is logged
	SPI    func() (uint32, error) // a fresh inbound ESP SPI, unique and ≥ 256; required. It may end up unused
	Limits Limits

	IKEPort uint16 // our UDP port of IKE alone, without the non-ESP marker; 0: we have none
	Port    uint16 // our UDP port of IKE and ESP; 4500. Asked only where IKEPort is set
	// MaxPacket is the longest IP packet of a protected IKE message in bytes; a longer
	// message goes out in fragments where the peer takes them (RFC 7383). 0: 1280.
	MaxPacket int
}

// Limits bound what strangers can make the machine hold. Zero fields take the default.
type Limits struct {
	HalfOpen        int           // SAs not yet authenticated as responder, in all; 1024
	HalfOpenPerAddr int           // of these from one address without a cookie, and as many again with one; 3
	CookieFrom      int           // half-open SAs from which on a cookie is demanded; 30
	HalfOpenLife    time.Duration // 10 s
}

// Selector is a range of traffic of one address family (RFC 7296 §3.13.1).
type Selector struct {
	Proto              uint8  // 0: any
	StartPort, EndPort uint16 // 0–65535: any
	First, Last        netip.Addr
}

// DPD is dead peer detection (RFC 7296 §2.4).
type DPD struct {
	Interval time.Duration // of silence, until the peer is probed; default 10 s
	Timeout  time.Duration // of an unanswered request, until the peer is down; default 20 s
}

// Peer is one tunnel's configuration. Its slices are the machine's after AddPeer.
type Peer struct {
	ID                PeerID
	Name              string         // for the log
	Remote            netip.AddrPort // zero: wait for the peer
	LocalID, RemoteID Identity
	Auth              Auth
	PPK               PPK
	Local, Remotes    []Selector // traffic selectors, ours and theirs; at most MaxSelectors each

	// Preferences, best first; empty means all in the order of their constants.
	Ciphers []Cipher
	Groups  []Group
	PRFs    []PRF

	ESN bool // offer and prefer extended sequence numbers; a peer without them gets none
	PFS bool // a fresh Diffie-Hellman in every child rekey

	// Extra is how many additional children (RFC 9611) there are to be beside the first
	// one, if the peer knows them too: 0 to MaxExtra. Both ends' smaller number counts.
	Extra int

	// Unsummed announces, to peers that announce it as well, that ESP packets of next
	// header 253 may come and are taken for TCP and UDP segments whose checksum the
	// receiver makes. ESP protects them as all others.
	Unsummed bool

	// NoMLKEM leaves ML-KEM-768 beside the group (RFC 9370) out of what is offered and
	// preferred. A peer that was let in with it is not refused: it is no weaker.
	NoMLKEM bool

	// Where no rekey succeeds, the keys end at 5/4 of their lifetime and a new handshake
	// replaces them.
	ChildLifetime time.Duration // until a child is rekeyed, ± 10 % jitter; default 1 h
	IKELifetime   time.Duration // until the IKE SA is rekeyed, ± 10 % jitter; default 8 h
	DPD           DPD
}

// MaxSelectors bounds the traffic selectors of one side of a child SA.
const MaxSelectors = 32

// Validate says what of a peer's configuration cannot work.
func (p *Peer) Validate() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("peer %s: %s", p.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case p.LocalID.IsZero():
		return fail("no local identity")
	case p.RemoteID.IsZero():
		return fail("no remote identity")
	case p.LocalID.Equal(p.RemoteID):
		return fail("both ends have the identity %v", p.LocalID)
	case p.Remote.IsValid() && p.Remote.Port() == 0:
		return fail("remote address %v has no port", p.Remote.Addr())
	case p.ChildLifetime < 0 || p.IKELifetime < 0 || p.DPD.Interval < 0 || p.DPD.Timeout < 0:
		return fail("a negative duration")
	case p.Extra < 0 || p.Extra > MaxExtra:
		return fail("%d additional child SAs: 0 to %d", p.Extra, MaxExtra)
	}
	if err := p.Auth.validate(p.LocalID, p.RemoteID); err != nil {
		return fail("%v", err)
	}
	if err := p.PPK.validate(); err != nil {
		return fail("%v", err)
	}
	if err := validSelectors(p.Local); err != nil {
		return fail("local selectors: %v", err)
	}
	if err := validSelectors(p.Remotes); err != nil {
		return fail("remote selectors: %v", err)
	}
	for _, c := range p.Ciphers {
		if c.KeyLen() == 0 {
			return fail("unknown cipher %d", c)
		}
	}
	for _, g := range p.Groups {
		if g < X25519 || g > P384 {
			return fail("unknown group %d", g)
		}
	}
	for _, f := range p.PRFs {
		if f < PRFSHA256 || f > PRFSHA512 {
			return fail("unknown PRF %d", f)
		}
	}
	return nil
}

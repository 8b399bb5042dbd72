package ike

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"vpngw/crypto/ike/message"
)

// Machine is the IKE side of all tunnels of a gateway. It is not safe for concurrent use.
type Machine struct {
	cfg     Config
	log     *slog.Logger
	now     time.Time
	wall    time.Time     // as given to Step
	epoch   time.Time     // of the first Step
	ahead   time.Duration // of the caller's clock, by as much as that went back
	order   uint64        // logical clock: what came first where times are equal
	timers  timers
	actions []Action
	ended   bool // after Shutdown

	peers    map[PeerID]*peer
	byID     map[Identity][]*peer // by RemoteID, in the order they were added
	sas      map[message.SPI]*sa  // by our own SPI
	outbound map[uint32][]*child  // by the SPI of ESP that we send

	halfOpen  halfOpenTable
	cookies   cookieJar
	hints     hintLimiter
	addrs     addresses
	strangers Counters
	nowhere   []byte // secret of the NAT hashes that match no address; nil: not drawn yet

	authorities authorities
	ppks        int // peers with a PPK
}

// New makes a machine without peers.
func New(c Config) *Machine {
	m := &Machine{
		cfg:      c,
		log:      c.Log,
		peers:    map[PeerID]*peer{},
		byID:     map[Identity][]*peer{},
		sas:      map[message.SPI]*sa{},
		outbound: map[uint32][]*child{},
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	m.cfg.Port = cmp.Or(c.Port, NATTPort)
	m.halfOpen.init(c.Limits)
	m.addrs.at = map[netip.Addr][]*peer{}
	return m
}

// Step takes an event at the time now and returns what is to be done. The slice is
// valid until the next Step. Of the times given only differences are used, but for the
// validity of certificates. A time before the last one counts as the last one, and time
// goes on from there.
func (m *Machine) Step(now time.Time, ev Event) []Action {
	clear(m.actions)
	m.actions = m.actions[:0]
	m.wall = now
	if t := now.Add(m.ahead); t.Before(m.now) {
		m.ahead = m.now.Sub(now)
	} else {
		m.now = t
	}
	if m.epoch.IsZero() {
		m.epoch = m.now
	}
	if !m.ended {
		m.handle(ev)
	}
	for t := m.timers.due(m.now); t != nil; t = m.timers.due(m.now) {
		t.fire()
	}
	return m.actions
}

// Deadline is when Step is to be called next, with Tick if nothing else happened.
// The zero time means never.
func (m *Machine) Deadline() time.Time {
	at := m.timers.next()
	if !at.IsZero() {
		at = at.Add(-m.ahead)
	}
	return at
}

func (m *Machine) handle(ev Event) {
	switch ev := ev.(type) {
	case Datagram:
		m.datagram(ev)
	case AddPeer:
		m.addPeer(ev.Peer)
	case RemovePeer:
		m.removePeer(ev.ID)
	case Connect:
		if p := m.peers[ev.ID]; p != nil {
			p.connect(ev.Local)
		}
	case SoftLimit:
		if c := m.child(ev.ID, ev.SPI); c != nil {
			c.softLimit()
		}
	case Rekey:
		if p := m.peers[ev.ID]; p != nil {
			p.rekey(ev.IKE)
		}
	case HardLimit:
		if c := m.child(ev.ID, ev.SPI); c != nil {
			c.hardLimit()
		}
	case Heard:
		if c := m.child(ev.ID, ev.SPI); c != nil {
			c.heard()
		}
	case Silent:
		if p := m.peers[ev.ID]; p != nil {
			p.silent()
		}
	case UnknownSPI:
		m.unknownSPI(ev)
	case Moved:
		m.moved(ev)
	case Probe:
		if p := m.peers[ev.ID]; p != nil {
			p.probe(ev.Local)
		}
	case ProbePath:
		m.probePath(ev)
	case Shutdown:
		m.shutdown()
	}
}

func (m *Machine) emit(a Action) { m.actions = append(m.actions, a) }

// tick gives the logical time: greater at every call.
func (m *Machine) tick() uint64 {
	m.order++
	return m.order
}

func (m *Machine) random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(m.cfg.Rand, b); err != nil {
		return nil, fmt.Errorf("read %d random bytes: %w", n, err)
	}
	return b, nil
}

// newSPI draws the SPI of an IKE SA: not zero, and not in use.
func (m *Machine) newSPI() (message.SPI, error) {
	for {
		b, err := m.random(8)
		if err != nil {
			return 0, err
		}
		spi := message.SPI(binary.BigEndian.Uint64(b))
		if m.cfg.IKESPI != nil {
			spi = message.SPI(m.cfg.IKESPI(uint64(spi)))
		}
		if spi != 0 && m.sas[spi] == nil {
			return spi, nil
		}
	}
}

// jitter spreads d by ± part of it, so that tunnels made together do not act together.
// Without randomness it gives d.
func (m *Machine) jitter(d time.Duration, part float64) time.Duration {
	b, err := m.random(4)
	if err != nil {
		return d
	}
	unit := float64(binary.BigEndian.Uint32(b))/(1<<31) - 1
	return d + time.Duration(float64(d)*part*unit)
}

func (m *Machine) tracing() bool { return m.log.Enabled(context.Background(), LevelTrace) }

// child finds a live or leaving child by its inbound SPI.
func (m *Machine) child(id PeerID, spi uint32) *child {
	p := m.peers[id]
	if p == nil {
		return nil
	}
	for _, c := range p.children {
		if c.in == spi {
			return c
		}
	}
	return nil
}

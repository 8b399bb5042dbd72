package ike

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Times of a peer that is not up.
const (
	reconnectFirst = time.Second // before the next attempt; doubled after each refusal
	reconnectMax   = 15 * time.Second
	nudgeAfter     = time.Second // Connect repeats an INIT request that is older
)

// peer is the machine's side of a Peer: its SAs and where its life stands.
type peer struct {
	Peer
	m   *Machine
	log *slog.Logger

	wanted  bool
	local   netip.AddrPort // of Connect
	reason  Reason
	removed bool

	attempt   *sa      // our handshake under way
	sas       []*sa    // authenticated, oldest first
	children  []*child // of all of them, and the leaving ones; oldest first
	using     *child   // what the tunnel sends on
	extra     []*child // what it sends on for resources 1 and up; nil where there is none
	up        bool     // Up was given, and no Down since
	announced *sa      // the SA of the last Up
	endpoint  Endpoint // last one given

	failures  int // refusals in a row
	reconnect timer
	lastHint  time.Time // that started an attempt
	vain      int       // probes because of Silent since ESP was heard
	counters  Counters

	pathStuck int  // path probes in a row that a silent peer did not answer
	noPath    bool // it is not to be probed any more
}

func (m *Machine) addPeer(cfg Peer) {
	m.removePeer(cfg.ID)
	if err := cfg.Validate(); err != nil {
		m.log.Error("peer refused", "peer", cfg.Name, "err", err)
		m.emit(Down{cfg.ID, Reason{ReasonConfig, err.Error()}})
		return
	}
	cfg.ChildLifetime = cmp.Or(cfg.ChildLifetime, time.Hour)
	cfg.IKELifetime = cmp.Or(cfg.IKELifetime, 8*time.Hour)
	cfg.DPD.Interval = cmp.Or(cfg.DPD.Interval, 10*time.Second)
	cfg.DPD.Timeout = cmp.Or(cfg.DPD.Timeout, 20*time.Second)
	p := &peer{Peer: cfg, m: m, log: m.log.With("peer", cfg.Name), extra: make([]*child, cfg.Extra)}
	p.reconnect.fire = func() { p.start(p.Remote, p.local) }
	m.peers[cfg.ID] = p
	m.byID[cfg.RemoteID.Key()] = append(m.byID[cfg.RemoteID.Key()], p)
	m.knowAuth(p)
	m.knowAddress(p)
}

func (m *Machine) removePeer(id PeerID) {
	p := m.peers[id]
	if p == nil {
		return
	}
	why := Reason{Code: ReasonRemoved}
	p.removed = true
	m.timers.stop(&p.reconnect)
	if p.attempt != nil {
		p.attempt.close()
	}
	for _, s := range slices.Clone(p.sas) {
		s.beginDelete(why)
	}
	p.lost(why)
	delete(m.peers, id)
	m.forgetAddress(p)
	m.forgetAuth(p)
	key := p.RemoteID.Key()
	m.byID[key] = slices.DeleteFunc(m.byID[key], func(o *peer) bool { return o == p })
	if len(m.byID[key]) == 0 {
		delete(m.byID, key)
	}
}

func (m *Machine) shutdown() {
	ids := slices.Sorted(maps.Keys(m.peers))
	for _, id := range ids {
		for _, s := range slices.Clone(m.peers[id].sas) {
			s.farewell()
			s.close()
		}
		m.removePeer(id)
	}
	m.ended = true
	m.timers = timers{}
	clear(m.sas)
	m.halfOpen.clear()
}

// connect is the event.
func (p *peer) connect(local netip.AddrPort) {
	p.wanted = true
	if local.IsValid() {
		p.local = local
	}
	switch {
	case p.attempt != nil:
		// Traffic is waiting: do not sit out the rest of a long pause.
		if r := p.attempt.req; p.attempt.state == saInit && r != nil && p.m.now.Sub(r.sent) >= nudgeAfter {
			p.attempt.retransmit()
		}
	case !p.usable():
		p.start(p.Remote, p.local)
	}
}

// usable tells whether the peer has a child to send on, or an SA that will have one.
func (p *peer) usable() bool {
	for _, s := range p.sas {
		if s.state == saEstablished {
			return true
		}
	}
	return false
}

// settle is called whenever something ended: it gives Down once nothing is left, and
// plans the next attempt.
func (p *peer) settle(why Reason) {
	if p.removed || p.usable() {
		return
	}
	if p.attempt == nil {
		p.lost(why)
		p.planReconnect(why)
	} else if p.up {
		p.lost(why)
	}
}

// lost gives Down, and before it RemoveChild for what still lingers.
func (p *peer) lost(why Reason) {
	for _, c := range slices.Clone(p.children) {
		c.forget()
	}
	if p.up || why.Code != ReasonRemoved {
		p.log.Debug("down", "reason", why)
		p.m.emit(Down{p.ID, why})
	}
	p.up, p.announced = false, nil
	p.reason = why
	p.endpoint = Endpoint{}
}

// planReconnect tries again soon after silence, since the first answer ends an outage,
// and with back-off after a refusal, which only somebody's hand can mend.
func (p *peer) planReconnect(why Reason) {
	if !p.wanted || !p.Remote.IsValid() || p.reconnect.isSet() {
		return
	}
	wait := reconnectFirst
	if why.Code != ReasonNoResponse && why.Code != ReasonDead {
		wait <<= min(p.failures, 8)
		p.failures++
	}
	p.m.timers.set(&p.reconnect, p.m.now.Add(p.m.jitter(min(wait, reconnectMax), 0.1)))
}

// announce says that the tunnel stands on s from now on.
func (p *peer) announce(s *sa) {
	p.up, p.announced, p.failures, p.reason = true, s, 0, Reason{}
	p.m.timers.stop(&p.reconnect)
	p.log.Debug("up", "remote", s.remote, "suite", s.suite, "initiator", s.initiator, "behind_nat", s.behindNAT)
	p.m.emit(Up{ID: p.ID, Local: s.local, Remote: s.remote, Initiator: s.initiator,
		BehindNAT: s.behindNAT, PeerBehindNAT: s.peerNAT, Suite: s.suiteText()})
	p.direct(s)
}

// direct tells where ESP goes, if that is news.
func (p *peer) direct(s *sa) {
	e := Endpoint{p.ID, s.local, s.remote}
	if e != p.endpoint {
		p.endpoint = e
		p.m.emit(e)
	}
}

func (m *Machine) moved(ev Moved) {
	p := m.peers[ev.ID]
	if p == nil || p.using == nil || !ev.Remote.IsValid() {
		return
	}
	s := p.using.sa
	s.remote = ev.Remote
	if ev.Local.IsValid() {
		s.local = ev.Local
	}
	p.log.Debug("peer moved", "remote", ev.Remote)
	p.direct(s)
}

// Status is what can be seen of a tunnel.
func (m *Machine) Status(id PeerID) PeerStatus {
	p := m.peers[id]
	if p == nil {
		return PeerStatus{}
	}
	st := PeerStatus{Known: true, Name: p.Name, Wanted: p.wanted, Reason: p.reason,
		Remote: p.Remote, Local: p.local, Counters: p.counters}
	rekeying := false
	for _, c := range p.children {
		cs := ChildStatus{SPIIn: c.in, SPIOut: c.out, Suite: c.suiteText(), Created: c.created,
			Local: slices.Clone(c.local), Remote: slices.Clone(c.remote),
			Sending: c == p.sendsOn(c.resource), Leaving: c.leaving, Resource: c.resource, Unsummed: c.unsummed}
		st.Children = append(st.Children, cs)
		rekeying = rekeying || c.rekeying || c.replacedBy != nil && !c.leaving
	}
	for _, s := range p.sas {
		rekeying = rekeying || s.rekeying && s.state == saEstablished
	}
	switch {
	case p.using != nil && rekeying:
		st.State = StateRekeying
	case p.using != nil:
		st.State = StateUp
	case p.attempt != nil || p.usable():
		st.State = StateConnecting
	case p.reason.Code != ReasonNone:
		st.State = StateDown
	}
	if s := p.current(); s != nil {
		st.Local, st.Remote = s.local, s.remote
		st.Initiator, st.InitiatorSPI, st.ResponderSPI = s.initiator, uint64(s.spiI), uint64(s.spiR)
		st.Suite, st.Established, st.LastHeard = s.suiteText(), s.established, s.lastHeard
		st.BehindNAT, st.PeerBehindNAT = s.behindNAT, s.peerNAT
	}
	return st
}

// Strangers counts the messages that could be put to no peer.
func (m *Machine) Strangers() Counters { return m.strangers }

// current is the SA of the child in use, or else the newest one.
func (p *peer) current() *sa {
	if p.using != nil {
		return p.using.sa
	}
	for _, s := range slices.Backward(p.sas) {
		if s.state == saEstablished {
			return s
		}
	}
	if n := len(p.sas); n > 0 {
		return p.sas[n-1]
	}
	return nil
}

// fail reports a local failure: randomness or the SPI supply.
func (p *peer) fail(doing string, err error) Reason {
	p.log.Error("cannot "+doing, "err", err)
	return Reason{ReasonLocal, fmt.Sprintf("%s: %v", doing, err)}
}

package lane

import "sync/atomic"

const (
	// settleTime is how long after a move packets may still come off the TUN queue of the
	// lane before: an active flow has changed queues after a round trip.
	settleTime = second / 5

	// heldRoom bounds the packets that wait for a move, or for a fence after it.
	heldRoom = 512
)

// move takes a tunnel from one lane to another. No packet is lost or passes another of its
// flow:
//
//	to     expects the tunnel: what comes for it from now on is held
//	from   lets go of it: socket, SAs, queue, sealed trains; from here on its home is `to`
//	all    have begun a turn since, so that nobody hands over to `from` any more
//	from   gives away what was handed over to it meanwhile
//	to     takes all of it, then what it has held
//	to     puts its TUN queue behind that of `from` for a while: see fence
//
// It belongs to the goroutine of the lane whose turn it is; held and what follows to that
// of `to` alone.
type move struct {
	tunnel   *Tunnel
	from, to *Lane
	uplink   func(*Lane) *Uplink
	others   atomic.Int32 // lanes that have not begun a turn since

	endpoint *endpoint // its socket; nil: it has none
	inbound  []*Inbound
	waiting  []*slot  // of its queue, in the order of their flows
	late     []handed // handed over to `from` since

	held    []held
	arrived bool
	until   int64  // lane time from which on no flow changes queues any more
	last    uint64 // number of the last fence, asked for after that
}

// held is a packet that waits for a move, or for a fence.
type held struct {
	handed
	fence uint64
}

// Move makes another lane of the group t's home, where t leaves by what uplink returns on
// that lane's goroutine; nil is none. It returns at once, with false if t is there or moved
// less than a moment ago. Any goroutine may call it.
func (t *Tunnel) Move(to *Lane, uplink func(*Lane) *Uplink) bool {
	e := &t.errand
	e.mu.Lock()
	defer e.mu.Unlock()
	from := t.home.Load()
	if from == to || e.settling {
		return false
	}
	e.moving, e.settling = true, true
	m := &move{tunnel: t, from: from, to: to, uplink: uplink}
	to.group.mu.Lock()
	to.group.moves[m] = struct{}{}
	to.group.mu.Unlock()
	to.between(func() {
		to.coming[t] = m
		from.between(func() { from.letGo(m) })
	})
	return true
}

// between makes the lane run f at the beginning of a turn. A command of Do may run in the
// middle of a receive.
func (l *Lane) between(f func()) {
	l.Do(func() { l.atTurn = append(l.atTurn, f) })
}

// letGo ends what this lane does for a tunnel.
func (l *Lane) letGo(m *move) {
	t := m.tunnel
	l.leaving[t] = m
	l.flush(t) // what its socket does not take goes along
	m.waiting = l.leaveUplink(t)
	l.held, l.open = remove(l.held, t), remove(l.open, t)
	t.open, t.kept = false, false
	l.trainsMade -= t.trains()
	for spi, in := range l.inbound {
		if in.Tunnel == t {
			m.inbound = append(m.inbound, in)
			delete(l.inbound, spi)
		}
	}
	l.cached = nil
	if t.socket != nil {
		m.endpoint = l.takeEndpoint(t.socket)
		t.socket = nil
	}
	t.home.Store(m.to)
	m.others.Store(int32(len(l.group.lanes) - 1))
	for _, mate := range l.group.lanes {
		if mate != l {
			mate.Do(func() {
				if m.others.Add(-1) == 0 {
					l.between(func() { l.sendOff(m) })
				}
			})
		}
	}
}

// sendOff gives away what was handed over to this lane for a tunnel that has left.
func (l *Lane) sendOff(m *move) {
	l.takeHanded()
	delete(l.leaving, m.tunnel)
	m.to.between(func() { m.to.arrive(m) })
}

// arrive takes over a tunnel.
func (l *Lane) arrive(m *move) {
	t := m.tunnel
	l.group.mu.Lock()
	delete(l.group.moves, m)
	l.group.mu.Unlock()
	l.trainsMade += t.trains()
	for _, in := range m.inbound {
		l.inbound[in.ESP.SPI()] = in
	}
	l.cached = nil
	if e := m.endpoint; e != nil {
		if err := l.addEndpoint(e); err != nil {
			l.log.Error("socket is not watched", "tunnel", t.Name, "error", err)
		} else {
			t.socket = e
		}
	}
	l.joinUplink(t, m.uplink(l), m.waiting)
	if t.trains() > 0 {
		l.unblock(t)
	}
	for _, h := range m.late {
		l.handle(h)
	}
	m.waiting, m.late, m.inbound = nil, nil, nil
	m.arrived, m.until = true, l.now+settleTime
	for _, h := range m.held {
		l.handle(h.handed)
	}
	m.held = m.held[:0]
	t.catchUp(l)
}

// catchUp runs what control wanted done while t was moving.
func (t *Tunnel) catchUp(l *Lane) {
	e := &t.errand
	for {
		e.mu.Lock()
		todo := e.waiting
		e.waiting = nil
		e.moving = len(todo) > 0
		e.mu.Unlock()
		if len(todo) == 0 {
			return
		}
		for _, f := range todo {
			f(l)
		}
	}
}

// detain keeps a packet until its tunnel is here and a fence has been passed.
func (l *Lane) detain(m *move, h handed, fence uint64) {
	if len(m.held) == heldRoom {
		l.refuse(h)
		return
	}
	m.held = append(m.held, held{h, fence})
}

// settled ends a move.
func (l *Lane) settled(m *move) {
	delete(l.coming, m.tunnel)
	e := &m.tunnel.errand
	e.mu.Lock()
	e.settling = false
	e.mu.Unlock()
}

// settles is the lane time at which the last fence of a move is due; 0: there is none.
func (l *Lane) settles() (at int64) {
	for _, m := range l.coming {
		if m.arrived && m.last == 0 && (at == 0 || m.until < at) {
			at = m.until
		}
	}
	return at
}

// trains is how many trains t holds.
func (t *Tunnel) trains() int {
	n := len(t.full)
	if t.train != nil {
		n++
	}
	return n
}

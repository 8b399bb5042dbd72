package lane

import "vpngw/tunnel/drop"

// A tunnel may have strands beside it: Tunnels with the number of a lane each, which is
// their home for ever, with SAs (RFC 9611) and a socket of their own. What a lane reads off
// its TUN queue for the tunnel goes by the strand that is at home there. As a flow's
// packets come off one queue, they go by one strand.

// Spread makes room for strands on so many lanes. It is to be called before a lane has t.
func (t *Tunnel) Spread(lanes int) { t.strands = make([]*Tunnel, lanes) }

// AdoptStrand makes lane number i the home of a strand.
func (g *Group) AdoptStrand(s *Tunnel, i int) {
	s.Strand = i
	s.home.Store(g.lanes[i])
}

// SetStrand makes what this lane reads for t go by s, which is at home here, whenever s has
// an SA, a socket and an uplink; nil: by t, and before it what waits for the strand that
// there was. On the lane's goroutine.
func (l *Lane) SetStrand(t, s *Tunnel) {
	before := t.strands[l.index]
	t.strands[l.index] = s
	if s == nil && before != nil {
		l.giveBack(t, before)
	}
}

// giveBack makes what waits for a strand of t go by t.
func (l *Lane) giveBack(t, s *Tunnel) {
	if s.uplink == nil {
		return
	}
	q := s.uplink.queue
	for n := q.Flush(s.class); n != nil; n = q.Flush(s.class) {
		n.Value.tunnel = t
		l.taken(handed{slot: n.Value})
	}
}

// requeue puts a packet that waited in a strand's queue into that of its tunnel, which is
// at home here, or drops it.
func (l *Lane) requeue(s *slot) {
	switch t := s.tunnel; {
	case t.out == nil:
		l.dropRest(s, drop.TunnelDown)
	case t.uplink == nil:
		l.dropRest(s, drop.NoSocket)
	default:
		l.enqueue(s)
	}
}

// strandOf is t, or the strand of it that a flow goes by that this lane reads.
func (l *Lane) strandOf(t *Tunnel, flow uint64) *Tunnel {
	if t.strands == nil {
		return t
	}
	if s := t.strands[l.index]; s != nil && s.out != nil && s.socket != nil && s.uplink != nil {
		return s
	}
	if t.home.Load() == l && l.now < t.dealtUntil {
		return t.dealt[flow%uint64(len(t.dealt))]
	}
	return t
}

// dealTime is how long flows are dealt out: an active one has changed TUN queues after a
// round trip.
const dealTime = second

// Deal has what this lane, t's home, reads for t go by t and by its strands for a while, some
// flows by each. A flow is answered by the way that it comes by, and so stays with its
// strand: else those that began by t would stay with t for as long as they last. Two packets
// of a flow may be exchanged. On the lane's goroutine.
func (l *Lane) Deal(t *Tunnel, strands []*Tunnel) {
	t.dealt = append(append(t.dealt[:0], t), strands...)
	t.dealtUntil = l.now + dealTime
}

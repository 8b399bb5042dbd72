package lane

import "vpngw/crypto/esp"

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
// an SA, a socket and an uplink; nil: by t. On the lane's goroutine.
func (l *Lane) SetStrand(t, s *Tunnel) { t.strands[l.index] = s }

// strandOf is t, or the strand of it that this lane sends by.
func (l *Lane) strandOf(t *Tunnel) *Tunnel {
	if t.strands == nil {
		return t
	}
	if s := t.strands[l.index]; s != nil && s.out != nil && s.socket != nil && s.uplink != nil {
		return s
	}
	return t
}

// SendDummy sends a packet that holds nothing (RFC 4303 §2.6): the peer hears t, and learns
// where from. What becomes of it does not matter. On the lane's goroutine.
func (l *Lane) SendDummy(t *Tunnel) {
	o := t.out
	if o == nil || t.socket == nil || o.used.spent(&o.Limits) {
		return
	}
	var b [dummyLen]byte
	n, err := o.ESP.Seal(b[:], make([]byte, 0, esp.MaxTrailer), nextDummy)
	if err != nil {
		return // what is next sent on the SA tells control
	}
	o.used.packets++
	_, _ = t.socket.socket.Send(b[:n], n, 0)
}

// dummyLen is room for an empty packet, sealed.
const dummyLen = 64

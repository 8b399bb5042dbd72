package tunnel

import (
	"net/netip"
	"time"

	"vpngw/offload/udp"
	"vpngw/tunnel/lane"
)

// A tunnel between two gateways with several lanes has strands: beside itself, which is
// number 0, one for each further lane, with a child SA of its own (RFC 9611) and a pair of
// UDP ports that no other has, so that nothing of it is any other lane's.
//
//	opener                                            other end
//	  child is made, socket: any port → peer's port
//	  dummy ─────────────────────────────────────────▶ heard: socket back to that port
//	  heard: packets go by it ◀───────────────── dummy, and packets go by it
//
// Both go on to send dummies, so that the NATs on the way remember the ports. A strand that
// is not heard for a while carries nothing: its packets go by the tunnel itself.
const (
	strandBeat   = 10 * time.Second // between two dummies
	strandKnock  = 2 * time.Second  // between two of a strand that is not heard
	strandKnocks = 5                // of these in a row, then as the others
	strandLost   = 25 * time.Second // without a sign until it carries nothing
)

// fewTunnels is how many tunnels a gateway has at most for each of its lanes to have
// strands without being told.
const fewTunnels = 2

// strand is the control side of one.
type strand struct {
	tunnel *tunnel
	number int // its resource (ike.Child) and its lane
	lane   *lane.Tunnel

	sas    int            // children that are installed
	opener bool           // we connect to the peer, and not the peer to us
	sends  bool           // it has a child to send on
	local  netip.AddrPort // of its socket; zero: it has none
	remote netip.AddrPort // likewise; zero with a local one: it is to be connected anew
	heard  time.Time      // last, since it has its socket; zero: not yet
	inUse  bool           // packets go by it
	knocks int            // dummies in vain
	beatAt time.Time      // when the next one is due; zero: never
}

// strandCount is how many strands a tunnel has beside itself on so many lanes. What has a
// rate has one scheduler, on one lane.
func (c *Config) strandCount(t *TunnelConfig, lanes int) int {
	if t.Rate != 0 || c.Uplink.Rate != 0 {
		return 0
	}
	for _, u := range c.Uplinks {
		if u.Rate != 0 {
			return 0
		}
	}
	switch {
	case t.Strands > 0:
		return min(lanes, t.Strands) - 1
	case len(c.Tunnels) > fewTunnels*lanes: // all lanes have work without
		return 0
	}
	return lanes - 1
}

// spread gives t its strands.
func (g *Gateway) spread(t *tunnel) {
	lanes := len(g.lanes.Lanes())
	n := g.cfg.strandCount(t.cfg, lanes)
	if n == 0 {
		return
	}
	t.lane.Spread(lanes)
	for k := 1; k <= n; k++ {
		s := &strand{tunnel: t, number: k, lane: newLaneTunnel(t.id, t.cfg, &g.cfg, n)}
		s.lane.PathEvents = false // the tunnel itself has the same path
		g.lanes.AdoptStrand(s.lane, k)
		t.strands = append(t.strands, s)
	}
}

// strandOf is the strand that a lane calls so; nil: it is a tunnel itself.
func (g *Gateway) strandOf(l *lane.Tunnel) *strand {
	if l.Strand == 0 {
		return nil
	}
	return g.tunnels[l.ID].strands[l.Strand-1]
}

// part is the lane's side of what of t a resource is.
func (t *tunnel) part(resource int) *lane.Tunnel {
	if resource == 0 {
		return t.lane
	}
	return t.strands[resource-1].lane
}

// strandInstalls prepares a strand for a child that is to be installed. What comes on it is
// written to its lane's TUN queue, which has to be attached by then.
func (g *Gateway) strandInstalls(s *strand, opener bool) {
	s.sas++
	g.attachQueue(s.number)
	if s.opener != opener {
		g.closeStrand(s)
		s.opener = opener
	}
}

// strandSends notes that a strand has another child to send on, or that it has none any
// more. The peer may wait for a sign on that child.
func (g *Gateway) strandSends(s *strand, sends bool, now time.Time) {
	s.sends = sends
	g.judge(s, now)
	if sends {
		g.knock(s, now)
	}
}

// strandHeard notes that packets come on a strand.
func (g *Gateway) strandHeard(s *strand, now time.Time) {
	if !s.remote.IsValid() {
		return
	}
	s.heard, s.knocks = now, 0
	g.judge(s, now)
}

// strandMoved connects a strand that the peer opens to where the peer is.
func (g *Gateway) strandMoved(s *strand, e lane.Moved, now time.Time) {
	if s.opener || !s.tunnel.up {
		return
	}
	g.connectStrand(s, netip.AddrPortFrom(e.Local.Addr(), g.cfg.Port), e.Remote)
	g.strandHeard(s, now)
	g.knock(s, now)
}

// followTunnel makes the sockets of strands anew where that of the tunnel shows that an end
// has another address. What waits for them stays.
func (g *Gateway) followTunnel(t *tunnel, now time.Time) {
	for _, s := range t.strands {
		switch {
		case !s.remote.IsValid() || s.local.Addr() == t.source && (!s.opener || s.remote == t.remote):
		case s.opener:
			s.heard, s.knocks, s.remote = time.Time{}, 0, netip.AddrPort{}
			g.judge(s, now)
			g.knock(s, now)
		default:
			g.closeStrand(s) // until it is heard where the peer is
		}
	}
}

// closeStrands ends the strands of a tunnel that is down.
func (g *Gateway) closeStrands(t *tunnel) {
	for _, s := range t.strands {
		s.sends, s.beatAt = false, time.Time{}
		g.closeStrand(s)
	}
}

// closeStrand closes a strand's socket, after its packets were sent another way.
func (g *Gateway) closeStrand(s *strand) {
	s.heard, s.knocks = time.Time{}, 0
	s.remote = netip.AddrPort{}
	g.judge(s, time.Time{})
	if !s.local.IsValid() {
		return
	}
	s.local = netip.AddrPort{}
	s.lane.Do(func(l *lane.Lane) { _ = l.SetSocket(s.lane, nil, netip.AddrPort{}, netip.AddrPort{}) })
}

// knock sends a dummy, to be heard by the peer, and plans the next one.
func (g *Gateway) knock(s *strand, now time.Time) {
	if s.opener && !s.remote.IsValid() && s.tunnel.source.IsValid() {
		g.connectStrand(s, netip.AddrPortFrom(s.tunnel.source, 0), s.tunnel.remote)
	}
	pause := strandBeat
	if !s.inUse && s.knocks < strandKnocks {
		pause = strandKnock
	}
	s.knocks++
	s.beatAt = now.Add(pause)
	g.remind(s.beatAt)
	s.lane.Do(func(l *lane.Lane) { l.SendDummy(s.lane) })
}

// tendStrands does what is due.
func (g *Gateway) tendStrands(t *tunnel, now time.Time) {
	for _, s := range t.strands {
		if due(&s.beatAt, now) && s.sends {
			g.judge(s, now)
			g.knock(s, now)
		}
		g.remind(s.beatAt)
	}
}

func (g *Gateway) connectStrand(s *strand, local, remote netip.AddrPort) {
	socket, err := udp.Connect(local, remote, g.socketOptions())
	if err != nil {
		g.log.Debug("no socket for a strand", "tunnel", s.tunnel.cfg.Name, "strand", s.number, "remote", remote, "error", err)
		return
	}
	s.local, s.remote = socket.LocalAddr(), remote
	s.lane.Do(func(l *lane.Lane) {
		if err := l.SetSocket(s.lane, socket, socket.LocalAddr(), socket.RemoteAddr()); err != nil {
			g.log.Error("socket of a strand is not watched", "tunnel", s.tunnel.cfg.Name, "strand", s.number, "error", err)
		}
	})
}

// judge decides whether packets go by a strand.
func (g *Gateway) judge(s *strand, now time.Time) {
	use := s.sends && s.remote.IsValid() && !s.heard.IsZero() && now.Sub(s.heard) < strandLost
	if use == s.inUse {
		return
	}
	s.inUse = use
	t := s.tunnel
	var to *lane.Tunnel
	if use {
		to = s.lane
	}
	s.lane.Do(func(l *lane.Lane) { l.SetStrand(t.lane, to) })
	g.log.Info("strand", "tunnel", t.cfg.Name, "strand", s.number, "in_use", use, "local", s.local, "remote", s.remote)
}

// isSpread tells whether packets go by a strand of t.
func (t *tunnel) isSpread() bool {
	for _, s := range t.strands {
		if s.inUse {
			return true
		}
	}
	return false
}

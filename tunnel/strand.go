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
//	  question ──────────────────────────────────────▶ heard: socket back to that port
//	  answered: packets go by it ◀────── question, which has the answer to the first in it
//	  answer ────────────────────────────────────────▶ answered: packets go by it
//
// Both go on to ask, also to keep the NATs on the way from forgetting the ports. A strand
// that is not answered carries nothing: its packets go by the tunnel itself.

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
	inUse  bool           // packets go by it
	beatAt time.Time      // when the next question of ours is due; zero: never

	strandPath
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

// strandMoved connects a strand that the peer opens, or that we opened in vain, to where
// the peer is.
func (g *Gateway) strandMoved(s *strand, e lane.Moved, now time.Time) {
	if s.opener && (s.inUse || s.tries < strandVain) || !s.tunnel.up {
		return
	}
	g.connectStrand(s, netip.AddrPortFrom(e.Local.Addr(), g.cfg.Port), e.Remote)
	s.tries, s.losses, s.restUntil = 0, 0, time.Time{} // it is another path
	g.knock(s, now)
}

// followTunnel makes the sockets of strands anew where that of the tunnel shows that an end
// has another address. What waits for them stays.
func (g *Gateway) followTunnel(t *tunnel, now time.Time) {
	for _, s := range t.strands {
		switch {
		case !s.remote.IsValid() || s.local.Addr() == t.source && (!s.opener || s.remote == t.remote):
		case s.opener:
			s.strandPath = strandPath{lost: s.lost}
			s.remote = netip.AddrPort{}
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
	s.strandPath = strandPath{lost: s.lost}
	s.remote = netip.AddrPort{}
	g.judge(s, time.Time{})
	if !s.local.IsValid() {
		return
	}
	s.local = netip.AddrPort{}
	s.lane.Do(func(l *lane.Lane) { _ = l.SetSocket(s.lane, nil, netip.AddrPort{}, netip.AddrPort{}) })
}

// tendStrands does what is due.
func (g *Gateway) tendStrands(t *tunnel, now time.Time) {
	for _, s := range t.strands {
		if due(&s.beatAt, now) && s.sends {
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
	s.silent = 0
	s.lane.Do(func(l *lane.Lane) {
		l.StopAsking(s.lane) // what was asked before was by another path
		if err := l.SetSocket(s.lane, socket, socket.LocalAddr(), socket.RemoteAddr()); err != nil {
			g.log.Error("socket of a strand is not watched", "tunnel", s.tunnel.cfg.Name, "strand", s.number, "error", err)
		}
	})
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

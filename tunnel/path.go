package tunnel

import (
	"net/netip"
	"time"

	"vpngw/crypto/ike"
	"vpngw/tunnel/lane"
	"vpngw/tunnel/mtu"
	"vpngw/tunnel/pmtu"
)

// pathGrid is what reminders of all paths stand on, so that thousands of tunnels are not
// searched for each of them.
const pathGrid = 50 * time.Millisecond

// discover begins to find out what the path to t's peer carries.
func (g *Gateway) discover(t *tunnel, now time.Time) {
	if g.cfg.NoMTUDiscovery || t.route == 0 || !t.up || !t.remote.IsValid() {
		return
	}
	floor := pmtu.FloorIPv4
	if t.remote.Addr().Is6() && !t.remote.Addr().Is4In6() {
		floor = pmtu.FloorIPv6
	}
	t.path = pmtu.New(now, t.probeable(), floor)
	g.remindPath(t)
	g.tellMTU(t)
}

// probeable is the largest size that t's path may have: a wider route is not made use of.
func (t *tunnel) probeable() int { return min(t.route, ike.MaxPathProbe) }

// forgetPath ends that: the route's MTU counts again.
func (g *Gateway) forgetPath(t *tunnel) {
	t.path, t.pathAt = nil, time.Time{}
	g.tellMTU(t)
}

// routeMTU notes the MTU of the route to t's peer.
func (g *Gateway) routeMTU(t *tunnel, now time.Time) {
	switch {
	case t.route == 0 || t.path == nil:
		g.discover(t, now)
	default:
		t.path.Route(now, t.probeable())
		g.remindPath(t)
	}
	g.tellMTU(t)
}

// followPath sends the probe that is due and does what is known by now. It may not be
// called while the actions of a Step are carried out.
func (g *Gateway) followPath(t *tunnel, now time.Time) {
	if e := g.nextProbe(t, now); e != nil {
		g.step(e)
	}
}

// nextProbe does what is known by now, and returns the probe that is due or nil.
func (g *Gateway) nextProbe(t *tunnel, now time.Time) ike.Event {
	if t.path == nil {
		return nil
	}
	size := t.path.Next(now)
	g.remindPath(t)
	g.tellMTU(t)
	if size == 0 {
		return nil
	}
	return ike.ProbePath{ID: t.id, Size: size}
}

func (g *Gateway) remindPath(t *tunnel) {
	at := t.path.Deadline()
	if !at.IsZero() {
		at = at.Truncate(pathGrid).Add(pathGrid)
	}
	t.pathAt = at
	g.remind(at)
}

var pathOutcomes = map[ike.PathOutcome]pmtu.Outcome{
	ike.PathPassed: pmtu.Passed, ike.PathLost: pmtu.Lost, ike.PathUnknown: pmtu.Unknown, ike.PathUnsupported: pmtu.Unsupported,
}

// pathProbed takes what a probe has found, and may return the next one.
func (g *Gateway) pathProbed(a ike.PathProbed) ike.Event {
	t, now := g.tunnels[a.ID], time.Now()
	if t.path == nil {
		return nil
	}
	g.log.Debug("path was probed", "tunnel", t.cfg.Name, "size", a.Size, "outcome", a.Outcome)
	if a.Outcome == ike.PathUnsupported {
		g.log.Info("the peer takes no IKE fragments: its path is not probed, the route's MTU and ICMP count", "tunnel", t.cfg.Name)
	}
	t.path.Outcome(now, a.Size, pathOutcomes[a.Outcome])
	return g.nextProbe(t, now)
}

// largeSent and pathHint are events of the lane.

func (g *Gateway) largeSent(t *tunnel, now time.Time) {
	if t.path != nil {
		t.path.LargeSent(now)
		g.followPath(t, now)
	}
}

func (g *Gateway) pathHint(t *tunnel, now time.Time, mtu int) {
	if t.path != nil {
		g.log.Debug("path is said to be narrow", "tunnel", t.cfg.Name, "mtu", mtu)
		t.path.Hint(now, mtu)
		g.followPath(t, now)
	}
}

// outerMTU is the MTU of the path to t's peer as it is known by now; 0: it is not.
func (t *tunnel) outerMTU() int {
	if t.path != nil {
		return t.path.MTU()
	}
	return t.route
}

// peerAddr is where t's peer is, or is looked for.
func (t *tunnel) peerAddr() netip.Addr {
	if t.remote.IsValid() {
		return t.remote.Addr()
	}
	return t.peer.Addr()
}

// tellMTU tells the lane how long t's packets may be, if that is news.
func (g *Gateway) tellMTU(t *tunnel) {
	outer, inner := t.outerMTU(), 0
	if outer != 0 {
		inner = mtu.Inner(outer, t.peerAddr())
	}
	if g.lanes == nil || inner == t.told { // there is none before setUp
		return
	}
	if t.told != 0 && inner != 0 && t.path != nil {
		g.log.Info("path MTU has changed", "tunnel", t.cfg.Name, "mtu", outer, "inner", inner, "inner_before", t.told, "known", t.path.Source())
	}
	t.told = inner
	t.do(func(l *lane.Lane) { l.SetMTU(t.lane, inner) })
	for _, s := range t.strands {
		s.lane.Do(func(l *lane.Lane) { l.SetMTU(s.lane, inner) })
	}
}

func (t *tunnel) mtuStatus(now time.Time) MTUStatus {
	c := &t.lane.Counters
	s := MTUStatus{
		Outer: t.outerMTU(), Inner: t.told, Changed: -1,
		Reports: c.TooBigReports.Load(), Fragmented: c.Fragmented.Load(), MSSClamped: c.MSSClamped.Load(),
	}
	switch {
	case t.path != nil:
		s.Known = t.path.Source().String()
		if at := t.path.Changed(); !at.IsZero() {
			s.Changed = now.Sub(at).Seconds()
		}
	case t.route != 0:
		s.Known = pmtu.Route.String()
	}
	return s
}

// chooseErrorSource tells the lane where the ICMP errors that it makes come from.
func (g *Gateway) chooseErrorSource() {
	if g.tun == nil {
		return
	}
	v4, v6 := g.net.ErrorSources()
	g.lanes.Do(func(l *lane.Lane) { l.SetErrorSource(v4, v6) })
}

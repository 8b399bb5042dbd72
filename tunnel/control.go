package tunnel

import (
	"context"
	"net"
	"net/netip"
	"time"

	"vpngw/crypto/ike"
	"vpngw/tunnel/lane"
)

// start makes the tunnels known to IKE and wanted.
func (g *Gateway) start(ctx context.Context) {
	g.sampleAt = time.Now()
	g.paths.Forget() // what changed until changes were watched was not seen
	for _, t := range g.tunnels {
		g.setPeer(t, t.peer) // where only a name is known, the peer may come to us before it is resolved
		if t.named() {
			g.resolve(ctx, t)
		}
	}
}

// setPeer tells IKE of a tunnel, with its address if that is known.
func (g *Gateway) setPeer(t *tunnel, remote netip.AddrPort) {
	peer, err := g.cfg.peer(t.id, t.cfg, g.reachable(remote))
	peer.Extra = len(t.strands)
	if err != nil {
		g.log.Error("tunnel is not started", "tunnel", t.cfg.Name, "error", err) // New has checked the same
		return
	}
	known := remote == t.peer // so at the start: its path was measured before the TUN was made
	t.peer = remote
	g.expect(t, remote.Addr())
	g.step(ike.AddPeer{Peer: peer})
	g.step(ike.Connect{ID: t.id})
	if !known {
		g.measure(t)
		g.adjustMTU()
	}
}

// strangersInARow is how many messages of strangers are taken before the rest of the
// loop has its turn again, which costs as much as one of them.
const strangersInARow = 15

// control takes events until ctx ends.
func (g *Gateway) control(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		// What tunnels caused comes before what strangers did: as much as is there now, so
		// that a flood from a peer's address keeps nothing else from its turn.
		for range len(g.lanes.Events()) {
			g.laneEvent(<-g.lanes.Events())
		}
		timer.Reset(g.untilDeadline())
		select {
		case <-ctx.Done():
			return
		case e := <-g.lanes.Events():
			g.laneEvent(e)
		case e := <-g.lanes.Strangers():
			g.laneEvent(e)
			for range min(len(g.lanes.Strangers()), strangersInARow) {
				g.laneEvent(<-g.lanes.Strangers())
			}
		case r := <-g.resolved:
			g.peerResolved(r)
		case <-g.changed:
			if g.settle.IsZero() {
				g.settle = time.Now().Add(settleTime)
				if next := g.looked.Add(lookInterval); next.After(g.settle) {
					g.settle = next
				}
			}
		case f := <-g.requests:
			f()
		case <-timer.C:
		}
		g.onTime(ctx, time.Now())
	}
}

// untilDeadline is how long nothing is due.
func (g *Gateway) untilDeadline() time.Duration {
	if g.look.left > 0 {
		return 0
	}
	next := g.ikeDeadline()
	earlier := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	earlier(g.settle)
	earlier(g.tunRetry)
	earlier(g.repair)
	earlier(g.nextTunnel)
	earlier(g.sampleAt)
	if next.IsZero() {
		return time.Hour
	}
	return max(time.Until(next), 0)
}

// tickRest is between two times that IKE's timers run: to wake up costs more than most of
// them do, and thousands of tunnels have one due at every moment.
const tickRest = 10 * time.Millisecond

// ikeDeadline is when IKE's timers are to run next; the zero time: never.
func (g *Gateway) ikeDeadline() time.Time {
	next := g.machine.Deadline()
	if rested := g.ticked.Add(tickRest); !next.IsZero() && next.Before(rested) {
		return rested
	}
	return next
}

// remind has the tunnels looked at when one of them has something to do; the zero time
// is never. They may be thousands, and are not searched at each event.
func (g *Gateway) remind(at time.Time) {
	if !at.IsZero() && (g.nextTunnel.IsZero() || at.Before(g.nextTunnel)) {
		g.nextTunnel = at
	}
}

func due(t *time.Time, now time.Time) bool {
	if t.IsZero() || now.Before(*t) {
		return false
	}
	*t = time.Time{}
	return true
}

// onTime does what has become due.
func (g *Gateway) onTime(ctx context.Context, now time.Time) {
	if d := g.ikeDeadline(); !d.IsZero() && !now.Before(d) {
		g.ticked = now
		g.step(ike.Tick{})
	}
	switch {
	case due(&g.settle, now):
		g.networkChanged()
	case g.look.left > 0:
		g.lookOn()
	}
	if due(&g.tunRetry, now) {
		g.remakeTUN()
	}
	if due(&g.repair, now) {
		g.repairSockets()
	}
	if due(&g.sampleAt, now) {
		g.sample(now)
	}
	if !due(&g.nextTunnel, now) {
		return
	}
	for _, t := range g.tunnels {
		if due(&t.resolveAt, now) {
			g.resolve(ctx, t)
		}
		if due(&t.keepalive, now) && t.behindNAT {
			t.keepalive = now.Add(natKeepalive)
			t.do(func(l *lane.Lane) { l.SendKeepalive(t.lane) })
		}
		g.quiet(t, now)
		g.tendStrands(t, now)
		if due(&t.pathAt, now) {
			g.followPath(t, now)
		}
		g.remind(t.pathAt)
		g.remind(t.resolveAt)
		g.remind(t.keepalive)
		g.remind(t.quietAt)
	}
}

func (g *Gateway) laneEvent(e lane.Event) {
	switch e := e.(type) {
	case lane.IKE:
		g.step(ike.Datagram{Local: e.Local, Remote: e.Remote, Bytes: e.Bytes})
	case lane.Heard:
		if s := g.strandOf(e.Tunnel); s != nil {
			g.strandHeard(s, time.Now())
		} else {
			g.heard(g.tunnels[e.Tunnel.ID], time.Now())
		}
		g.step(ike.Heard{ID: ike.PeerID(e.Tunnel.ID), SPI: e.SPI})
	case lane.SoftLimit:
		g.step(ike.SoftLimit{ID: ike.PeerID(e.Tunnel.ID), SPI: e.SPI})
	case lane.HardLimit:
		g.step(ike.HardLimit{ID: ike.PeerID(e.Tunnel.ID), SPI: e.SPI})
	case lane.Moved:
		if s := g.strandOf(e.Tunnel); s != nil {
			g.strandMoved(s, e, time.Now())
			break
		}
		g.step(ike.Moved{ID: ike.PeerID(e.Tunnel.ID), Local: e.Local, Remote: e.Remote})
	case lane.Unanswered:
		g.step(ike.Silent{ID: ike.PeerID(e.Tunnel.ID)})
	case lane.LargeSent:
		g.largeSent(g.tunnels[e.Tunnel.ID], time.Now())
	case lane.PathHint:
		g.pathHint(g.tunnels[e.Tunnel.ID], time.Now(), e.MTU)
	case lane.PathAnswered:
		g.pathAnswered(e, time.Now())
	case lane.PathSilent:
		g.strandSilent(g.strandOf(e.Tunnel), e, time.Now())
	case lane.UnknownSPI:
		g.step(ike.UnknownSPI{Local: e.Local, Remote: e.Remote, SPI: e.SPI})
	case lane.TUNFailed:
		if g.isQueue(e.TUN) { // the first of its queues to be missed
			g.log.Error("TUN device is gone: making it anew", "interface", g.cfg.Interface, "error", e.Err)
			g.remakeTUN()
		}
	case lane.SocketFailed:
		g.log.Debug("sending failed", "tunnel", e.Tunnel.Name, "error", e.Err)
		g.checkSocket(g.tunnels[e.Tunnel.ID])
	}
}

// resolution is the answer to a look-up of a peer's host name.
type resolution struct {
	tunnel *tunnel
	addrs  []netip.Addr // at least one without err
	err    error
}

func (g *Gateway) resolve(ctx context.Context, t *tunnel) {
	if t.resolving {
		return
	}
	t.resolving = true
	go func() {
		ctx, cancel := context.WithTimeout(ctx, resolveTime)
		defer cancel()
		r := resolution{tunnel: t}
		r.addrs, r.err = net.DefaultResolver.LookupNetIP(ctx, "ip", t.cfg.PeerAddress)
		for i, a := range r.addrs {
			r.addrs[i] = a.Unmap()
		}
		select {
		case g.resolved <- r:
		case <-g.stopped:
		}
	}()
}

func (g *Gateway) peerResolved(r resolution) {
	t := r.tunnel
	t.resolving = false
	t.lookupErr = r.err
	if r.err != nil {
		if unsaid, ok := t.saidLookup.say(r.err.Error(), time.Now()); ok {
			g.log.Warn("peer's address is not resolved", "tunnel", t.cfg.Name, "address", t.cfg.PeerAddress, "error", r.err, "unsaid", unsaid)
		}
		t.resolveAt = time.Now().Add(resolveTime)
		g.remind(t.resolveAt)
		return
	}
	if isUp(g.machine.Status(t.id).State) {
		return // the peer came to us meanwhile; the next Down asks again
	}
	t.saidLookup, t.addresses = repeats{}, r.addrs
	addr := r.addrs[g.nextAddress(t)]
	if remote := netip.AddrPortFrom(addr, t.cfg.PeerPort); remote != t.peer {
		g.log.Info("peer's address is resolved", "tunnel", t.cfg.Name, "address", t.cfg.PeerAddress, "remote", remote)
		g.setPeer(t, remote)
	}
}

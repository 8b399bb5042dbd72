package tunnel

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"vpngw/tunnel/homing"
)

const (
	// packetWork is what a packet costs beside its bytes, in bytes that cost as much.
	packetWork = 1000

	// unusedFor is how many seconds a lane is without tunnels until its TUN queue gets
	// nothing any more.
	unusedFor = 5
)

// homes is what is known of the lanes' work, and where it goes.
type homes struct {
	policy   homing.Policy
	at       int64           // of the last look, a time of the lanes; 0: there was none
	asleep   []time.Duration // of each lane, ever
	busy     []float64       // part of the last second that each lane was busy for
	attached []bool          // its TUN queue gets packets; not of the first
	unused   []int           // looks in a row at which it had no tunnel
}

func (h *homes) begin(lanes int) {
	*h = homes{
		asleep: make([]time.Duration, lanes), busy: make([]float64, lanes),
		attached: make([]bool, lanes), unused: make([]int, lanes),
	}
}

// detached notes that the TUN device is a new one.
func (h *homes) detached() { clear(h.attached) }

// watchLanes takes how busy the lanes were since the last look.
func (g *Gateway) watchLanes() {
	h := &g.homing
	now := g.lanes.Now()
	span := now - h.at
	for i, l := range g.lanes.Lanes() {
		asleep := l.Counters().Asleep(now)
		if h.at != 0 && span > 0 {
			h.busy[i] = min(max(1-float64(asleep-h.asleep[i])/float64(span), 0), 1)
		}
		h.asleep[i] = asleep
	}
	h.at = now
}

// rehome moves a tunnel if that makes the gateway faster, and those that must not be where
// they are.
func (g *Gateway) rehome() {
	g.watchLanes()
	if len(g.lanes.Lanes()) == 1 {
		return
	}
	peers := map[netip.AddrPort]int{}
	for _, t := range g.tunnels {
		peers[t.remote]++
	}
	all := make([]homing.Tunnel, len(g.tunnels))
	for i, t := range g.tunnels {
		c := &t.lane.Counters
		total := float64(c.BytesIn.Load()+c.BytesOut.Load()) + packetWork*float64(c.PacketsIn.Load()+c.PacketsOut.Load())
		stuck := g.staysFirst(t, peers[t.remote])
		all[i] = homing.Tunnel{Lane: t.home, Work: max(total-t.worked, 0), Weight: t.cfg.Weight, Fixed: stuck || t.forced}
		t.worked = total
		if stuck && t.home != 0 {
			g.moveHome(t, 0, "it has strands, or shares an uplink's rate or a socket")
			all[i].Lane = t.home
		}
	}
	if m, ok := g.homing.policy.Decide(g.homing.busy, all); ok {
		g.moveHome(g.tunnels[m.Tunnel], m.To, m.Why)
	}
	g.detachUnused()
}

// staysFirst tells whether a tunnel has to be at home on the first lane. One scheduler
// can keep a rate, so what a shaped uplink carries is on one lane. A tunnel with strands
// has those on the other lanes. Of tunnels to one address and port the kernel gives all
// datagrams to one socket.
func (g *Gateway) staysFirst(t *tunnel, sameRemote int) bool {
	return g.queues == nil || t.uplink == nil || t.isSpread() || t.uplink.cfg.Rate != 0 || t.remote.IsValid() && sameRemote > 1
}

// moveHome makes another lane a tunnel's home. It returns false if that is not possible now.
func (g *Gateway) moveHome(t *tunnel, to int, why string) bool {
	g.attachQueue(to)
	if t.uplink == nil || !t.lane.Move(g.lanes.Lanes()[to], t.uplink.on) {
		return false
	}
	g.log.Info("tunnel moves to another lane", "tunnel", t.cfg.Name, "from", t.home, "to", to, "why", why)
	t.home = to
	return true
}

// attachQueue lets the kernel put packets into a lane's TUN queue. Where that fails they
// come by way of the other lanes.
func (g *Gateway) attachQueue(i int) {
	h := &g.homing
	h.unused[i] = 0
	if i == 0 || g.queues == nil || h.attached[i] {
		return
	}
	if err := g.queues[i].Attach(); err != nil {
		g.log.Warn("a lane gets no packets from the TUN device by itself", "lane", i, "error", err)
		return
	}
	h.attached[i] = true
}

// detachUnused takes their TUN queues from lanes that have had no tunnel for a while.
func (g *Gateway) detachUnused() {
	h := &g.homing
	for i := range h.unused {
		h.unused[i]++
	}
	for _, t := range g.tunnels {
		h.unused[t.home] = 0
		for _, s := range t.strands {
			if s.sas > 0 {
				h.unused[s.number] = 0
			}
		}
	}
	for i, q := range g.queues {
		if q == nil || !h.attached[i] || h.unused[i] < unusedFor {
			continue
		}
		if err := q.Detach(); err != nil {
			g.log.Debug("TUN queue is not detached", "lane", i, "error", err)
			continue
		}
		h.attached[i] = false
	}
}

// Home makes a lane, counted from 0, the home of a tunnel until the gateway ends, whatever
// the load; a negative one ends that. It is for tests and measurements. The error is a
// *[NoTunnelError], that the tunnel cannot be there or not now, [ErrStopped], or that the
// gateway does not answer. Any goroutine may call it.
func (g *Gateway) Home(ctx context.Context, name string, lane int) error {
	var err error
	if asked := g.ask(ctx, func() { err = g.force(name, lane) }); asked != nil {
		return asked
	}
	return err
}

func (g *Gateway) force(name string, lane int) error {
	t, err := g.find(name)
	if err != nil {
		return err
	}
	if lane < 0 {
		t.forced = false
		return nil
	}
	same := 0
	for _, o := range g.tunnels {
		if o.remote == t.remote {
			same++
		}
	}
	switch {
	case lane >= len(g.lanes.Lanes()):
		return fmt.Errorf("there is no lane %d: the gateway has %d", lane, len(g.lanes.Lanes()))
	case lane != 0 && g.staysFirst(t, same):
		return fmt.Errorf("tunnel %s has to stay on the first lane: its uplink has a rate, it has strands on other lanes, it shares its peer's address, or its path is not known yet", name)
	case lane != t.home && !g.moveHome(t, lane, "it was asked for"):
		return fmt.Errorf("tunnel %s is still moving: try again", name)
	}
	t.forced = true
	return nil
}

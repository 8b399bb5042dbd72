package tunnel

import (
	"runtime"
	"time"

	"vpngw/offload/tun"
	"vpngw/tunnel/lane"
)

// mostLanes is how many lanes a gateway has at most unless it is told a number.
const mostLanes = 16

// lanes is the configured number of lanes. Left to itself it is half of the processors: the
// other half has the kernel's part of the work, which is as much.
func (c *Config) lanes() int {
	if c.Lanes != 0 {
		return c.Lanes
	}
	return min(max(runtime.GOMAXPROCS(0)/2, 1), mostLanes)
}

// laneCount is how many lanes the TUN device has queues for.
func (g *Gateway) laneCount() int { return max(len(g.queues), 1) }

// useLanes makes the first of lanes the home of all tunnels.
func (g *Gateway) useLanes(lanes *lane.Group) {
	g.lanes = lanes
	g.homing.begin(len(lanes.Lanes()))
	for _, t := range g.tunnels {
		lanes.Adopt(t.lane)
		g.spread(t)
	}
}

// equipLanes gives the lanes, before they run, what they work with: a TUN queue and the
// routes each, and the first one the listeners.
func (g *Gateway) equipLanes() error {
	for _, l := range g.lanes.Lanes() {
		if err := l.SetTUN(g.queueOf(l)); err != nil {
			return err
		}
	}
	first := g.lanes.Lanes()[0]
	for _, s := range g.listener {
		if err := first.AddListener(s, s.LocalAddr()); err != nil {
			return err
		}
	}
	for _, s := range g.ikeListener {
		if err := first.AddIKEListener(s, s.LocalAddr()); err != nil {
			return err
		}
	}
	routes := new(lane.Routes)
	for _, t := range g.tunnels {
		for _, p := range t.cfg.Remote {
			routes.Insert(p, t.lane)
		}
	}
	for _, l := range g.lanes.Lanes() {
		l.SetRoutes(routes)
	}
	return nil
}

// do makes the lane that is t's home run f, after what it was told before, wherever t moves
// meanwhile. All that control tells a lane of one tunnel goes this way.
func (t *tunnel) do(f func(*lane.Lane)) { t.lane.Do(f) }

// openQueues opens the queues of all lanes but the first; nil where there is no need for
// them, or they cannot be had, so that one lane must do.
func (g *Gateway) openQueues(device *tun.Device) []*tun.Device {
	n := g.cfg.lanes()
	if n == 1 {
		return nil
	}
	queues := make([]*tun.Device, n)
	for i := 1; i < n; i++ {
		q, err := device.OpenQueue()
		if err != nil {
			closeQueues(queues)
			g.log.Warn("one lane carries all tunnels: let the gateway make the TUN device, or make it with `ip tuntap add mode tun multi_queue`",
				"interface", device.Name(), "lanes", n, "error", err)
			return nil
		}
		queues[i] = q
	}
	return queues
}

func closeQueues(queues []*tun.Device) {
	for _, q := range queues {
		if q != nil {
			q.Close()
		}
	}
}

// queueOf is the queue of a lane, nil if there is none.
func (g *Gateway) queueOf(l *lane.Lane) lane.TUN {
	switch {
	case l.Index() == 0:
		return g.tun
	case g.queues != nil:
		return g.queues[l.Index()]
	}
	return nil
}

// isQueue tells whether q belongs to the TUN device that stands.
func (g *Gateway) isQueue(q lane.TUN) bool {
	if g.tun == nil {
		return false
	}
	for _, l := range g.lanes.Lanes() {
		if q == g.queueOf(l) {
			return true
		}
	}
	return false
}

// takeTUN makes all lanes let go of the TUN device, and tells whether they did.
func (g *Gateway) takeTUN() bool {
	n := len(g.lanes.Lanes())
	if n == 1 {
		return true // it has said so
	}
	done := make(chan struct{}, n)
	g.lanes.Do(func(l *lane.Lane) {
		_ = l.SetTUN(nil) // there is nothing to fail
		done <- struct{}{}
	})
	deadline := time.NewTimer(answerDeadline)
	defer deadline.Stop()
	for range n {
		select {
		case <-done:
		case <-deadline.C:
			g.log.Error("a lane does not let go of the TUN device", "interface", g.cfg.Interface)
			return false
		}
	}
	return true
}

// giveTUN gives each lane its queue of a new device.
func (g *Gateway) giveTUN() {
	g.homing.detached()
	for _, t := range g.tunnels {
		g.attachQueue(t.home)
		for _, s := range t.strands {
			if s.sas > 0 {
				g.attachQueue(s.number)
			}
		}
	}
	for _, l := range g.lanes.Lanes() {
		q := g.queueOf(l)
		l.Do(func() {
			if err := l.SetTUN(q); err != nil {
				g.log.Error("TUN device is not watched", "interface", g.cfg.Interface, "error", err)
			}
		})
	}
}

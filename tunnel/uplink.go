package tunnel

import (
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"vpngw/crypto/ike"
	"vpngw/fairness"
	"vpngw/tunnel/lane"
	"vpngw/tunnel/meter"
)

// uplink is the control side of an interface that tunnels leave by.
type uplink struct {
	name   string
	cfg    Uplink
	config lane.UplinkConfig             // on each lane
	edges  []*lane.Edges                 // by lane; nil: it is not told from others
	lanes  []atomic.Pointer[lane.Uplink] // by lane; nil until the lane has made it
	recent meter.Window[meter.Uplink]
}

// on is the uplink on a lane, which has one as soon as a tunnel needs it. On the lane's
// goroutine.
func (u *uplink) on(l *lane.Lane) *lane.Uplink {
	at := &u.lanes[l.Index()]
	if at.Load() == nil {
		c := u.config
		if u.edges != nil {
			c.Edges = u.edges[l.Index()]
		}
		at.Store(l.AddUplink(c))
	}
	return at.Load()
}

// newLaneTunnel makes the lane's side of a tunnel, or that of one of so many strands.
func newLaneTunnel(id ike.PeerID, c *TunnelConfig, gateway *Config, strands int) *lane.Tunnel {
	f := &gateway.Fairness
	t := lane.NewTunnel(uint32(id), c.Name, lane.TunnelQueue{Weight: max(c.Weight, 1), Rate: c.Rate, Limit: f.TunnelMemory / strands})
	t.NoECN, t.CopyDSCP, t.NoMSSClamp = f.NoECN, c.CopyDSCP, gateway.NoMSSClamp
	t.PathEvents = !gateway.NoMTUDiscovery
	return t
}

// openUplinks gives each tunnel its uplink as far as the path to its peer is known.
func (g *Gateway) openUplinks() {
	for name := range g.cfg.Uplinks {
		if _, err := net.InterfaceByName(name); err != nil {
			g.log.Warn("gateway.uplinks names an interface that is not there", "interface", name, "error", err)
		}
	}
	for _, t := range g.tunnels {
		g.useUplink(t)
	}
}

// useUplink makes t leave by the interface of the path to its peer, with what waits.
// Until a path is known it has an uplink without name, by which nothing goes.
func (g *Gateway) useUplink(t *tunnel) {
	if g.lanes == nil || t.uplink != nil && t.uplink.name == t.link { // there is none before setUp
		return
	}
	u := g.uplinks[t.link]
	if u == nil {
		u = g.addUplink(t.link)
	}
	if u.cfg.Rate != 0 && t.home != 0 && !t.lane.Move(g.lanes.Lanes()[0], u.on) {
		return // it moved a moment ago: the next sample tries again
	}
	if t.uplink != nil && t.uplink.name != "" {
		g.log.Info("tunnel leaves by another interface", "tunnel", t.cfg.Name, "from", t.uplink.name, "to", u.name)
	}
	t.uplink = u
	t.recent.Reset() // its counters begin anew
	if u.cfg.Rate != 0 {
		t.home = 0
	}
	t.do(func(l *lane.Lane) { l.SetUplink(t.lane, u.on(l)) })
	for _, s := range t.strands {
		s.lane.Do(func(l *lane.Lane) { l.SetUplink(s.lane, u.on(l)) })
	}
}

func (g *Gateway) addUplink(name string) *uplink {
	cfg, own := g.cfg.Uplinks[name]
	if !own {
		cfg = g.cfg.Uplink
	}
	n := len(g.lanes.Lanes())
	f := &g.cfg.Fairness
	u := &uplink{name: name, cfg: cfg, lanes: make([]atomic.Pointer[lane.Uplink], n), config: lane.UplinkConfig{
		Name: name, Rate: cfg.Rate, Overhead: cfg.Overhead, FIFO: f.FIFO, Target: f.Target, Limit: f.Memory,
	}}
	u.edges = g.edgesOf(name)
	if cfg.Rate == 0 && n > 1 { // it may be on all of them
		u.config.Budget = lane.NewBudget(f.Memory, n)
	}
	g.uplinks[name] = u
	if name != "" {
		g.log.Info("uplink", "interface", name, "rate", cfg.Rate, "overhead", cfg.Overhead)
	}
	return u
}

// uplinkCounters are those of an uplink's queues on all lanes together.
type uplinkCounters struct {
	throttled, inFlightHeld time.Duration
	inFlight, inFlightLimit int64 // bytes
}

func (u *uplink) counters() (sum uplinkCounters) {
	for i := range u.lanes {
		if l := u.lanes[i].Load(); l != nil {
			sum.throttled += time.Duration(l.Counters.Throttled.Load())
			sum.inFlightHeld += time.Duration(l.Counters.InFlightHeld.Load())
			sum.inFlight += l.Counters.InFlight.Load()
			sum.inFlightLimit += l.Counters.InFlightLimit.Load()
		}
	}
	return sum
}

// queue returns the counters of what waits for the tunnel, zeros until it has an uplink.
func (t *tunnel) queue() *fairness.ClassCounters {
	if c := t.lane.Queue(); c != nil {
		return c
	}
	return new(fairness.ClassCounters)
}

// sample takes the next samples of the counters and plans those after them.
func (g *Gateway) sample(now time.Time) {
	g.sampleAt = now.Add(sampleInterval)
	for _, u := range g.uplinks {
		c := u.counters()
		u.recent.Add(now, meter.Uplink{ByRate: c.throttled, ByInFlight: c.inFlightHeld})
	}
	for _, t := range g.tunnels {
		if q := t.queue(); t.queued != q { // another uplink, or the same on another lane
			t.queued = q
			t.recent.Reset()
		}
		t.recent.Add(now, g.wholeSample(t, now))
		g.useUplink(t)
	}
	g.rehome()
}

func (g *Gateway) tunnelSample(c *fairness.ClassCounters, now time.Time) meter.Tunnel {
	sparse, bulk := &c.Kind[fairness.Sparse], &c.Kind[fairness.Bulk]
	s := meter.Tunnel{
		Bytes:   sparse.Bytes.Load() + bulk.Bytes.Load(),
		Backlog: sparse.Backlog.Load() + bulk.Backlog.Load(),
		Blocked: time.Duration(c.Blocked.Load()),
		ByRate:  time.Duration(c.Throttled.Load()),
		Sparse:  waits(&sparse.Waits), Bulk: waits(&bulk.Waits),
	}
	if since := c.BlockedSince.Load(); since != 0 {
		s.Blocked += max(now.Sub(g.lanes.Time(since)), 0)
	}
	return s
}

func waits(w *fairness.Waits) (m meter.Waits) {
	for i := range w {
		m[i] = w[i].Load()
	}
	return m
}

// queueStatus is how t's packets wait; the share is added by uplinkStatus.
func (g *Gateway) queueStatus(t *tunnel) QueueStatus {
	s := queueStatus(t)
	before, now, _ := t.recent.Ends()
	s.Sparse = t.kindStatus(fairness.Sparse, now.Sparse.Since(&before.Sparse))
	s.Bulk = t.kindStatus(fairness.Bulk, now.Bulk.Since(&before.Bulk))
	return s
}

func (t *tunnel) kindStatus(kind fairness.Kind, recent meter.Waits) KindStatus {
	var all meter.Waits
	var aqm, overload uint64
	var s KindStatus
	for _, class := range t.queues() {
		c := &class.Kind[kind]
		s.BacklogBytes += c.Backlog.Load()
		s.Packets += c.Packets.Load()
		s.Bytes += c.Bytes.Load()
		s.Slices += c.Slices.Load()
		s.Marks += c.Marks.Load()
		aqm += c.Drops.Load()
		overload += c.Overload.Load()
		one := waits(&c.Waits)
		all = all.Plus(&one)
	}
	s.Drops = map[string]uint64{"aqm": aqm, "overload": overload}
	s.Sojourn = sojournStatus(&all, &recent)
	return s
}

// uplinkStatus is what tunnels leave by, by name. It adds its share to each tunnel's
// status, of which all holds one for each tunnel.
func (g *Gateway) uplinkStatus(all []TunnelStatus) []UplinkStatus {
	list := []UplinkStatus{}
	for _, u := range g.uplinks {
		var users []*tunnel
		var queues []*QueueStatus
		for i, t := range g.tunnels {
			if t.uplink == u {
				users, queues = append(users, t), append(queues, &all[i].Queue)
			}
		}
		if u.name == "" || users == nil {
			continue
		}
		s := u.status(g.cfg.Fairness.FIFO)
		shares(&s, users, queues)
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b UplinkStatus) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (u *uplink) status(fifo bool) UplinkStatus {
	c := u.counters()
	_, _, span := u.recent.Ends()
	s := UplinkStatus{
		Name: u.name, Rate: u.cfg.Rate, Overhead: u.cfg.Overhead, Queue: "fair",
		InFlight: c.inFlight, InFlightLimit: c.inFlightLimit,
		ByRate: c.throttled.Seconds(), ByInFlight: c.inFlightHeld.Seconds(),
		Recent: span.Seconds(),
	}
	if fifo {
		s.Queue = "fifo"
	}
	return s
}

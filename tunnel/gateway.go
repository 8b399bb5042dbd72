package tunnel

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"vpngw/crypto/ike"
	"vpngw/offload"
	"vpngw/offload/tun"
	"vpngw/offload/udp"
	"vpngw/tunnel/lane"
	"vpngw/tunnel/netconf"
)

// Gateway runs the tunnels of one Config. Make it with New; Run it once. Status may
// be called by any goroutine; all else belongs to Run's.
type Gateway struct {
	cfg    Config
	wanted Offload // of the Config it was made with: cfg has what works
	log    *slog.Logger

	machine  *ike.Machine
	mark     *lane.Mark    // on the SPIs of its IKE SAs
	lanes    *lane.Group   // nil before setUp
	tun      *tun.Device   // its first queue, of lane 0; nil while it is being made anew
	queues   []*tun.Device // the others, by lane; nil at 0, and all where the device has only one
	homing   homes
	net      netconf.Net
	listener map[bool]*udp.Socket // by Is4
	tunnels  []*tunnel            // by ike.PeerID
	children map[uint32]*child    // by inbound SPI
	uplinks  map[string]*uplink   // by interface
	paths    netconf.Paths        // to the peers

	interfaces interfaces
	look       look // at all tunnels, after a change of the network

	ikeListener map[bool]*udp.Socket // of IKE's own port; by Is4
	strangers   repeats              // refusals in the log that are about no tunnel

	requests chan func()
	resolved chan resolution
	changed  chan struct{}
	stopped  chan struct{} // closed when Run returns

	mtu        int    // of the TUN device
	ringDrops  uint64 // of TUN devices that are gone
	ringSeen   uint64 // of the one that stands, at the last look
	started    time.Time
	settle     time.Time // when to look at the network after a change; zero: nothing changed
	looked     time.Time // when that was done last
	ticked     time.Time // when IKE's timers ran last
	tunRetry   time.Time // when to try again to make the TUN device; zero: it stands
	nextTunnel time.Time // when a tunnel has something to do; see remind
	sampleAt   time.Time // when to take the next samples of the counters; zero: not running
	repair     time.Time // when to look again at tunnels without a socket; zero: none is missing
}

// Timing of what is not IKE.
const (
	settleTime     = 100 * time.Millisecond // changes of the network come in showers
	sampleInterval = time.Second            // between two samples of the counters, for status
	lookInterval   = time.Second            // at least between two looks: some routers change all the time
	retryTime      = 500 * time.Millisecond // between two tries to make a TUN device or a socket
	resolveTime    = 5 * time.Second        // between two tries to resolve a host name
	natKeepalive   = 20 * time.Second       // RFC 3948 §4
	flowingTime    = 15 * time.Second       // a tunnel whose last packet is older does not flow
	answerDeadline = 5 * time.Second        // for the gateway to look at a question
)

// New prepares a gateway: it checks the configuration but touches nothing of the
// machine. log may be nil.
func New(c Config, log *slog.Logger) (*Gateway, error) {
	c.withDefaults()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{
		cfg:      c,
		wanted:   c.Offload,
		log:      log,
		mark:     lane.NewMark(),
		listener: map[bool]*udp.Socket{},
		children: map[uint32]*child{},
		uplinks:  map[string]*uplink{},
		requests: make(chan func()),
		resolved: make(chan resolution),
		changed:  make(chan struct{}, 1),
		stopped:  make(chan struct{}),

		ikeListener: map[bool]*udp.Socket{},
		interfaces:  newInterfaces(),
	}
	g.machine = ike.New(ike.Config{
		Rand: crand.Reader, Log: log,
		SPI: g.newSPI, IKESPI: g.mark.SPI,
		Port: c.Port, IKEPort: c.IKEPort, MaxPacket: c.IKEPacket,
	})
	for i := range c.Tunnels {
		t := &c.Tunnels[i]
		if _, err := c.peer(ike.PeerID(i), t, netip.AddrPort{}); err != nil {
			return nil, err
		}
		g.tunnels = append(g.tunnels, newTunnel(ike.PeerID(i), t, &c))
		g.net.Remote = append(g.net.Remote, t.Remote...)
	}
	g.net.Local = c.localSubnets()
	g.net.Addresses = c.Addresses
	return g, nil
}

// Run makes the TUN device, routes and sockets, brings the tunnels up and keeps them
// up until ctx ends. Then it takes leave of the peers, removes what it made, and
// returns nil. ready, if not nil, is called once when all is set up. Run needs
// CAP_NET_ADMIN in the network namespace of its thread.
func (g *Gateway) Run(ctx context.Context, ready func()) (err error) {
	g.started = time.Now()
	defer close(g.stopped)
	defer func() { err = errors.Join(err, g.tearDown(err != nil)) }()
	if err := g.setUp(); err != nil {
		return err
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	if err := netconf.Watch(watching, g.changed); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range g.lanes.Lanes() {
		group.Go(l.Run)
	}
	if g.cfg.Manage != ManageOff {
		c := newCaretaker(g)
		group.Go(func() error { return c.run(ctx) })
	}
	group.Go(func() error { return g.followLANs(ctx) })
	group.Go(func() error {
		defer g.lanes.Stop()
		g.start(watching)
		if ready != nil {
			ready()
		}
		g.control(ctx)
		g.step(ike.Shutdown{})
		return nil
	})
	return group.Wait()
}

func (g *Gateway) setUp() error {
	g.checkDescriptors()
	g.probeUDP()
	if err := g.listen(); err != nil {
		return err
	}
	if err := g.listenIKE(); err != nil {
		return err
	}
	g.measureAll()
	if err := g.openTUN(); err != nil {
		return err
	}
	features := g.tun.Features()
	g.log.Info("TUN device is up", "interface", g.tun.Name(), "mtu", g.tun.MTU(), "offloads", features.String())
	glue := !g.cfg.Offload.NoCoalesce
	lane.MakeRoom(g.laneCount())
	lanes, err := lane.NewGroup(lane.Config{
		Log:  g.log,
		Mark: g.mark,
		Coalesce: offload.CoalesceOptions{
			TCP4: glue && features.TSO4, TCP6: glue && features.TSO6,
			UDP4: glue && features.USO, UDP6: glue && features.USO,
		},
	}, g.laneCount())
	if err != nil {
		return err
	}
	g.useLanes(lanes)
	g.openUplinks()
	for _, t := range g.tunnels {
		g.tellMTU(t)
	}
	g.chooseErrorSource()
	return g.equipLanes()
}

// probeUDP switches off what the kernel was seen to do wrong with trains of
// datagrams: some refuse them, and some damage them.
func (g *Gateway) probeUDP() {
	o := &g.cfg.Offload
	support, err := udp.Probe(g.socketOptions())
	if err != nil {
		g.log.Warn("UDP offloads are not probed, only what the kernel refuses at run time is switched off", "error", err)
		return
	}
	if !support.Segment && !o.NoUDPSegment || !support.GRO && !o.NoUDPGRO {
		g.log.Warn("UDP offloads do not all work on this kernel: the tunnels will be slower",
			"udp_segment", support.Segment, "udp_gro", support.GRO, "why", support.Why)
	}
	o.NoUDPSegment = !support.Segment
	o.NoUDPGRO = !support.GRO
}

// listen opens the sockets for peers that no tunnel's socket is connected to. IPv6
// may be missing on the machine.
func (g *Gateway) listen() error {
	for _, all := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		s, err := udp.Listen(netip.AddrPortFrom(all, g.cfg.Port), g.socketOptions())
		switch {
		case err == nil:
			g.listener[all.Is4()] = s
		case all.Is6() && errors.Is(err, unix.EAFNOSUPPORT):
			g.log.Info("no IPv6 on this machine: peers are reached by IPv4 only")
		default:
			return fmt.Errorf("listen on UDP port %d: %w", g.cfg.Port, err)
		}
	}
	return nil
}

func (g *Gateway) socketOptions() udp.Options {
	return udp.Options{
		DisableSegment: g.cfg.Offload.NoUDPSegment, DisableGRO: g.cfg.Offload.NoUDPGRO,
		RecvBuffer: g.cfg.Buffers.Receive, SendBuffer: g.cfg.Buffers.Send,
	}
}

// openTUN makes the device with its addresses and routes.
func (g *Gateway) openTUN() error {
	device, err := tun.Open(tun.Options{
		Name: g.cfg.Interface, MTU: g.wantMTU(),
		DisableChecksum: g.cfg.Offload.NoChecksum, DisableTSO: g.cfg.Offload.NoTSO, DisableUSO: g.cfg.Offload.NoUSO,
		MultiQueue: g.cfg.lanes() > 1,
	})
	if err != nil {
		return err
	}
	queues := g.openQueues(device)
	g.net.Link = device.Index()
	if err := g.net.Ensure(); err != nil {
		closeQueues(queues)
		device.Close()
		return err
	}
	g.tun, g.queues, g.mtu = device, queues, device.MTU()
	return nil
}

// tearDown removes what setUp made, as far as it came. After a failure the unreachable
// routes stay, as they do after a kill: somebody wanted these tunnels, and what was for
// them must not leave in clear. The other routes go with the device.
func (g *Gateway) tearDown(failed bool) error {
	var errs []error
	g.paths.Close()
	switch {
	case g.net.Link == 0:
	case failed:
		g.log.Warn("unreachable routes keep the remote subnets closed; the next run takes them over")
	default:
		errs = append(errs, g.net.Remove())
	}
	if g.lanes != nil {
		g.lanes.Close()
	}
	for _, s := range g.listener {
		s.Close() // again, where the lane had it
	}
	for _, s := range g.ikeListener {
		s.Close()
	}
	closeQueues(g.queues)
	if g.tun != nil {
		errs = append(errs, g.tun.Close())
	}
	return errors.Join(errs...)
}

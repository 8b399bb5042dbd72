package lane

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"
	"golang.org/x/sys/unix"

	"vpngw/offload"
	"vpngw/offload/udp"
)

// Config is what a lane is made with.
type Config struct {
	Coalesce offload.CoalesceOptions
	Log      *slog.Logger
	Mark     *Mark // on the SPIs of our IKE SAs; nil: they cannot be told from others
}

// Routes finds the tunnel of a destination. A table given to a lane is not changed
// any more.
type Routes = bart.Table[*Tunnel]

const (
	receiveBuffer = maxBatches * recvLen
	tunReads      = 64 // superpackets read per turn, before anything else is looked at again
)

// Lane moves packets. Do, Stop, Events, Strangers and Counters may be called by any
// goroutine; all else runs on the goroutine of Run.
type Lane struct {
	group *Group
	index int // in the group
	log   *slog.Logger
	epoll int
	wake  int // eventfd

	mu       sync.Mutex // guards commands
	commands []func()
	pending  atomic.Bool // there are commands

	events    chan Event
	strangers chan Event
	counters  LaneCounters
	started   time.Time
	now       int64 // nanoseconds since started, as of the last poll; never 0
	stopped   bool

	lingerUntil int64 // lane time

	tun      TUN
	tunReady bool
	tunCount uint64 // reads of TUNs that brought something
	routes   *Routes
	lans     lans
	inbound  map[uint32]*Inbound

	endpoints     []*endpoint
	freeEndpoints []int32
	ready         []*endpoint // sockets that may have something to receive
	polled        [64]unix.EpollEvent

	// Out.
	uplinks    []*Uplink
	flows      flowHasher
	timer      timer
	big, small pool
	open       []*Tunnel // tunnels whose train has something to send
	held       []*Tunnel // tunnels that are blocked and hold a train, oldest first
	trains     []*train
	trainsMade int
	headers    offload.Headers
	fragmenter offload.Fragmenter
	reporter   reporter

	// In.
	buffer     []byte
	datagrams  udp.Datagrams
	receiving  *Edges // of what is being received
	coalescer  *offload.Coalescer
	glueFrom   int64 // lane time from which packets are glued again after a refusal
	run        run
	single     [2][]byte
	zeroHeader [offload.VirtioHeaderLen]byte
	cached     *Inbound // SA of the datagram opened last
	like       likeness // of the packet delivered last, if such a one would cross unchanged
	admission  admission
	mark       *Mark
	mail       mail
	mates
}

// New returns a lane that is alone, without TUN, sockets and tunnels. Close it after Run
// has returned.
func New(c Config) (*Lane, error) {
	g, err := NewGroup(c, 1)
	if err != nil {
		return nil, err
	}
	return g.lanes[0], nil
}

func newLane(c Config, g *Group) (*Lane, error) {
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Lane{
		group:     g,
		log:       log,
		started:   g.started,
		now:       1,
		events:    g.events,
		strangers: g.strangers,
		routes:    new(Routes),
		inbound:   make(map[uint32]*Inbound),
		flows:     g.flows,
		buffer:    alignedBuffer(receiveBuffer),
		coalescer: offload.NewCoalescer(c.Coalesce),
		admission: newAdmission(),
		mark:      c.Mark,
	}
	l.receiving = &l.counters.Edges
	l.big, l.small = pool{size: bigSlot, owner: l}, pool{size: smallSlot, owner: l}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(l.epoll)
		return nil, fmt.Errorf("create eventfd: %w", err)
	}
	if err = l.watch(l.wake, wakeKey, unix.EPOLLIN); err == nil {
		err = l.timer.open(l)
	}
	if err != nil {
		unix.Close(l.wake)
		unix.Close(l.epoll)
		return nil, err
	}
	return l, nil
}

// alignedBuffer returns n bytes that begin at a cache line: the kernel copies into
// such a buffer a quarter faster.
func alignedBuffer(n int) []byte {
	b := make([]byte, n+64)
	return b[-int(addressOf(b))&63:][:n:n]
}

// Events is what tunnels caused. The channel is never closed.
func (l *Lane) Events() <-chan Event { return l.events }

// Strangers is what anybody can cause. The channel is never closed.
func (l *Lane) Strangers() <-chan Event { return l.strangers }

// Counters returns the lane's counters.
func (l *Lane) Counters() *LaneCounters { return &l.counters }

// Time turns a time stamp of Counters, which follow the monotonic clock, into a
// time; the zero time for 0.
func (l *Lane) Time(stamp int64) time.Time {
	if stamp == 0 {
		return time.Time{}
	}
	return l.started.Add(time.Duration(stamp))
}

// wakeUp is a number for the eventfd to add, not 0 in any byte order.
var wakeUp = [8]byte{1}

// Do makes the lane run f between two turns, in the order of the calls. It does not
// wait for it. After Stop it may never run.
func (l *Lane) Do(f func()) {
	l.mu.Lock()
	l.commands = append(l.commands, f)
	l.mu.Unlock()
	l.pending.Store(true)
	_, _ = unix.Write(l.wake, wakeUp[:]) // fails only when the eventfd is full, and then it is awake
}

// Stop makes Run return after the commands given before.
func (l *Lane) Stop() { l.Do(func() { l.stopped = true }) }

// Run turns the lane until Stop. The error is one that no turn can go on after.
func (l *Lane) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	askShortSlice()
	idle := true
	for {
		if err := l.poll(idle); err != nil {
			return err
		}
		lingers := l.lingers()
		if lingers {
			giveWay()
		}
		l.turn()
		if l.stopped {
			return nil
		}
		idle = !lingers && l.rests()
	}
}

// turn does what poll has found to do, bounded.
func (l *Lane) turn() {
	l.counters.Turns.Add(1)
	l.runCommands()
	if l.several() {
		l.meet()
	}
	l.receive()
	l.drainTUN()
	if l.several() {
		l.part()
	}
	l.serve()
	l.flushTurn()
	waiting := 0
	for _, u := range l.uplinks {
		waiting += u.queue.Memory()
		u.repay()
	}
	l.counters.QueueBytes.Store(int64(waiting))
}

// rests tells whether the last turn has left nothing to do at once.
func (l *Lane) rests() bool {
	for _, u := range l.uplinks {
		if u.more {
			return false
		}
	}
	return len(l.ready) == 0 && !l.tunReady && len(l.open) == 0 && !l.pending.Load() && len(l.atTurn) == 0
}

func (l *Lane) runCommands() {
	if !l.pending.Load() {
		return
	}
	l.mu.Lock()
	commands := l.commands
	l.commands = nil
	l.pending.Store(false)
	l.mu.Unlock()
	for _, f := range commands {
		f()
	}
}

// Close closes the lane's sockets, not its TUN. Only after Run has returned, or if
// it was never called.
func (l *Lane) Close() {
	for _, e := range l.endpoints {
		if e != nil {
			e.socket.Close()
		}
	}
	l.timer.close()
	unix.Close(l.wake)
	unix.Close(l.epoll)
}

// The methods below run on the lane's goroutine: call them in Do, or before Run.

// SetTUN makes the lane use another TUN, or none (nil). The old one may be closed
// when SetTUN has returned.
func (l *Lane) SetTUN(t TUN) error {
	if l.tun != nil {
		// A device that is gone has left epoll by itself.
		_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, l.tun.FD(), nil)
	}
	l.tun, l.tunReady = nil, false
	if t == nil {
		return nil
	}
	if err := l.watch(t.FD(), tunKey, unix.EPOLLIN); err != nil {
		return err
	}
	l.tun = t
	return nil
}

// loseTUN gives up the TUN and tells control, which may then close it at once. While
// control cannot be told the TUN is kept: epoll says again that it is gone.
func (l *Lane) loseTUN(err error) {
	if l.tun == nil {
		return
	}
	if len(l.events) == cap(l.events) {
		l.counters.EventsLost.Add(1)
		return
	}
	lost := l.tun
	_ = l.SetTUN(nil)
	if !l.tell(TUNFailed{TUN: lost, Err: err}) { // another lane was faster
		_ = l.SetTUN(lost)
	}
}

// AddListener makes the lane own an unconnected socket. On error it is closed.
func (l *Lane) AddListener(s Socket, local netip.AddrPort) error {
	return l.addEndpoint(&endpoint{socket: s, local: local})
}

// AddIKEListener makes the lane own an unconnected socket that gets IKE messages
// without the non-ESP marker, and nothing else. On error it is closed.
func (l *Lane) AddIKEListener(s Socket, local netip.AddrPort) error {
	return l.addEndpoint(&endpoint{socket: s, local: local, ikeOnly: true})
}

// SetRoutes replaces the table of destinations.
func (l *Lane) SetRoutes(r *Routes) { l.routes = r }

// MovePeer notes that a peer is expected at another address than before; an invalid
// one is none. What comes from such addresses has no part in the budget that all
// others share.
func (l *Lane) MovePeer(from, to netip.Addr) {
	known := l.admission.known
	if from = from.Unmap(); from.IsValid() {
		if known[from]--; known[from] <= 0 {
			delete(known, from)
		}
	}
	if to.IsValid() {
		known[to.Unmap()]++
	}
}

// SetSocket makes the lane own a connected socket and use it for t, in place of the
// one before, which is closed. A nil socket leaves t without; so does an error, and
// then s is closed. What was sealed and not sent goes out on the new one, or is
// dropped.
func (l *Lane) SetSocket(t *Tunnel, s Socket, local, remote netip.AddrPort) error {
	if t.socket != nil {
		l.removeEndpoint(t.socket)
		t.socket = nil
	}
	var err error
	if s != nil {
		e := &endpoint{socket: s, tunnel: t, local: local, remote: remote}
		if err = l.addEndpoint(e); err == nil {
			t.socket = e
		}
	}
	l.unblock(t)
	return err
}

// SetInbound makes in's SPI known.
func (l *Lane) SetInbound(in *Inbound) {
	l.inbound[in.ESP.SPI()] = in
	l.cached = nil
	if l.several() {
		l.group.spis.set(in.ESP.SPI(), in.Tunnel)
	}
}

// RemoveInbound forgets an SPI.
func (l *Lane) RemoveInbound(spi uint32) {
	delete(l.inbound, spi)
	l.cached = nil
	if l.several() {
		l.group.spis.set(spi, nil)
	}
}

// SetOutbound makes t send on out from now on; nil: t drops what it should send.
func (l *Lane) SetOutbound(t *Tunnel, out *Outbound) { t.out = out }

// RemoveOutbound stops t from sending on the child with that inbound SPI.
func (l *Lane) RemoveOutbound(t *Tunnel, child uint32) {
	if t.out != nil && t.out.Child == child {
		t.out = nil
	}
}

// RemoveTunnel forgets a tunnel: its socket, its SAs and what waits for it. Routes
// must have been replaced before.
func (l *Lane) RemoveTunnel(t *Tunnel) {
	if t.socket != nil {
		l.removeEndpoint(t.socket)
		t.socket = nil
	}
	t.out = nil
	for spi, in := range l.inbound {
		if in.Tunnel == t {
			l.RemoveInbound(spi)
		}
	}
	l.unblock(t) // without a socket what is sealed is dropped, and counted
	l.SetUplink(t, nil)
}

// SendKeepalive sends one byte that keeps a NAT's mapping (RFC 3948 §2.3). What
// becomes of it does not matter.
func (l *Lane) SendKeepalive(t *Tunnel) {
	if t.socket != nil {
		_, _ = t.socket.socket.Send([]byte{keepalive}, 1, 0)
	}
}

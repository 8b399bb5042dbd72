package ike

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// world is a simulated wire with machines on it, in virtual time. The same seed gives
// the same trace.
type world struct {
	t     testing.TB
	seed  uint64
	rng   *rand.Rand
	now   time.Time
	start time.Time
	nodes []*node
	wire  packets
	order int
	trace strings.Builder
	mute  bool // no trace

	espEvery time.Duration

	loss, dup          float64
	delayMin, delayMax time.Duration
	filter             func(p *packet) bool // false: lost

	strict    bool // ESP that meets no SA is an error
	delivered map[string]int
}

type packet struct {
	at       time.Time
	order    int
	from, to netip.AddrPort
	ike      []byte
	pieces   bool // IP may fragment it
	esp      *espPacket
}

type espPacket struct {
	spi    uint32
	keymat []byte
}

type packets []*packet

func (p packets) Len() int { return len(p) }
func (p packets) Less(i, j int) bool {
	return p[i].at.Before(p[j].at) || p[i].at.Equal(p[j].at) && p[i].order < p[j].order
}
func (p packets) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *packets) Push(x any)   { *p = append(*p, x.(*packet)) }
func (p *packets) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}

// node is one gateway: a machine and what its shell would hold.
type node struct {
	w        *world
	name     string
	addr     netip.AddrPort
	m        *Machine
	alive    bool
	births   int
	peers    []Peer
	limits   Limits
	packet   int // Config.MaxPacket
	log      *slog.Logger
	children map[uint32]*Child
	owner    map[uint32]PeerID
	using    map[PeerID]uint32
	extra    map[resource]uint32 // what additional children to send on
	endpoint map[PeerID]netip.AddrPort
	heard    map[uint32]time.Time
	up       map[PeerID]bool
	downs    []Down
	refused  []Refused
	probed   []PathProbed
	ups      int
	traffic  bool
	nextESP  time.Time
	sentIKE  int
	skew     time.Duration // of its clock
	unknown  int
}

// resource is one of a peer's that has an additional child.
type resource struct {
	id PeerID
	k  int
}

func newWorld(t testing.TB, seed uint64) *world {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &world{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), now: start, start: start,
		delayMin: 5 * time.Millisecond, delayMax: 15 * time.Millisecond, espEvery: 40 * time.Millisecond, delivered: map[string]int{}}
}

func (w *world) logf(format string, args ...any) {
	if w.mute {
		return
	}
	fmt.Fprintf(&w.trace, "%9.3f ", w.now.Sub(w.start).Seconds())
	fmt.Fprintf(&w.trace, format, args...)
	w.trace.WriteByte('\n')
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	trace := w.trace.String()
	if len(trace) > 12000 {
		trace = "…" + trace[len(trace)-12000:]
	}
	if w.mute {
		trace = fmt.Sprintf("run it again with -run TestSeeds -ike.seed=%d", w.seed)
	}
	w.t.Fatalf("seed %d at %v: %s\n%s", w.seed, w.now.Sub(w.start), fmt.Sprintf(format, args...), trace)
}

func (w *world) add(name, addr string, peers ...Peer) *node {
	n := &node{w: w, name: name, addr: netip.MustParseAddrPort(addr), peers: peers}
	w.nodes = append(w.nodes, n)
	n.boot()
	return n
}

// boot starts a fresh machine: all state of the one before is lost.
func (n *node) boot() {
	n.births++
	n.alive = true
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], n.w.seed)
	seed[8] = byte(n.births)
	copy(seed[9:], n.name)
	source := rand.NewChaCha8(seed)
	spi := uint32(n.births)<<24 | uint32(n.name[0])<<16 | 0x100
	n.m = New(Config{Rand: source, Log: n.log, Limits: n.limits, MaxPacket: n.packet, SPI: func() (uint32, error) { spi++; return spi, nil }})
	n.children, n.owner = map[uint32]*Child{}, map[uint32]PeerID{}
	n.using, n.endpoint = map[PeerID]uint32{}, map[PeerID]netip.AddrPort{}
	n.extra = map[resource]uint32{}
	n.heard, n.up = map[uint32]time.Time{}, map[PeerID]bool{}
	n.w.logf("%s boots", n.name)
	for _, p := range n.peers {
		n.step(AddPeer{p})
	}
}

func (n *node) kill() {
	n.w.logf("%s dies", n.name)
	n.alive = false
	n.m = nil
	n.children, n.using, n.extra = map[uint32]*Child{}, map[PeerID]uint32{}, map[resource]uint32{}
}

func (n *node) step(ev Event) {
	if !n.alive {
		return
	}
	for _, a := range n.m.Step(n.w.now.Add(n.skew), ev) {
		n.do(a)
	}
}

func (n *node) do(a Action) {
	w := n.w
	switch a := a.(type) {
	case Send:
		n.sentIKE++
		if !w.mute {
			w.logf("%s → %v %s", n.name, a.Remote, headline(a.Bytes))
		}
		w.transmit(&packet{from: n.addr, to: a.Remote, ike: a.Bytes})
		return
	case SendFragmentable:
		n.sentIKE++
		if !w.mute {
			w.logf("%s → %v %s, fragmentable", n.name, a.Remote, headline(a.Bytes))
		}
		w.transmit(&packet{from: n.addr, to: a.Remote, ike: a.Bytes, pieces: true})
		return
	case InstallChild:
		c := a.Child
		if n.children[c.Inbound.SPI] != nil {
			w.failf("%s installs %08x twice", n.name, c.Inbound.SPI)
		}
		if c.Replaces != 0 && n.children[c.Replaces] == nil {
			w.failf("%s: %08x replaces %08x, which is not there", n.name, c.Inbound.SPI, c.Replaces)
		}
		if c.Replaces != 0 && n.children[c.Replaces].Resource != c.Resource {
			w.failf("%s: %08x of resource %d replaces one of %d", n.name, c.Inbound.SPI, c.Resource, n.children[c.Replaces].Resource)
		}
		n.children[c.Inbound.SPI] = &c
		n.owner[c.Inbound.SPI] = a.ID
		w.logf("%s installs in %v out %v replaces %08x", n.name, c.Inbound, c.Outbound, c.Replaces)
		return
	case UseOutbound:
		if n.children[a.SPI] == nil || n.owner[a.SPI] != a.ID {
			w.failf("%s is to use %08x, which is not installed", n.name, a.SPI)
		}
		if a.Resource != n.children[a.SPI].Resource {
			w.failf("%s is to use %08x for resource %d, it is of %d", n.name, a.SPI, a.Resource, n.children[a.SPI].Resource)
		}
		if a.Resource > 0 {
			if !n.up[a.ID] {
				w.failf("%s is to use an additional child %08x while down", n.name, a.SPI)
			}
			n.extra[resource{a.ID, a.Resource}] = a.SPI
			break
		}
		n.using[a.ID] = a.SPI
	case StopOutbound:
		if a.Resource == 0 || n.extra[resource{a.ID, a.Resource}] == 0 {
			w.failf("%s is to stop sending for resource %d, which it does not", n.name, a.Resource)
		}
		delete(n.extra, resource{a.ID, a.Resource})
	case RemoveChild:
		if n.children[a.SPI] == nil {
			w.failf("%s is to remove %08x, which is not installed", n.name, a.SPI)
		}
		delete(n.children, a.SPI)
		if n.using[a.ID] == a.SPI {
			delete(n.using, a.ID)
		}
		if r := (resource{a.ID, a.Resource}); n.extra[r] == a.SPI {
			delete(n.extra, r)
		}
	case Up:
		n.up[a.ID] = true
		n.ups++
	case Down:
		for spi, owner := range n.owner {
			if c := n.children[spi]; owner == a.ID && c != nil && n.sendsOn(a.ID, c.Resource) == spi {
				w.failf("%s: Down while sending on %08x", n.name, spi)
			}
		}
		n.up[a.ID] = false
		n.downs = append(n.downs, a)
	case PathProbed:
		n.probed = append(n.probed, a)
	case Refused:
		n.refused = append(n.refused, a)
	case Endpoint:
		n.endpoint[a.ID] = a.Remote
	}
	w.logf("%s %T%+v", n.name, a, a)
}

func headline(b []byte) string {
	if len(b) < 28 {
		return fmt.Sprintf("%d bytes", len(b))
	}
	return fmt.Sprintf("exchange %d flags %02x id %d, %d bytes", b[18], b[19], binary.BigEndian.Uint32(b[20:]), len(b))
}

func (w *world) transmit(p *packet) {
	if w.filter != nil && !w.filter(p) {
		return
	}
	copies := 1
	if w.rng.Float64() < w.loss {
		copies--
	}
	if w.rng.Float64() < w.dup {
		copies++
	}
	for range copies {
		q := *p
		w.order++
		q.order = w.order
		q.at = w.now.Add(w.delayMin + time.Duration(w.rng.Int64N(int64(w.delayMax-w.delayMin)+1)))
		heap.Push(&w.wire, &q)
	}
}

func (w *world) nodeAt(a netip.AddrPort) *node {
	for _, n := range w.nodes {
		if n.addr == a {
			return n
		}
	}
	return nil
}

func (w *world) deliver(p *packet) {
	n := w.nodeAt(p.to)
	if n == nil || !n.alive {
		return
	}
	if p.ike != nil {
		n.step(Datagram{Local: n.addr, Remote: p.from, Bytes: bytes.Clone(p.ike)})
		return
	}
	c := n.children[p.esp.spi]
	if c == nil {
		n.unknown++
		w.logf("%s has no SA %08x", n.name, p.esp.spi)
		if w.strict {
			w.failf("%s got ESP for %08x, which is not installed", n.name, p.esp.spi)
		}
		n.step(UnknownSPI{Local: n.addr, Remote: p.from, SPI: p.esp.spi})
		return
	}
	if !bytes.Equal(c.Inbound.Keymat, p.esp.keymat) {
		w.failf("%s: the keys of %08x differ", n.name, p.esp.spi)
	}
	w.delivered[n.name]++
	id := n.owner[p.esp.spi]
	if at, ok := n.heard[p.esp.spi]; !ok || w.now.Sub(at) >= time.Second {
		n.heard[p.esp.spi] = w.now
		n.step(Heard{ID: id, SPI: p.esp.spi})
	}
	if n.alive && n.endpoint[id].IsValid() && n.endpoint[id] != p.from {
		n.step(Moved{ID: id, Local: n.addr, Remote: p.from})
	}
}

// sendsOn is the inbound SPI of what n sends on for a resource, or 0.
func (n *node) sendsOn(id PeerID, k int) uint32 {
	if k == 0 {
		return n.using[id]
	}
	return n.extra[resource{id, k}]
}

// sendESP sends one packet to every peer on each child that there is.
func (n *node) sendESP() {
	for _, p := range n.peers {
		for k := range p.Extra + 1 {
			if c := n.children[n.sendsOn(p.ID, k)]; c != nil {
				n.sendOn(p.ID, c)
			}
		}
	}
}

func (n *node) sendOn(id PeerID, c *Child) {
	if n.w.strict {
		if to := n.w.nodeAt(n.endpoint[id]); to != nil && to.children[c.Outbound.SPI] == nil {
			n.w.failf("%s sends on %08x before %s has it", n.name, c.Outbound.SPI, to.name)
		}
	}
	n.w.transmit(&packet{from: n.addr, to: n.endpoint[id], esp: &espPacket{c.Outbound.SPI, c.Outbound.Keymat}})
}

// run lets d of virtual time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for w.stepUntil(end) {
	}
	w.now = end
}

// stepUntil does the next thing that is due before end, and tells whether there was one.
func (w *world) stepUntil(end time.Time) bool {
	at := end
	var do func()
	if len(w.wire) > 0 && w.wire[0].at.Before(at) {
		at = w.wire[0].at
		do = func() { w.deliver(heap.Pop(&w.wire).(*packet)) }
	}
	for _, n := range w.nodes {
		if !n.alive {
			continue
		}
		if dl := n.m.Deadline(); !dl.IsZero() && dl.Add(-n.skew).Before(at) {
			at = dl.Add(-n.skew)
			do = func() { n.step(Tick{}) }
		}
		if n.traffic {
			if n.nextESP.Before(w.now) {
				n.nextESP = w.now
			}
			if n.nextESP.Before(at) {
				at = n.nextESP
				do = func() { n.nextESP = n.nextESP.Add(w.espEvery); n.sendESP() }
			}
		}
	}
	if do == nil {
		return false
	}
	if at.After(w.now) {
		w.now = at
	}
	do()
	return true
}

// until runs until ok holds and gives how long it took.
func (w *world) until(limit time.Duration, what string, ok func() bool) time.Duration {
	w.t.Helper()
	from, end := w.now, w.now.Add(limit)
	for !ok() {
		if !w.stepUntil(end) {
			w.failf("%s: not within %v", what, limit)
		}
	}
	return w.now.Sub(from)
}

// quiet checks what must hold once all has settled: one IKE SA, one child pair and the
// additional ones between every two peers that know each other, and nothing left over.
func (w *world) quiet() {
	w.t.Helper()
	for _, n := range w.nodes {
		want, children := 0, 0
		for _, cfg := range n.peers {
			o := w.partner(cfg)
			if o == nil || !o.alive {
				continue
			}
			want++
			children += 1 + min(cfg.Extra, o.peerOf(cfg).Extra)
			w.quietPeer(n, o, cfg)
		}
		if len(n.m.sas) != want || n.m.halfOpen.open != 0 || len(n.m.halfOpen.perAddr) != 0 || len(n.children) != children {
			w.failf("%s has %d IKE SAs, %d children and %d half-open ones, want %d, %d and 0", n.name,
				len(n.m.sas), len(n.children), n.m.halfOpen.open, want, children)
		}
	}
}

func (w *world) quietPeer(n, o *node, cfg Peer) {
	w.t.Helper()
	back := o.peerOf(cfg)
	p, q := n.m.peers[cfg.ID], o.m.peers[back.ID]
	extra := min(cfg.Extra, back.Extra)
	if len(p.sas) != 1 || p.attempt != nil || p.using == nil || len(p.children) != 1+extra || !p.up || !n.up[cfg.ID] {
		w.failf("%s has %d SAs, attempt %v, %d children, up %v", n.name, len(p.sas), p.attempt != nil, len(p.children), p.up)
	}
	if len(q.sas) != 1 || p.sas[0].spiI != q.sas[0].spiI || p.sas[0].spiR != q.sas[0].spiR || p.sas[0].initiator == q.sas[0].initiator {
		w.failf("%s and %s do not have the same IKE SA", n.name, o.name)
	}
	for k := range extra + 1 {
		w.quietChild(n, o, n.children[n.sendsOn(cfg.ID, k)], o.children[o.sendsOn(back.ID, k)], k)
	}
	if n.endpoint[cfg.ID] != o.addr {
		w.failf("%s sends to %v, %s is at %v", n.name, n.endpoint[cfg.ID], o.name, o.addr)
	}
	st := n.m.Status(cfg.ID)
	if st.State != StateUp || len(st.Children) != 1+extra || st.Reason.Code != ReasonNone ||
		slices.ContainsFunc(st.Children, func(c ChildStatus) bool { return !c.Sending || c.Leaving }) {
		w.failf("status of %s: %+v", n.name, st)
	}
}

// quietChild checks that two ends have the same child of a resource.
func (w *world) quietChild(n, o *node, c, d *Child, k int) {
	w.t.Helper()
	if c == nil || d == nil {
		w.failf("%s or %s sends on nothing for resource %d", n.name, o.name, k)
	}
	if c.Opener == d.Opener {
		w.failf("%s and %s do not agree on who began", n.name, o.name)
	}
	if c.Resource != k || d.Resource != k {
		w.failf("%s and %s send on children of resources %d and %d for %d", n.name, o.name, c.Resource, d.Resource, k)
	}
	if c.Outbound.SPI != d.Inbound.SPI || c.Inbound.SPI != d.Outbound.SPI ||
		!bytes.Equal(c.Outbound.Keymat, d.Inbound.Keymat) || !bytes.Equal(c.Inbound.Keymat, d.Outbound.Keymat) ||
		bytes.Equal(c.Inbound.Keymat, c.Outbound.Keymat) || len(c.Inbound.Keymat) != c.Inbound.Suite.KeyLen() ||
		c.Inbound.Suite != d.Outbound.Suite || c.Inbound.ESN != d.Outbound.ESN {
		w.failf("%s and %s have different children: %v %v and %v %v", n.name, o.name, c.Inbound, c.Outbound, d.Inbound, d.Outbound)
	}
	if !slices.Equal(c.Local, d.Remote) || !slices.Equal(c.Remote, d.Local) {
		w.failf("%s and %s have different selectors", n.name, o.name)
	}
}

// partner is the node whose peers include the other end of cfg.
func (w *world) partner(cfg Peer) *node {
	for _, n := range w.nodes {
		for _, p := range n.peers {
			if p.LocalID == cfg.RemoteID && p.RemoteID == cfg.LocalID {
				return n
			}
		}
	}
	return nil
}

func (n *node) peerOf(cfg Peer) Peer {
	for _, p := range n.peers {
		if p.LocalID == cfg.RemoteID {
			return p
		}
	}
	return Peer{}
}

// pair is two gateways that know each other.
func pair(w *world, change func(a, b *Peer)) (a, b *node) {
	pa, pb := pairConfig()
	if change != nil {
		change(&pa, &pb)
	}
	return w.add("a", addrA, pa), w.add("b", addrB, pb)
}

const (
	addrA = "192.0.2.1:4500"
	addrB = "192.0.2.2:4500"
)

var testPSK = []byte("correct horse battery staple")

// pairConfig is two ends that have no IKE_INTERMEDIATE, so that IKE_AUTH is message 1.
func pairConfig() (a, b Peer) {
	idA, idB := mustID("gw-a.example"), mustID("gw-b.example")
	netA, netB := selectors("10.1.0.0/16", "2001:db8:1::/48"), selectors("10.2.0.0/16", "2001:db8:2::/48")
	a = Peer{ID: 1, Name: "b", Remote: netip.MustParseAddrPort(addrB), LocalID: idA, RemoteID: idB,
		Auth: Auth{PSK: testPSK}, Local: netA, Remotes: netB, ESN: true, NoMLKEM: true}
	b = Peer{ID: 7, Name: "a", Remote: netip.MustParseAddrPort(addrA), LocalID: idB, RemoteID: idA,
		Auth: Auth{PSK: testPSK}, Local: netB, Remotes: netA, ESN: true, NoMLKEM: true}
	return a, b
}

func mustID(s string) Identity {
	id, err := ParseIdentity(s)
	if err != nil {
		panic(err)
	}
	return id
}

func selectors(list ...string) []Selector {
	var out []Selector
	for _, s := range list {
		out = append(out, SelectorOf(netip.MustParsePrefix(s)))
	}
	return out
}

func (n *node) connect() { n.step(Connect{ID: n.peers[0].ID, Local: n.addr}) }

func (n *node) ready() bool {
	_, ok := n.using[n.peers[0].ID]
	return ok
}

func traceLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: LevelTrace}))
}

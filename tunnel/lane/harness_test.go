package lane

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"vpngw/crypto/esp"
	"vpngw/crypto/ike"
	"vpngw/offload"
	"vpngw/offload/udp"
	"vpngw/tunnel/drop"
)

// readiness is a descriptor whose EPOLLIN and EPOLLOUT a test switches: one end of
// a pair of stream sockets.
type readiness struct {
	own, peer      int
	readable, full bool
	buf            [1]byte
}

func newReadiness(t testing.TB) *readiness {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &readiness{own: pair[0], peer: pair[1]}
	t.Cleanup(func() { unix.Close(r.peer); unix.Close(r.own) })
	return r
}

func (r *readiness) setReadable(on bool) {
	if r.readable == on {
		return
	}
	r.readable = on
	if on {
		unix.Write(r.peer, r.buf[:])
	} else {
		unix.Read(r.own, r.buf[:])
	}
}

func (r *readiness) setWritable(on bool) {
	if r.full == !on {
		return
	}
	r.full = !on
	buf := make([]byte, 64<<10)
	for err := error(nil); err == nil; {
		if on {
			_, err = unix.Read(r.peer, buf)
		} else {
			_, err = unix.Write(r.own, buf)
		}
	}
}

// fakeTUN is a TUN device of which the test is the kernel.
type fakeTUN struct {
	mu    sync.Mutex
	ready *readiness
	in    [][]byte
	head  int
	out   [][]byte // what was written, virtio header first

	discard  bool // keep nothing of what is written
	readErr  error
	writeErr func(vecs [][]byte) error // nil: all is taken
}

func newFakeTUN(t testing.TB) *fakeTUN { return &fakeTUN{ready: newReadiness(t)} }

func (f *fakeTUN) FD() int { return f.ready.own }

// push gives packets to be read. They are not copied.
func (f *fakeTUN) push(packets ...[]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.head == len(f.in) {
		f.in, f.head = f.in[:0], 0
	}
	f.in = append(f.in, packets...)
	f.ready.setReadable(true)
}

func (f *fakeTUN) Read(buf []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readErr != nil {
		return 0, f.readErr
	}
	if f.head == len(f.in) {
		f.in, f.head = f.in[:0], 0
		f.ready.setReadable(false)
		return 0, unix.EAGAIN
	}
	n := copy(buf, f.in[f.head])
	f.head++
	return n, nil
}

func (f *fakeTUN) Write(vecs [][]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writeErr != nil {
		if err := f.writeErr(vecs); err != nil {
			return err
		}
	}
	if f.discard {
		return nil
	}
	var b []byte
	for _, v := range vecs {
		b = append(b, v...)
	}
	f.out = append(f.out, b)
	return nil
}

// written takes what was written so far.
func (f *fakeTUN) written() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.out
	f.out = nil
	return out
}

// arrival is what one receive returns.
type arrival struct {
	b    []byte
	size int
	from netip.AddrPort
	to   netip.Addr
	err  error
}

// fakeSocket is a UDP socket of which the test is the wire.
type fakeSocket struct {
	mu            sync.Mutex
	ready         *readiness
	local, remote netip.AddrPort
	in            []arrival
	head          int
	sent          [][]byte // datagrams
	trains        []int    // datagrams of each send
	peer          *fakeSocket
	discard       bool
	send          func(b []byte, size int) (udp.SendResult, error) // instead of taking all
	closes        int
}

func newFakeSocket(t testing.TB, local, remote string) *fakeSocket {
	return &fakeSocket{ready: newReadiness(t), local: netip.MustParseAddrPort(local), remote: netip.MustParseAddrPort(remote)}
}

func (f *fakeSocket) FD() int { return f.ready.own }

func (f *fakeSocket) Close() error {
	f.closes++
	// As closing it would do; the descriptor itself is the test's to close.
	return nil
}

// arrive gives datagrams to be received by one call, back to back, from the peer.
func (f *fakeSocket) arrive(size int, b []byte) {
	f.arriveFrom(arrival{b: b, size: size, from: f.remote, to: f.local.Addr()})
}

func (f *fakeSocket) arriveFrom(a arrival) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in = append(f.in, a)
	f.ready.setReadable(true)
}

func (f *fakeSocket) Recv(buf []byte, d *udp.Datagrams) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.head == len(f.in) {
		f.in, f.head = f.in[:0], 0
		f.ready.setReadable(false)
		return udp.ErrWouldBlock
	}
	a := &f.in[f.head]
	f.head++
	if a.err != nil {
		return a.err
	}
	*d = udp.Datagrams{Bytes: buf[:copy(buf, a.b)], Size: a.size, From: a.from, To: a.to}
	return nil
}

func (f *fakeSocket) Send(b []byte, size int) (udp.SendResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.send != nil {
		res, err := f.send(b, size)
		f.record(b[:res.Sent], size)
		return res, err
	}
	f.record(b, size)
	return udp.SendResult{Sent: len(b), Done: len(b)}, nil
}

func (f *fakeSocket) record(b []byte, size int) {
	if f.discard || len(b) == 0 {
		return
	}
	if f.peer != nil {
		f.peer.arriveFrom(arrival{b: append([]byte(nil), b...), size: size, from: f.local, to: f.remote.Addr()})
	}
	f.trains = append(f.trains, (len(b)+size-1)/size)
	for len(b) > 0 {
		n := min(size, len(b))
		f.sent = append(f.sent, append([]byte(nil), b[:n]...))
		b = b[n:]
	}
}

// gate is a lane with a fake TUN.
type gate struct {
	t    testing.TB
	lane *Lane
	tun  *fakeTUN
}

var glueAll = offload.CoalesceOptions{TCP4: true, TCP6: true, UDP4: true, UDP6: true}

func newGate(t testing.TB) *gate { return newGateOf(t, 16<<20) }

func newGateOf(t testing.TB, queue int) *gate {
	t.Helper()
	l, err := New(Config{Coalesce: glueAll, QueueLimit: queue})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	g := &gate{t: t, lane: l, tun: newFakeTUN(t)}
	if err := l.SetTUN(g.tun); err != nil {
		t.Fatal(err)
	}
	return g
}

// step polls once and does one turn.
func (g *gate) step() {
	g.t.Helper()
	if err := g.lane.poll(false); err != nil {
		g.t.Fatal(err)
	}
	g.lane.turn()
}

// settle turns until the lane would sleep.
func (g *gate) settle() {
	g.t.Helper()
	for range 10000 {
		g.step()
		if len(g.lane.ready) == 0 && !g.lane.tunReady && !g.lane.pending.Load() {
			return
		}
	}
	g.t.Fatal("the lane does not come to rest")
}

// events takes the tunnels' events given so far.
func (g *gate) events() []Event { return drain(g.lane.events) }

func (g *gate) strangers() []Event { return drain(g.lane.strangers) }

func drain(c chan Event) (all []Event) {
	for len(c) > 0 {
		all = append(all, <-c)
	}
	return all
}

// site is one end of a tunnel between two fake sockets, with the peer's SAs in the
// test's hand unless two gates are joined.
type site struct {
	*Tunnel
	socket  *fakeSocket
	in      *Inbound
	out     *Outbound
	peerOut *esp.Outbound // seals what in opens
	peerIn  *esp.Inbound  // opens what out seals
}

func keymat(s esp.Suite, seed byte) []byte {
	k := make([]byte, s.KeyLen())
	for i := range k {
		k[i] = byte(i)*31 + seed
	}
	return k
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func selectors(prefixes ...string) []ike.Selector {
	var s []ike.Selector
	for _, p := range prefixes {
		s = append(s, ike.SelectorOf(netip.MustParsePrefix(p)))
	}
	return s
}

// Every tunnel n has 10.n.0.0/17 and fd00:n::/33 on one side, 10.n.128.0/17 and
// fd00:n:8000::/33 on the other.
func subnets(n int, far bool) []ike.Selector {
	third, group := byte(0), byte(0)
	if far {
		third, group = 128, 0x80
	}
	four := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n), third, 0}), 17)
	six := netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0, 0, byte(n), group}), 33)
	return []ike.Selector{ike.SelectorOf(four), ike.SelectorOf(six)}
}

func host4(n int, far bool) netip.Addr {
	a := [4]byte{10, byte(n), 0, 1}
	if far {
		a[2] = 128
	}
	return netip.AddrFrom4(a)
}

func host6(n int, far bool) netip.Addr {
	a := [16]byte{0xfd, 0, 0, byte(n), 15: 1}
	if far {
		a[4] = 0x80
	}
	return netip.AddrFrom16(a)
}

// site adds tunnel n to the gate: far is whose side the gate is on.
func (g *gate) site(n int, far bool) *site {
	g.t.Helper()
	suite := []esp.Suite{esp.AES256GCM, esp.AES128GCM, esp.ChaCha20Poly1305}[n%3]
	s := &site{Tunnel: NewTunnel(uint32(n), "tunnel", 1, 4<<20)}
	here, there := byte(1), byte(2)
	if far {
		here, there = there, here
	}
	spi := func(side byte) uint32 { return 0x1000*uint32(side) + uint32(n) }
	key := func(side byte) []byte { return keymat(suite, side+byte(n)*2) }
	local, remote := subnets(n, far), subnets(n, !far)
	s.in = &Inbound{ESP: must(esp.NewInbound(suite, spi(here), key(here), true)), Policy: NewPolicy(local, remote), Tunnel: s.Tunnel}
	s.out = &Outbound{ESP: must(esp.NewOutbound(suite, spi(there), key(there), true)), Policy: NewPolicy(local, remote), Child: spi(here)}
	s.peerOut = must(esp.NewOutbound(suite, spi(here), key(here), true))
	s.peerIn = must(esp.NewInbound(suite, spi(there), key(there), true))
	address := func(side byte) string {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, side, byte(n)}), 4500).String()
	}
	s.socket = newFakeSocket(g.t, address(here), address(there))
	if err := g.lane.SetSocket(s.Tunnel, s.socket, s.socket.local, s.socket.remote); err != nil {
		g.t.Fatal(err)
	}
	g.lane.SetInbound(s.in)
	g.lane.SetOutbound(s.Tunnel, s.out)
	routes := g.lane.routes.Clone()
	if far {
		routes.Insert(netip.PrefixFrom(host4(n, false), 17).Masked(), s.Tunnel)
		routes.Insert(netip.PrefixFrom(host6(n, false), 33).Masked(), s.Tunnel)
	} else {
		routes.Insert(netip.PrefixFrom(host4(n, true), 17).Masked(), s.Tunnel)
		routes.Insert(netip.PrefixFrom(host6(n, true), 33).Masked(), s.Tunnel)
	}
	g.lane.SetRoutes(routes)
	return s
}

// join lays a wire between the two ends of a tunnel.
func join(a, b *site) { a.socket.peer, b.socket.peer = b.socket, a.socket }

// seal makes an ESP datagram that the site opens.
func (s *site) seal(packet []byte) []byte {
	next := uint8(nextIPv4)
	if len(packet) > 0 && packet[0]>>4 == 6 {
		next = nextIPv6
	}
	return s.sealAs(packet, next)
}

func (s *site) sealAs(packet []byte, next uint8) []byte { return sealOn(s.peerOut, packet, next) }

func sealOn(o *esp.Outbound, packet []byte, next uint8) []byte {
	room := append(append(make([]byte, 0, len(packet)+esp.MaxTrailer), packet...), make([]byte, esp.MaxTrailer)...)
	dst := make([]byte, esp.SealedLen(len(packet)))
	must(o.Seal(dst, room[:len(packet)], next))
	return dst
}

// opened opens what the site has sent since the last call.
func (s *site) opened(t testing.TB) (packets [][]byte) {
	t.Helper()
	s.socket.mu.Lock()
	sent := s.socket.sent
	s.socket.sent = nil
	s.socket.mu.Unlock()
	for i, d := range sent {
		p, next, err := s.peerIn.Open(d)
		if err != nil {
			t.Fatalf("datagram %d sent: %v", i, err)
		}
		if want := map[byte]uint8{4: nextIPv4, 6: nextIPv6}[p[0]>>4]; next != want {
			t.Fatalf("datagram %d sent: next header %d, want %d", i, next, want)
		}
		packets = append(packets, p)
	}
	return packets
}

// flow makes the packets of one inner flow.
type flow struct {
	src, dst         netip.Addr
	udp              bool
	srcPort, dstPort uint16
	id               uint16
	seq              uint32
}

// packet returns one whole packet with right checksums, built by gopacket.
func (f *flow) packet(payload []byte, push bool) []byte {
	var ip interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	}
	proto := layers.IPProtocolTCP
	if f.udp {
		proto = layers.IPProtocolUDP
	}
	if f.src.Is4() {
		ip = &layers.IPv4{Version: 4, TTL: 64, Id: f.id, Flags: layers.IPv4DontFragment, Protocol: proto, SrcIP: f.src.AsSlice(), DstIP: f.dst.AsSlice()}
	} else {
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: f.src.AsSlice(), DstIP: f.dst.AsSlice()}
	}
	buf := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	var err error
	if f.udp {
		l4 := &layers.UDP{SrcPort: layers.UDPPort(f.srcPort), DstPort: layers.UDPPort(f.dstPort)}
		_ = l4.SetNetworkLayerForChecksum(ip)
		err = gopacket.SerializeLayers(buf, options, ip, l4, gopacket.Payload(payload))
	} else {
		l4 := &layers.TCP{SrcPort: layers.TCPPort(f.srcPort), DstPort: layers.TCPPort(f.dstPort), Seq: f.seq, Ack: 7, ACK: true, PSH: push, Window: 501}
		_ = l4.SetNetworkLayerForChecksum(ip)
		err = gopacket.SerializeLayers(buf, options, ip, l4, gopacket.Payload(payload))
	}
	if err != nil {
		panic(err)
	}
	f.id++
	f.seq += uint32(len(payload))
	return append([]byte(nil), buf.Bytes()...)
}

// plain is packet as read from a TUN.
func (f *flow) plain(payload []byte) []byte {
	return append(make([]byte, offload.VirtioHeaderLen), f.packet(payload, false)...)
}

// super is a superpacket as read from a TUN: segments of size bytes of payload.
func (f *flow) super(payload []byte, size int) []byte {
	p := f.packet(payload, true)
	f.id += uint16((len(payload)+size-1)/size - 1)
	l4, addresses, proto, field := 20, p[12:20], byte(6), 16
	kind := offload.GSOTCPv4
	if f.src.Is6() {
		l4, addresses, kind = 40, p[8:40], offload.GSOTCPv6
	}
	if f.udp {
		proto, field, kind = 17, 6, offload.GSOUDPL4
	}
	sum := uint32(proto) + uint32(len(p)-l4)
	for i := 0; i < len(addresses); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(addresses[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(p[l4+field:], uint16(sum))
	b := make([]byte, offload.VirtioHeaderLen, offload.VirtioHeaderLen+len(p))
	(&offload.VirtioHeader{Flags: offload.FlagNeedsCsum, GSOType: kind, GSOSize: uint16(size), CsumStart: uint16(l4), CsumOffset: uint16(field)}).Encode(b)
	return append(b, p...)
}

// cut gives the packets that a superpacket, virtio header first, stands for.
func cut(t testing.TB, b []byte) (packets [][]byte) {
	t.Helper()
	b = append([]byte(nil), b...)
	var vh offload.VirtioHeader
	vh.Decode(b)
	var s offload.Segmenter
	if err := s.Reset(vh, b[offload.VirtioHeaderLen:]); err != nil {
		t.Fatalf("not a superpacket: %v", err)
	}
	for p := s.Next(); p != nil; p = s.Next() {
		packets = append(packets, append([]byte(nil), p...))
	}
	return packets
}

func bytesOf(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(uint32(i)*2654435761>>23) ^ seed
	}
	return b
}

// tcp4 is a TCP flow through tunnel n from the near to the far side.
func tcp4(n int, port uint16) *flow {
	return &flow{src: host4(n, false), dst: host4(n, true), srcPort: port, dstPort: 80, id: 100, seq: 1 << 31}
}

// back is the flow in the other direction.
func (f *flow) back() *flow {
	return &flow{src: f.dst, dst: f.src, udp: f.udp, srcPort: f.dstPort, dstPort: f.srcPort, id: 5, seq: 9}
}

// wantDrops checks all counters, also those that should be zero.
func wantDrops(t testing.TB, c *drop.Counters, want map[drop.Reason]int) {
	t.Helper()
	for r := range drop.Count {
		if got := c.Get(r); got != uint64(want[r]) {
			t.Errorf("%v counts %d, want %d", r, got, want[r])
		}
	}
}

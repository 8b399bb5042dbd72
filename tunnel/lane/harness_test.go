package lane

import (
	"net/netip"
	"testing"
	"time"

	"vpngw/crypto/esp"
	"vpngw/crypto/ike"
	"vpngw/offload"
	"vpngw/tunnel/drop"
)

// gate is a lane with a fake TUN.
type gate struct {
	t      testing.TB
	lane   *Lane
	tun    *fakeTUN
	uplink *Uplink
}

var glueAll = offload.CoalesceOptions{TCP4: true, TCP6: true, UDP4: true, UDP6: true}

func newGate(t testing.TB) *gate { return newGateOf(t, 16<<20) }

func newGateOf(t testing.TB, queue int) *gate {
	t.Helper()
	l, err := New(Config{Coalesce: glueAll})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	g := &gate{t: t, lane: l, tun: newFakeTUN(t), uplink: l.AddUplink(UplinkConfig{Name: "wan", Limit: queue, Target: time.Hour})}
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
		if g.lane.rests() && g.lane.wakeTime() == 0 {
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
	s := &site{Tunnel: NewTunnel(uint32(n), "tunnel", TunnelQueue{Weight: 1, Limit: 4 << 20})}
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
	g.lane.SetUplink(s.Tunnel, g.uplink)
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

// wantDrops checks all counters, also those that should be zero.
func wantDrops(t testing.TB, c *drop.Counters, want map[drop.Reason]int) {
	t.Helper()
	for r := range drop.Count {
		if got := c.Get(r); got != uint64(want[r]) {
			t.Errorf("%v counts %d, want %d", r, got, want[r])
		}
	}
}

package lane

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/offload/udp"
	"vpngw/tunnel/drop"
)

// of gives the events of one kind.
func of[T Event](events []Event) (some []T) {
	for _, e := range events {
		if e, ok := e.(T); ok {
			some = append(some, e)
		}
	}
	return some
}

// passes makes the lane's clock go on.
func (g *gate) passes(d time.Duration) { g.lane.started = g.lane.started.Add(-d) }

// receive has the site receive one packet, from its peer or else from elsewhere.
func (s *site) receive(g *gate, from *netip.AddrPort) []byte {
	d := s.seal(tcp4(int(s.ID), 5).back().packet(nil, false))
	s.arrives(g, d, from)
	return d
}

func (s *site) arrives(g *gate, d []byte, from *netip.AddrPort) {
	a := arrival{b: append([]byte(nil), d...), size: len(d), from: s.socket.remote, to: s.socket.local.Addr()}
	if from != nil {
		a.from = *from
	}
	s.socket.arriveFrom(a)
	g.settle()
}

func TestHeardAtOnceAndThenOnceASecond(t *testing.T) {
	g := newGate(t)
	a, b := g.site(1, false), g.site(2, false)
	want := func(when string, tunnels ...*Tunnel) {
		t.Helper()
		var got []*Tunnel
		for _, e := range of[Heard](g.events()) {
			got = append(got, e.Tunnel)
			if want := uint32(0x1000) + e.Tunnel.ID; e.SPI != want {
				t.Errorf("%s: heard on SPI %#x, want %#x", when, e.SPI, want)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(tunnels) {
			t.Errorf("%s: %d events of the wrong tunnels or number, want %d", when, len(got), len(tunnels))
		}
	}
	forged := a.seal(tcp4(1, 5).back().packet(nil, false))
	forged[30] ^= 1
	a.arrives(g, forged, nil)
	want("forged")
	a.receive(g, nil)
	want("first packet", a.Tunnel)
	for range 50 {
		a.receive(g, nil)
	}
	want("within the second")
	b.receive(g, nil)
	want("another SA", b.Tunnel)
	g.passes(time.Second)
	a.receive(g, nil)
	a.receive(g, nil)
	want("a second later", a.Tunnel)
	dummy := b.sealAs(nil, nextDummy)
	b.arrives(g, dummy, nil)
	want("a dummy packet", b.Tunnel)
	if got := b.Counters.PacketsIn.Load(); got != 1 {
		t.Errorf("%d packets count as received, want 1: a dummy is none", got)
	}
}

func TestMovedOnlyByTheNewestAuthentic(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	g.passes(time.Second)
	elsewhere := netip.MustParseAddrPort("198.51.100.9:999")
	moved := func(when string, n int) []Moved {
		t.Helper()
		got := of[Moved](g.events())
		if len(got) != n {
			t.Errorf("%s: told %d times that the peer moved, want %d", when, len(got), n)
		}
		return got
	}
	first := s.receive(g, nil)
	moved("from where it was", 0)
	s.arrives(g, first, &elsewhere)
	moved("replayed", 0)
	forged := s.seal(tcp4(1, 5).back().packet(nil, false))
	forged[30] ^= 1
	s.arrives(g, forged, &elsewhere)
	moved("forged", 0)
	late := s.seal(tcp4(1, 5).back().packet(nil, false))
	s.receive(g, nil)
	s.arrives(g, late, &elsewhere)
	moved("authentic but not the newest", 0)
	s.receive(g, &elsewhere)
	for _, m := range moved("newest", 1) {
		if m.Tunnel != s.Tunnel || m.Remote != elsewhere || m.Local != s.socket.local {
			t.Errorf("moved from %v to %v, want %v to %v", m.Local, m.Remote, s.socket.local, elsewhere)
		}
	}
	for range 100 {
		s.receive(g, &elsewhere)
	}
	moved("again at once", 0)
	g.passes(time.Second)
	s.receive(g, &elsewhere)
	moved("again later", 1)

	// At the listener the local address is the one that the datagram came to.
	l := listener(g)
	g.passes(time.Second)
	d := s.seal(tcp4(1, 5).back().packet(nil, false))
	l.arriveFrom(arrival{b: d, size: len(d), from: elsewhere, to: netip.MustParseAddr("192.0.1.200")})
	g.settle()
	for _, m := range moved("at the listener", 1) {
		if want := netip.MustParseAddrPort("192.0.1.200:4500"); m.Local != want {
			t.Errorf("the local address is %v, want %v", m.Local, want)
		}
	}
	// Once control has followed, no more.
	s.socket = newFakeSocket(t, "192.0.1.1:4500", elsewhere.String())
	if err := g.lane.SetSocket(s.Tunnel, s.socket, s.socket.local, s.socket.remote); err != nil {
		t.Fatal(err)
	}
	g.passes(time.Second)
	s.receive(g, nil)
	moved("followed", 0)
}

func TestIKEComesToItsInbox(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	l := listener(g)
	body := bytesOf(300, 1)
	message := append(make([]byte, nonESPMarkLen), body...)
	s.socket.arrive(len(message), append([]byte(nil), message...))
	l.arriveFrom(arrival{b: append([]byte(nil), message...), size: len(message), from: l.remote, to: netip.MustParseAddr("192.0.1.200")})
	s.socket.arrive(1, []byte{keepalive})
	l.arrive(1, []byte{keepalive})
	g.settle()
	clear(g.lane.buffer) // the events have copies
	for _, c := range []struct {
		events []Event
		want   IKE
	}{
		{g.events(), IKE{s.Tunnel, s.socket.local, s.socket.remote, body}},
		{g.strangers(), IKE{nil, netip.MustParseAddrPort("192.0.1.200:4500"), l.remote, body}},
	} {
		got := of[IKE](c.events)
		if len(got) != 1 || len(c.events) != 1 {
			t.Fatalf("%d events, %d of them IKE, want 1 and 1", len(c.events), len(got))
		}
		e := got[0]
		if e.Tunnel != c.want.Tunnel || e.Local != c.want.Local || e.Remote != c.want.Remote || !bytes.Equal(e.Bytes, body) {
			t.Errorf("got %v from %v to %v of %d bytes, want %v to %v", e.Tunnel, e.Remote, e.Local, len(e.Bytes), c.want.Remote, c.want.Local)
		}
	}
	if got := s.Counters.KeepalivesIn.Load(); got != 1 {
		t.Errorf("%d keepalives counted, want 1", got)
	}
	wantDrops(t, &s.Counters.Drops, nil)
	wantDrops(t, &g.lane.counters.Drops, nil)
}

// TestFloodLosesNoOthersEvents: junk on the listener leaves room for IKE messages there,
// and all of it leaves the tunnels' inbox alone.
func TestFloodLosesNoOthersEvents(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	l := listener(g)
	junk := make([]byte, 60)
	junk[0] = 9
	message := append(make([]byte, nonESPMarkLen), bytesOf(40, 1)...)
	for range 2 * inboxLen {
		l.arrive(len(junk), append([]byte(nil), junk...))
	}
	l.arrive(len(message), message)
	g.settle()
	strangers := g.strangers()
	unknown := of[UnknownSPI](strangers)
	if len(of[IKE](strangers)) != 1 {
		t.Error("the IKE message was lost among junk")
	}
	if len(unknown) == 0 || unknown[0].SPI != 9<<24 || unknown[0].Remote != l.remote {
		t.Errorf("unknown SPIs are told as %v", unknown)
	}
	for range 2 * inboxLen {
		l.arrive(len(message), message)
	}
	// Also with the peer's address forged.
	for range 2 * inboxLen {
		s.socket.arrive(len(message), message)
	}
	s.receive(g, nil)
	g.settle()
	events := g.events()
	if len(of[Heard](events)) != 1 || len(of[IKE](events)) != inboxLen/2 {
		t.Errorf("a flood left %d of a tunnel's Heard and %d IKE messages", len(of[Heard](events)), len(of[IKE](events)))
	}
	wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.ControlBusy: 2*inboxLen - inboxLen/2})
	if got := g.lane.counters.EventsLost.Load(); got != 0 {
		t.Errorf("%d events of tunnels count as lost", got)
	}
	wantDrops(t, &g.lane.counters.Drops, map[drop.Reason]int{drop.UnknownSPI: 2 * inboxLen, drop.ControlBusy: inboxLen})
}

// TestLostEventsComeAgain: nobody reads the events; the lane goes on, and what was lost
// is told later.
func TestLostEventsComeAgain(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	for g.lane.tell(TUNFailed{}) {
	}
	g.passes(time.Second)
	elsewhere := netip.MustParseAddrPort("198.51.100.9:999")
	s.out.Limits.SoftPackets = 1
	for range 3 {
		s.receive(g, &elsewhere)
		g.tun.push(tcp4(1, 5).plain(nil))
		g.settle()
	}
	if s.Counters.PacketsIn.Load() != 3 || s.Counters.PacketsOut.Load() != 3 {
		t.Fatal("the lane does not go on")
	}
	if g.lane.counters.EventsLost.Load() == 0 {
		t.Error("lost events are not counted")
	}
	g.events()
	s.receive(g, &elsewhere)
	g.tun.push(tcp4(1, 5).plain(nil))
	g.settle()
	events := g.events()
	if len(of[Heard](events)) != 1 || len(of[Moved](events)) != 1 || len(of[SoftLimit](events)) != 1 {
		t.Errorf("the events are not told again: %v", events)
	}
}

func TestSoftLimitsAreToldOnce(t *testing.T) {
	for name, set := range map[string]func(*Outbound){
		"bytes":   func(o *Outbound) { o.Limits.SoftBytes = 100 * 1040 },
		"packets": func(o *Outbound) { o.Limits.SoftPackets = 100 },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			s := g.site(1, false)
			set(s.out)
			send := func(packets int) []SoftLimit {
				g.tun.push(tcp4(1, 5).super(bytesOf(packets*1000, 1), 1000))
				g.settle()
				return of[SoftLimit](g.events())
			}
			if got := append(send(50), send(49)...); len(got) != 0 {
				t.Fatal("told too early")
			}
			got := send(1)
			if len(got) != 1 || got[0].Tunnel != s.Tunnel || got[0].SPI != s.out.Child {
				t.Fatalf("at the limit: %v", got)
			}
			if got := append(send(60), send(60)...); len(got) != 0 {
				t.Error("told again")
			}
		})
	}
}

func TestHardLimitIsToldOnce(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.out.ESP = exhausted(t)
	for range 3 {
		g.tun.push(tcp4(1, 5).super(bytesOf(3000, 1), 1000))
		g.settle()
	}
	got := of[HardLimit](g.events())
	if len(got) != 1 || got[0].Tunnel != s.Tunnel || got[0].SPI != s.out.Child {
		t.Errorf("told %v, want it once", got)
	}
	// A new SA is sent on at once.
	fresh := g.site(1, false)
	g.tun.push(tcp4(1, 5).plain(nil))
	g.settle()
	if len(fresh.opened(t)) != 1 {
		t.Error("nothing is sent on the new SA")
	}
}

func TestSocketFailedIsToldOnceASecond(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	send := func() []SocketFailed {
		g.tun.push(tcp4(1, 5).plain(nil))
		g.settle()
		return of[SocketFailed](g.events())
	}
	failing(s, unix.EPERM)
	if len(send()) != 0 {
		t.Error("told for a firewall's drop, which no new socket cures")
	}
	failing(s, unix.EADDRNOTAVAIL)
	if got := send(); len(got) != 1 || got[0].Tunnel != s.Tunnel || got[0].Err != unix.EADDRNOTAVAIL {
		t.Errorf("told %v", got)
	}
	if len(send()) != 0 {
		t.Error("told again within the second")
	}
	g.passes(time.Second)
	if len(send()) != 1 {
		t.Error("not told after a second")
	}
}

// TestSocketReports: what the network says about earlier datagrams is counted and ends
// nothing.
func TestSocketReports(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.socket.arriveFrom(arrival{err: udp.AsyncError(unix.ECONNREFUSED)})
	s.receive(g, nil)
	s.socket.send = func(b []byte, size int) (udp.SendResult, error) {
		return udp.SendResult{Sent: len(b), Done: len(b), Async: udp.AsyncError(unix.ECONNREFUSED), Fallback: true}, nil
	}
	g.tun.push(tcp4(1, 5).super(bytesOf(3000, 1), 1000))
	g.settle()
	s.socket.arriveFrom(arrival{err: unix.ENOMEM})
	s.socket.arriveFrom(arrival{err: unix.ENOMEM})
	g.settle()
	g.settle() // such an error ends the turn of its socket
	s.receive(g, nil)
	c := &s.Counters
	if c.SocketErrors.Load() != 4 || c.SegmentFallbacks.Load() != 1 || c.PacketsIn.Load() != 2 || c.PacketsOut.Load() != 3 {
		t.Errorf("%d errors, %d fallbacks, %d packets in, %d out; want 4, 1, 2, 3",
			c.SocketErrors.Load(), c.SegmentFallbacks.Load(), c.PacketsIn.Load(), c.PacketsOut.Load())
	}
	wantDrops(t, &c.Drops, nil)
}

func TestKeepaliveIsSent(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	g.lane.SendKeepalive(s.Tunnel)
	if len(s.socket.sent) != 1 || !bytes.Equal(s.socket.sent[0], []byte{keepalive}) {
		t.Errorf("sent %x", s.socket.sent)
	}
	_ = g.lane.SetSocket(s.Tunnel, nil, netip.AddrPort{}, netip.AddrPort{})
	g.lane.SendKeepalive(s.Tunnel) // nowhere
}

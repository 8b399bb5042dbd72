package tunnel

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike"
	"vpngw/tunnel/lane"
	"vpngw/tunnel/mtu"
)

// handshake brings a gateway's only tunnel up from the peer's side, without a wire:
// what the gateway's own machine wants done is left undone but for its messages.
func handshake(t *testing.T, g *Gateway) {
	t.Helper()
	here, there := netip.MustParseAddrPort("192.0.2.1:4500"), netip.MustParseAddrPort("192.0.2.2:4500")
	spi := uint32(1000)
	peer := ike.New(ike.Config{Rand: rand.Reader, SPI: func() (uint32, error) { spi++; return spi, nil }})
	c := g.cfg
	c.LocalID = c.Tunnels[0].PeerID
	mirror := c.Tunnels[0]
	mirror.PeerID, mirror.Local, mirror.Remote = g.cfg.LocalID, mirror.Remote, mirror.Local
	p, err := c.peer(0, &mirror, here)
	if err != nil {
		t.Fatal(err)
	}
	sent := func(actions []ike.Action) (messages [][]byte) {
		for _, a := range actions {
			if s, ok := a.(ike.Send); ok {
				messages = append(messages, s.Bytes)
			}
		}
		return messages
	}
	now := time.Now()
	peer.Step(now, ike.AddPeer{Peer: p})
	wire := sent(peer.Step(now, ike.Connect{ID: 0}))
	for range 10 {
		var back [][]byte
		for _, b := range wire {
			back = append(back, sent(g.machine.Step(now, ike.Datagram{Local: here, Remote: there, Bytes: b}))...)
		}
		wire = nil
		for _, b := range back {
			wire = append(wire, sent(peer.Step(now, ike.Datagram{Local: there, Remote: here, Bytes: b}))...)
		}
	}
	if s := g.machine.Status(0).State; s != ike.StateUp {
		t.Fatalf("the tunnel is %v", s)
	}
}

// TestLateNameKeepsTheTunnel: a name that is resolved, or means another address, while
// the tunnel is up takes nothing down.
func TestLateNameKeepsTheTunnel(t *testing.T) {
	c := valid()
	c.Tunnels[0].PeerAddress = "gw-b.example"
	g, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	tn := g.tunnels[0]
	g.setPeer(tn, tn.peer)

	tn.resolving = true
	g.peerResolved(resolution{tunnel: tn, err: errors.New("no such host")})
	if tn.resolveAt.IsZero() || tn.resolving {
		t.Error("a name that was not resolved is not asked for again")
	}
	if wait := g.untilDeadline(); wait > resolveTime {
		t.Errorf("the next thing to do is in %v", wait)
	}
	if tn.lookupErr == nil {
		t.Error("why the tunnel waits is forgotten")
	}

	handshake(t, g)
	before := g.machine.Status(0).InitiatorSPI
	g.peerResolved(resolution{tunnel: tn, addrs: []netip.Addr{netip.MustParseAddr("192.0.2.77")}})
	if s := g.machine.Status(0); s.State != ike.StateUp || s.InitiatorSPI != before {
		t.Errorf("the tunnel is %v after its name was resolved", s.State)
	}
	if tn.lookupErr != nil {
		t.Error("the error of the look-up before is kept")
	}

	g.down(ike.Down{ID: 0, Reason: ike.Reason{Code: ike.ReasonDead}})
	if wait := time.Until(tn.resolveAt); tn.resolveAt.IsZero() || wait > time.Second {
		t.Errorf("a peer without an address is looked for in %v, not at once", wait)
	}
}

func TestStatusNamesTheUnresolved(t *testing.T) {
	c := valid()
	c.Tunnels[0].PeerAddress = "gw-b.example"
	g, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	tn := g.tunnels[0]
	g.setPeer(tn, tn.peer)
	g.peerResolved(resolution{tunnel: tn, err: errors.New("no such host")})
	if s := g.tunnelStatus(tn, time.Now()); !strings.Contains(s.Reason, "no such host") {
		t.Errorf("reason %q does not say that the name is not resolved", s.Reason)
	}
}

func TestMTUIsThatOfTheNarrowestPath(t *testing.T) {
	c := valid()
	c.Tunnels = append(c.Tunnels, c.Tunnels[0], c.Tunnels[0])
	g, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := g.wantMTU(), mtu.Inner(mtu.Ethernet, netip.IPv6Unspecified()); got != want {
		t.Errorf("no path is known: %d, want %d", got, want)
	}
	g.tunnels[1].inner, g.tunnels[2].inner = 1400, 1300
	if got := g.wantMTU(); got != 1300 {
		t.Errorf("%d, want the least of 1400 and 1300", got)
	}
	g.cfg.MTU = 1280
	if got := g.wantMTU(); got != 1280 {
		t.Errorf("%d, want the configured 1280", got)
	}
}

// TestTunnelsAreReminded: what falls due for one tunnel is done, and what another one
// waits for is not forgotten over it.
func TestTunnelsAreReminded(t *testing.T) {
	c := valid()
	c.Tunnels = append(c.Tunnels, c.Tunnels[0])
	g, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i, t := range g.tunnels {
		t.keepalive = now.Add(time.Duration(i+1) * time.Second) // behind no NAT: nothing is sent
		g.remind(t.keepalive)
	}
	for i := range g.tunnels {
		at := now.Add(time.Duration(i+1) * time.Second)
		if !g.nextTunnel.Equal(at) {
			t.Errorf("step %d: due at %v, want %v", i, g.nextTunnel, at)
		}
		g.onTime(t.Context(), at.Add(-time.Millisecond))
		if g.tunnels[i].keepalive.IsZero() {
			t.Errorf("step %d: done too early", i)
		}
		g.onTime(t.Context(), at)
		if !g.tunnels[i].keepalive.IsZero() {
			t.Errorf("step %d: not done", i)
		}
	}
	if !g.nextTunnel.IsZero() {
		t.Errorf("nothing is left, but due is %v", g.nextTunnel)
	}
}

// TestTearDownClosesListeners: also those that the lane never got, since setUp failed
// between the two.
func TestTearDownClosesListeners(t *testing.T) {
	c := valid()
	c.Port = 0
	g, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.listen(); err != nil {
		t.Fatal(err)
	}
	if g.lanes, err = lane.NewGroup(lane.Config{}, 1); err != nil {
		t.Fatal(err)
	}
	four := g.listener[true]
	if err := g.lanes.Lanes()[0].AddListener(four, four.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := g.tearDown(false); err != nil {
		t.Fatal(err)
	}
	for _, s := range g.listener {
		if s.FD() != -1 {
			t.Errorf("the socket on %v is still open", s.LocalAddr())
		}
	}
}

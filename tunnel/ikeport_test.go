package tunnel

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike"
	"vpngw/offload/udp"
)

// freePort is a UDP port of loopback that nothing has.
func freePort(t *testing.T) (taken net.PacketConn, port uint16) {
	t.Helper()
	c, err := net.ListenPacket("udp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

func TestIKEPortTaken(t *testing.T) {
	for _, needed := range []bool{false, true} {
		c := valid()
		c.Port, c.IKEPortNeeded = 0, needed
		var other net.PacketConn
		other, c.IKEPort = freePort(t)
		var log strings.Builder
		g, err := New(c, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if err := g.listen(); err != nil {
			t.Fatal(err)
		}
		err = g.listenIKE()
		switch {
		case needed && (err == nil || !strings.Contains(err.Error(), "gateway.ike_port")):
			t.Errorf("a port that is needed and taken: %v", err)
		case !needed && (err != nil || !strings.Contains(log.String(), "level=WARN")):
			t.Errorf("a port that is taken: %v, log:\n%s", err, log.String())
		}
		if g.ikeListener[true] != nil {
			t.Error("the port is shared")
		}
		other.Close()
		if err := g.tearDown(false); err != nil {
			t.Error(err)
		}
	}
}

// TestIKEPortHasNoMarker sends a message from each port and looks at it on the wire.
func TestIKEPortHasNoMarker(t *testing.T) {
	c := valid()
	c.Port = 0
	var reserved net.PacketConn
	reserved, c.IKEPort = freePort(t)
	reserved.Close()
	g, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.tearDown(false)
	if err := g.listen(); err != nil {
		t.Fatal(err)
	}
	if err := g.listenIKE(); err != nil {
		t.Fatal(err)
	}
	if g.ikePort() != c.IKEPort {
		t.Errorf("status shows port %d", g.ikePort())
	}
	peer, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	text := []byte("an IKE message")
	loopback := netip.MustParseAddr("127.0.0.1")
	for port, want := range map[uint16][]byte{c.IKEPort: text, ike.NATTPort: append(make([]byte, 4), text...)} {
		g.send(ike.Send{Local: netip.AddrPortFrom(loopback, port), Remote: peer.LocalAddr().(*net.UDPAddr).AddrPort(), Bytes: text}, (*udp.Socket).SendTo)
		got := make([]byte, 100)
		peer.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, from, err := peer.ReadFromUDPAddrPort(got)
		if err != nil || !bytes.Equal(got[:n], want) || (from.Port() == c.IKEPort) != (port == c.IKEPort) {
			t.Errorf("from port %d: %q from %v, %v; want %q", port, got[:n], from, err, want)
		}
	}
}

// TestReachable: where we lack IKE's own port, a peer's is not asked either.
func TestReachable(t *testing.T) {
	c := valid()
	g, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	own := netip.MustParseAddrPort("192.0.2.2:500")
	if got := g.reachable(own); got != own {
		t.Errorf("switched off: %v, want the port as it is", got)
	}
	g.cfg.IKEPort = 500
	if got := g.reachable(own); got.Port() != ike.NATTPort || got.Addr() != own.Addr() {
		t.Errorf("not to be had: %v, want port 4500", got)
	}
	other := netip.MustParseAddrPort("192.0.2.2:5000")
	if got := g.reachable(other); got != other {
		t.Errorf("another port: %v", got)
	}
}

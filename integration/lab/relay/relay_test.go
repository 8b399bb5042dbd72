package relay

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func loopback(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func local(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// receiveAll reads until nothing more comes.
func receiveAll(c *net.UDPConn, quiet time.Duration) map[string]int {
	got := map[string]int{}
	b := make([]byte, 2000)
	for {
		_ = c.SetReadDeadline(time.Now().Add(quiet))
		n, _, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return got
		}
		got[string(b[:n])]++
	}
}

func TestRelayBothWays(t *testing.T) {
	defer goleak.VerifyNone(t)
	endA, endB := loopback(t), loopback(t)
	ephemeral := netip.MustParseAddrPort("127.0.0.1:0")
	// A is learnt, B is configured.
	r, err := Listen(ephemeral, ephemeral, Options{Seed: 1, PeerB: local(endB), AToB: Profile{Duplicate: 1, Delay: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 100 {
		if _, err := endA.WriteToUDPAddrPort(fmt.Appendf(nil, "to b %d", i), local(r.a.conn)); err != nil {
			t.Fatal(err)
		}
	}
	got := receiveAll(endB, 300*time.Millisecond)
	for i := range 100 {
		if n := got[fmt.Sprintf("to b %d", i)]; n != 2 {
			t.Errorf("datagram %d came %d times", i, n)
		}
	}
	if _, err := endB.WriteToUDPAddrPort([]byte("to a"), local(r.b.conn)); err != nil {
		t.Fatal(err)
	}
	if got := receiveAll(endA, 300*time.Millisecond); got["to a"] != 1 {
		t.Errorf("A got %v", got)
	}
	r.SetProfiles(Profile{Loss: 1}, Profile{})
	if _, err := endA.WriteToUDPAddrPort([]byte("into the void"), local(r.a.conn)); err != nil {
		t.Fatal(err)
	}
	if got := receiveAll(endB, 100*time.Millisecond); len(got) != 0 {
		t.Errorf("a lost datagram came: %v", got)
	}
	aToB, bToA := r.Counts()
	if aToB != (Counts{Received: 101, Lost: 1, Duplicated: 100}) || bToA != (Counts{Received: 1}) {
		t.Errorf("counts %+v and %+v", aToB, bToA)
	}
	r.Close()
}

func TestRelayRefusesABusyPort(t *testing.T) {
	busy := local(loopback(t))
	if r, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), busy, Options{}); err == nil {
		r.Close()
		t.Error("two sockets on one port")
	}
}

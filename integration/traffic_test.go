package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"vpngw/integration/lab"
)

// TestTraffic sends ICMP, TCP and UDP over both families inside, for each family outside and each way to authenticate.
func TestTraffic(t *testing.T) {
	for _, keys := range []bool{false, true} {
		for _, outside6 := range []bool{false, true} {
			name := fmt.Sprintf("%s over %s", map[bool]string{false: "psk", true: "keys"}[keys], map[bool]string{false: "IPv4", true: "IPv6"}[outside6])
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, pairOptions{keys: keys, outside6: outside6})
				for _, to := range []netip.Addr{p.B.Host4, p.B.Host6} {
					checkPing(t, p.A.Host, to)
					checkUDP(t, p.A.Host, p.B.Host, to)
					checkStream(t, p.A.Host, p.B.Host, to, 4<<20)
				}
				checkStream(t, p.B.Host, p.A.Host, p.A.Host4, 4<<20)
				checkPing(t, p.B.Host, p.A.Host6)
				s := status(t, p.b)
				tunnel, err := s.Tunnel("to-a")
				must(t, err)
				t.Logf("b: %s, in %d packets, out %d, drops %v", tunnel.State, tunnel.PacketsIn, tunnel.PacketsOut, s.AllDrops())
				if !tunnel.Flowing || tunnel.BytesIn < 8<<20 || tunnel.BytesOut < 4<<20 {
					t.Errorf("status does not show what came through: %+v", tunnel)
				}
			})
		}
	}
}

// checkPing sends echoes of several sizes; none may be lost.
func checkPing(t *testing.T, from *lab.Namespace, to netip.Addr) {
	t.Helper()
	for _, size := range []int{8, 56, 1200, 4000} {
		r := ping(t, lab.Ping{From: from, To: to, Count: 3, Interval: 10 * time.Millisecond, Size: size})
		// The first large packet may be spent on learning the path's MTU.
		if r.Received < 3 && (size < 1400 || r.Received == 0) || r.Duplicates > 0 {
			t.Errorf("ping %s, %d bytes: %+v", to, size, r)
		}
	}
}

// checkUDP sends datagrams to an echo server, of which each must come back unchanged. Large ones, which travel in fragments, are
// tried again while the path's MTU is learnt.
func checkUDP(t *testing.T, from, to *lab.Namespace, address netip.Addr) {
	t.Helper()
	server, err := listenUDP(to, address)
	must(t, err)
	defer server.Close()
	go echo(server)
	var client net.Conn
	must(t, from.Do(func() (err error) {
		client, err = net.Dial("udp", server.LocalAddr().String())
		return err
	}))
	defer client.Close()
	for _, size := range []int{1, 100, 1200, 4000} {
		sent := randomBytes(uint64(size), size)
		got := make([]byte, 65536)
		var n int
		for try := 0; try < 5; try++ {
			_, err = client.Write(sent)
			if err == nil {
				must(t, client.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
				n, err = client.Read(got)
			}
			if err == nil || size < 1400 {
				break
			}
		}
		if err != nil || !bytes.Equal(got[:n], sent) {
			t.Errorf("UDP echo of %d bytes to %s: %d bytes, %v", size, address, n, err)
		}
	}
}

func listenUDP(n *lab.Namespace, address netip.Addr) (c *net.UDPConn, err error) {
	err = n.Do(func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 0)))
		return err
	})
	return c, err
}

// echo sends datagrams back until the connection is closed.
func echo(c *net.UDPConn) {
	b := make([]byte, 65536)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = c.WriteToUDPAddrPort(b[:n], from)
		}
	}
}

// checkStream sends random bytes over TCP and compares the sums of both ends.
func checkStream(t *testing.T, from, to *lab.Namespace, address netip.Addr, size int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	in, out := sha256.New(), sha256.New()
	src := io.TeeReader(io.LimitReader(randomReader(uint64(size)), size), in)
	n, d, err := lab.Stream(ctx, from, to, address, src, out)
	must(t, err)
	t.Logf("TCP %s to %s: %d bytes in %v", from.Role, address, n, d.Round(time.Millisecond))
	if n != size || !bytes.Equal(in.Sum(nil), out.Sum(nil)) {
		t.Errorf("TCP to %s: %d of %d bytes arrived, or changed ones", address, n, size)
	}
}

func randomReader(seed uint64) io.Reader {
	var key [32]byte
	key[0], key[1], key[2], key[3] = byte(seed), byte(seed>>8), byte(seed>>16), byte(seed>>24)
	return rand.NewChaCha8(key)
}

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = randomReader(seed).Read(b) // never fails
	return b
}

//go:build linux

package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collect receives until want bytes are there and returns all datagrams.
func collect(t *testing.T, s *Socket, want int) (datagrams [][]byte, receives int) {
	t.Helper()
	for got := 0; got < want; receives++ {
		d := mustRecv(t, s)
		got += len(d.Bytes)
		for rest := d.Bytes; len(rest) > 0; {
			n := min(d.Size, len(rest))
			datagrams = append(datagrams, rest[:n])
			rest = rest[n:]
		}
	}
	return datagrams, receives
}

func TestTrainOverLoopback(t *testing.T) {
	trains := []struct{ bytes, size int }{
		{1000, 1000},          // one datagram, no control message
		{2000, 1000},          // equal lengths
		{64000, 1000},         // the full 64
		{46*1408 + 100, 1408}, // a shorter last
		{65400, 65400},        // one as large as loopback takes in both families
		{trainCap, 1472},      // the largest that is still glued
	}
	for _, loop := range loopbacks {
		for _, o := range []Options{{}, {DisableGRO: true}, {DisableSegment: true}, {DisableSegment: true, DisableGRO: true}} {
			for _, train := range trains {
				name := fmt.Sprintf("%s/segment=%t/gro=%t/%d of %d", loop.name, !o.DisableSegment, !o.DisableGRO, train.bytes, train.size)
				t.Run(name, func(t *testing.T) {
					to := mustListen(t, anyPort(loop.addr), o)
					from := mustConnect(t, netip.AddrPort{}, to.LocalAddr(), o)
					data := pattern(train.bytes)
					result, err := from.Send(data, train.size, 0)
					if err != nil || result != (SendResult{Sent: len(data), Done: len(data)}) {
						t.Fatalf("Send: %+v, %v", result, err)
					}
					datagrams, receives := collect(t, to, len(data))
					if !bytes.Equal(bytes.Join(datagrams, nil), data) {
						t.Error("bytes differ")
					}
					count := (len(data) + train.size - 1) / train.size
					if len(datagrams) != count {
						t.Errorf("%d datagrams arrived of %d", len(datagrams), count)
					}
					wantReceives := count
					if !o.DisableGRO && !o.DisableSegment {
						wantReceives = 1
					}
					if receives != wantReceives {
						t.Errorf("%d receives, want %d", receives, wantReceives)
					}
				})
			}
		}
	}
}

func TestAddressesOfListenerAndConnected(t *testing.T) {
	for _, loop := range loopbacks {
		t.Run(loop.name, func(t *testing.T) {
			wildcard := netip.IPv4Unspecified()
			if loop.addr.Is6() {
				wildcard = netip.IPv6Unspecified()
			}
			listener := mustListen(t, anyPort(wildcard), Options{})
			client := mustConnect(t, netip.AddrPort{}, netip.AddrPortFrom(loop.addr, listener.LocalAddr().Port()), Options{})
			if got := client.LocalAddr().Addr(); got != loop.addr {
				t.Errorf("connected socket's local address is %s", got)
			}
			if listener.RemoteAddr().IsValid() {
				t.Error("a listener has a remote address")
			}
			tos(t, client, 0x2d)
			if _, err := client.Send([]byte("to"), 2, 0); err != nil {
				t.Fatal(err)
			}
			d := mustRecv(t, listener)
			if d.From != client.LocalAddr() || d.To != loop.addr || d.TOS != 0x2d || string(d.Bytes) != "to" || d.Size != 2 {
				t.Errorf("listener got %+v", d)
			}
			tos(t, listener, 0x03)
			if err := listener.SendTo([]byte("back"), d.To, d.From); err != nil {
				t.Fatal(err)
			}
			d = mustRecv(t, client)
			if d.From != client.RemoteAddr() || d.To != loop.addr || d.TOS != 3 || string(d.Bytes) != "back" {
				t.Errorf("client got %+v", d)
			}
		})
	}
}

// tos sets what the socket's datagrams carry.
func tos(t *testing.T, s *Socket, value int) {
	t.Helper()
	level, option := unix.IPPROTO_IP, unix.IP_TOS
	if s.LocalAddr().Addr().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	}
	if err := unix.SetsockoptInt(s.FD(), level, option, value); err != nil {
		t.Fatal(err)
	}
}

func TestSendToChoosesItsSource(t *testing.T) {
	listener := mustListen(t, netip.MustParseAddrPort("0.0.0.0:0"), Options{})
	client := mustListen(t, netip.MustParseAddrPort("127.0.0.1:0"), Options{})
	for _, from := range []netip.Addr{netip.MustParseAddr("127.0.0.7"), netip.MustParseAddr("::ffff:127.0.0.8"), {}} {
		if err := listener.SendTo([]byte("x"), from, client.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		want := from.Unmap()
		if !from.IsValid() {
			want = netip.MustParseAddr("127.0.0.1")
		}
		if d := mustRecv(t, client); d.From != netip.AddrPortFrom(want, listener.LocalAddr().Port()) {
			t.Errorf("source %s gave %s", from, d.From)
		}
	}
	foreign := netip.MustParseAddr("192.0.2.77")
	if err := listener.SendTo([]byte("x"), foreign, client.LocalAddr()); !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("source that is not ours: %v", err)
	}
	for _, bad := range []struct {
		from netip.Addr
		to   netip.AddrPort
	}{
		{netip.Addr{}, netip.AddrPort{}},
		{netip.Addr{}, netip.MustParseAddrPort("[::1]:9")},
		{netip.MustParseAddr("::1"), client.LocalAddr()},
	} {
		if err := listener.SendTo([]byte("x"), bad.from, bad.to); !errors.Is(err, ErrFamily) {
			t.Errorf("from %s to %s: %v", bad.from, bad.to, err)
		}
	}
}

// The tunnels' sockets share the listener's port, and each gets its own peer's
// datagrams whichever was opened last.
func TestSharedPort(t *testing.T) {
	for _, loop := range loopbacks {
		t.Run(loop.name, func(t *testing.T) {
			var peers, tunnels [3]*Socket
			for i := range peers {
				peers[i] = mustListen(t, anyPort(loop.addr), Options{})
			}
			listener := mustListen(t, anyPort(loop.addr), Options{})
			for i := range 2 {
				tunnels[i] = mustConnect(t, listener.LocalAddr(), peers[i].LocalAddr(), Options{})
				if tunnels[i].LocalAddr() != listener.LocalAddr() {
					t.Fatalf("tunnel at %s, listener at %s", tunnels[i].LocalAddr(), listener.LocalAddr())
				}
			}
			tunnels[2] = listener // the third peer has no tunnel
			for round := range 3 {
				for i, peer := range peers {
					text := fmt.Sprintf("peer %d round %d", i, round)
					if err := peer.SendTo([]byte(text), netip.Addr{}, listener.LocalAddr()); err != nil {
						t.Fatal(err)
					}
					if d := mustRecv(t, tunnels[i]); string(d.Bytes) != text || d.From != peer.LocalAddr() {
						t.Errorf("want %q, got %q from %s", text, d.Bytes, d.From)
					}
				}
			}
			for i, s := range tunnels {
				var d Datagrams
				if err := s.Recv(make([]byte, 1<<16), &d); err != ErrWouldBlock {
					t.Errorf("socket %d has more: %q, %v", i, d.Bytes, err)
				}
			}
		})
	}
}

func TestIPv6ListenerTakesNoIPv4(t *testing.T) {
	listener := mustListen(t, netip.MustParseAddrPort("[::]:0"), Options{})
	client := mustConnect(t, netip.AddrPort{}, netip.AddrPortFrom(loopbacks[0].addr, listener.LocalAddr().Port()), Options{})
	if _, err := client.Send([]byte("x"), 1, 0); err != nil {
		t.Fatal(err)
	}
	waitFor(t, client, unix.POLLERR)
	if err := client.Recv(make([]byte, 1<<16), new(Datagrams)); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("not refused: %v", err)
	}
}

func TestEmptyDatagram(t *testing.T) {
	listener := mustListen(t, anyPort(loopbacks[0].addr), Options{})
	if err := listener.SendTo(nil, netip.Addr{}, listener.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if d := mustRecv(t, listener); len(d.Bytes) != 0 || d.Size != 0 || d.From != listener.LocalAddr() {
		t.Errorf("got %+v", d)
	}
}

func TestRecvTruncated(t *testing.T) {
	to := mustListen(t, anyPort(loopbacks[0].addr), Options{})
	from := mustConnect(t, netip.AddrPort{}, to.LocalAddr(), Options{})
	for _, room := range []int{0, 1999, 1000} {
		if _, err := from.Send(pattern(2000), 1000, 0); err != nil {
			t.Fatal(err)
		}
		waitFor(t, to, unix.POLLIN)
		var d Datagrams
		if err := to.Recv(make([]byte, room), &d); !errors.Is(err, ErrTruncated) {
			t.Errorf("room for %d of 2000 bytes: %v", room, err)
		}
	}
	if err := to.Recv(make([]byte, 1<<16), new(Datagrams)); err != ErrWouldBlock {
		t.Errorf("a truncated train must be gone: %v", err)
	}
}

func TestRefusedPeer(t *testing.T) {
	for _, loop := range loopbacks {
		t.Run(loop.name, func(t *testing.T) {
			peer := mustListen(t, anyPort(loop.addr), Options{})
			s := mustConnect(t, netip.AddrPort{}, peer.LocalAddr(), Options{})
			peer.Close()
			if _, err := s.Send([]byte("x"), 1, 0); err != nil {
				t.Fatalf("first send: %v", err)
			}
			waitFor(t, s, unix.POLLIN|unix.POLLERR)
			err := s.Recv(make([]byte, 1<<16), new(Datagrams))
			var async AsyncError
			if !errors.As(err, &async) || !errors.Is(err, unix.ECONNREFUSED) {
				t.Fatalf("Recv: %v", err)
			}
			if err := s.Recv(make([]byte, 1<<16), new(Datagrams)); err != ErrWouldBlock {
				t.Fatalf("Recv after the report: %v", err)
			}
			// Now the report meets a send: the data must go all the same.
			if _, err := s.Send([]byte("x"), 1, 0); err != nil {
				t.Fatal(err)
			}
			waitFor(t, s, unix.POLLERR)
			again := mustListen(t, peer.LocalAddr(), Options{})
			result, err := s.Send(pattern(3000), 1000, 0)
			if err != nil || result.Async != AsyncError(unix.ECONNREFUSED) || result.Sent != 3000 || result.Lost != 0 {
				t.Fatalf("Send: %+v, %v", result, err)
			}
			if d := mustRecv(t, again); !bytes.Equal(d.Bytes, pattern(3000)) {
				t.Error("data differs")
			}
		})
	}
}

// Over loopback each datagram to a closed port is reported before the next.
func TestRefusedPeerOneByOne(t *testing.T) {
	peer := mustListen(t, anyPort(loopbacks[0].addr), Options{})
	s := mustConnect(t, netip.AddrPort{}, peer.LocalAddr(), Options{DisableSegment: true})
	peer.Close()
	result, err := s.Send(pattern(10_000), 1000, 0)
	if err != nil || result.Sent != 10_000 || result.Lost != 0 || result.Async != AsyncError(unix.ECONNREFUSED) {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestFullSendAndReceiveBuffers(t *testing.T) {
	to := mustListen(t, anyPort(loopbacks[0].addr), Options{RecvBuffer: 4096})
	from := mustConnect(t, netip.AddrPort{}, to.LocalAddr(), Options{})
	if recv, _ := to.Buffers(); recv < 1024 || recv > 8192 {
		t.Errorf("receive buffer of %d bytes granted", recv)
	}
	if to.Drops() != 0 {
		t.Errorf("%d drops at the start", to.Drops())
	}
	for range 10 {
		if _, err := from.Send(pattern(60_000), 1000, 0); err != nil {
			t.Fatal(err)
		}
	}
	if to.Drops() == 0 {
		t.Error("600 KB into 4 KB, and no drop was counted")
	}
}

func TestBuffersGranted(t *testing.T) {
	s := mustListen(t, anyPort(loopbacks[0].addr), Options{RecvBuffer: 100_000, SendBuffer: 50_000})
	if recv, send := s.Buffers(); recv != 100_000 || send != 50_000 {
		t.Errorf("granted %d and %d", recv, send)
	}
}

func TestOpenErrors(t *testing.T) {
	v4, v6 := loopbacks[0].addr, loopbacks[1].addr
	for _, c := range []struct {
		name string
		open func() (*Socket, error)
		want error
	}{
		{"no address", func() (*Socket, error) { return Listen(netip.AddrPort{}, Options{}) }, ErrFamily},
		{"not ours", func() (*Socket, error) { return Listen(netip.MustParseAddrPort("192.0.2.1:0"), Options{}) }, unix.EADDRNOTAVAIL},
		{"mixed", func() (*Socket, error) { return Connect(anyPort(v6), netip.AddrPortFrom(v4, 9), Options{}) }, ErrFamily},
		{"no remote", func() (*Socket, error) { return Connect(anyPort(v4), netip.AddrPort{}, Options{}) }, ErrFamily},
		{"negative buffer", func() (*Socket, error) { return Listen(anyPort(v4), Options{RecvBuffer: -1}) }, unix.EINVAL},
	} {
		s, err := c.open()
		if s != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v", c.name, s, err)
		}
	}
}

func TestClose(t *testing.T) {
	s := mustListen(t, anyPort(loopbacks[0].addr), Options{})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := s.Recv(make([]byte, 100), new(Datagrams)); err != unix.EBADF {
		t.Errorf("Recv after Close: %v", err)
	}
	if _, err := s.Send([]byte("xy"), 1, 0); err != unix.EBADF {
		t.Errorf("Send after Close: %v", err)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	for _, loop := range loopbacks {
		for _, o := range []Options{{}, {DisableSegment: true}} {
			to := mustListen(t, anyPort(loop.addr), o)
			from := mustConnect(t, netip.AddrPort{}, to.LocalAddr(), o)
			buf, data, d := make([]byte, 1<<16), pattern(20_000), new(Datagrams)
			received := 0
			allocs := testing.AllocsPerRun(100, func() {
				if _, err := from.Send(data, 1000, 0); err != nil {
					t.Error(err)
				}
				for to.Recv(buf, d) == nil {
					received += len(d.Bytes)
				}
				if err := to.SendTo(data[:50], loop.addr, from.LocalAddr()); err != nil {
					t.Error(err)
				}
				for from.Recv(buf, d) == nil {
					received += len(d.Bytes)
				}
			})
			if allocs != 0 {
				t.Errorf("%s %+v: %v allocations", loop.name, o, allocs)
			}
			if received < 100*len(data) {
				t.Errorf("%s %+v: only %d bytes received", loop.name, o, received)
			}
		}
	}
	refused := mustConnect(t, netip.AddrPort{}, netip.MustParseAddrPort("127.0.0.1:9"), Options{})
	x := []byte("x")
	if allocs := testing.AllocsPerRun(100, func() {
		refused.Send(x, 1, 0)
		refused.Recv(nil, nil)
	}); allocs != 0 {
		t.Errorf("errors: %v allocations", allocs)
	}
}

// TestExclusive: a port taken so is shared with nobody, either way round.
func TestExclusive(t *testing.T) {
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	for _, firstShares := range []bool{false, true} {
		first, err := Listen(loopback, Options{Exclusive: !firstShares})
		if err != nil {
			t.Fatal(err)
		}
		second, err := Listen(first.LocalAddr(), Options{Exclusive: firstShares})
		if err == nil {
			second.Close()
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("first shares %v: %v", firstShares, err)
		}
		first.Close()
	}
}

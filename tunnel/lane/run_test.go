package lane

import (
	"bytes"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"

	"vpngw/offload/tun"
	"vpngw/offload/udp"
	"vpngw/tunnel/drop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// start runs the gate's lane until stop, which waits for its end and closes it.
func (g *gate) start() (stop func()) {
	done := make(chan error, 1)
	go func() { done <- g.lane.Run() }()
	return func() {
		g.t.Helper()
		g.lane.Stop()
		select {
		case err := <-done:
			if err != nil {
				g.t.Error(err)
			}
		case <-time.After(patience):
			g.t.Fatal("the lane does not stop")
		}
		g.lane.Close()
	}
}

// runningGate is a gate whose Close is the test's to call.
func runningGate(t *testing.T) *gate {
	l, err := New(Config{Coalesce: glueAll})
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, lane: l, tun: newFakeTUN(t), uplink: l.AddUplink(UplinkConfig{Name: "wan", Limit: 16 << 20, Target: time.Minute})}
	if err := l.SetTUN(g.tun); err != nil {
		t.Fatal(err)
	}
	return g
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// realEnd is a tunnel's socket and the listener on the same port.
type realEnd struct{ listener, socket *udp.Socket }

func realEnds(t *testing.T, loopback string) (a, b realEnd) {
	t.Helper()
	any := netip.AddrPortFrom(netip.MustParseAddr(loopback), 0)
	var err error
	for _, s := range []**udp.Socket{&a.listener, &b.listener} {
		if *s, err = udp.Listen(any, udp.Options{}); err != nil {
			t.Skipf("no sockets on %s: %v", loopback, err)
		}
	}
	if a.socket, err = udp.Connect(a.listener.LocalAddr(), b.listener.LocalAddr(), udp.Options{}); err != nil {
		t.Fatal(err)
	}
	if b.socket, err = udp.Connect(b.listener.LocalAddr(), a.listener.LocalAddr(), udp.Options{}); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func (g *gate) use(s *site, e realEnd) {
	g.t.Helper()
	if err := g.lane.AddListener(e.listener, e.listener.LocalAddr()); err != nil {
		g.t.Fatal(err)
	}
	if err := g.lane.SetSocket(s.Tunnel, e.socket, e.socket.LocalAddr(), e.socket.RemoteAddr()); err != nil {
		g.t.Fatal(err)
	}
}

// TestRunOverLoopback runs two lanes with real sockets while other goroutines use what
// they may use, and counts descriptors and goroutines afterwards.
func TestRunOverLoopback(t *testing.T) {
	for _, loopback := range []string{"127.0.0.1", "::1"} {
		t.Run(loopback, func(t *testing.T) {
			a, b := runningGate(t), runningGate(t)
			near, far := a.site(1, false), b.site(1, true)
			before := openFiles(t)
			endA, endB := realEnds(t, loopback)
			a.use(near, endA)
			b.use(far, endB)
			stopA, stopB := a.start(), b.start()

			var meddlers sync.WaitGroup
			quit := make(chan struct{})
			for _, g := range []*gate{a, b} {
				meddlers.Go(func() {
					for {
						select {
						case <-quit:
							return
						case e := <-g.lane.Events():
							_ = e
						case e := <-g.lane.Strangers():
							t.Errorf("a stranger's event: %v", e)
						case <-time.After(time.Millisecond):
							g.lane.Do(func() { g.lane.SetRoutes(g.lane.routes) })
							_ = g.lane.Counters().Drops.Map()
							_ = near.Counters.Drops.Map()
							_ = g.lane.Time(near.Counters.LastOut.Load())
						}
					}
				})
			}
			f, f2 := tcp4(1, 5), tcp4(1, 6).back()
			var want, want2, got, got2 [][]byte
			take := func(tun *fakeTUN, got *[][]byte) int {
				for _, b := range tun.written() {
					*got = append(*got, cut(t, b)...)
				}
				return len(*got)
			}
			for i := range 60 {
				p, q := f.super(bytesOf(45*1398, byte(i)), 1398), f2.plain(bytesOf(i, 1))
				want, want2 = append(want, cut(t, p)...), append(want2, cut(t, q)...)
				a.tun.push(p)
				b.tun.push(q)
				// One in flight: an ordinary user's receive buffer holds little more.
				eventually(t, "superpacket through the tunnel", func() bool { return take(b.tun, &got) == len(want) })
				eventually(t, "packet back", func() bool { return take(a.tun, &got2) == len(want2) })
			}
			close(quit)
			meddlers.Wait()
			stopA()
			stopB()
			for i := range want {
				if !bytes.Equal(got[i], want[i]) {
					t.Fatalf("packet %d is not what was sent", i)
				}
			}
			for i := range want2 {
				if !bytes.Equal(got2[i], want2[i]) {
					t.Fatalf("packet %d back is not what was sent", i)
				}
			}
			c := &b.lane.counters
			t.Logf("%d packets in %d receives and %d writes", c.TUNWrite.Packets.Load(), c.UDPReceive.Calls.Load(), c.TUNWrite.Calls.Load())
			for _, s := range []*site{near, far} {
				wantDrops(t, &s.Counters.Drops, nil)
			}
			if after := openFiles(t); after != before-6 { // two epolls, two eventfds, two timers
				t.Errorf("%d descriptors are open, %d before: want 6 fewer", after, before)
			}
		})
	}
}

// TestFirstContactAtTheListener: a peer that moved is heard at the listener, and its
// packets are delivered.
func TestFirstContactAtTheListener(t *testing.T) {
	g := runningGate(t)
	s := g.site(1, false)
	ends, other := realEnds(t, "127.0.0.1")
	defer other.listener.Close()
	defer other.socket.Close()
	g.use(s, ends)
	g.passes(time.Second)
	stop := g.start()
	defer stop()
	moved, err := udp.Connect(netip.AddrPort{}, ends.listener.LocalAddr(), udp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer moved.Close()
	d := s.seal(tcp4(1, 5).back().packet([]byte("hello"), false))
	if _, err := moved.Send(d, len(d), 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "packet to the TUN", func() bool { return len(g.tun.written()) == 1 })
	eventually(t, "event", func() bool {
		select {
		case e := <-g.lane.Events():
			m, ok := e.(Moved)
			return ok && m.Remote == moved.LocalAddr() && m.Local == ends.listener.LocalAddr()
		default:
			return false
		}
	})
}

// blindSocket hides what waits below it: else the in-flight limit keeps the buffer from
// being full.
type blindSocket struct{ *udp.Socket }

func (blindSocket) Queued() int { return 0 }

// TestFullSendBuffer fills a real socket's send buffer, behind a loopback interface
// that is made slow: everything goes out in order as there is room.
func TestFullSendBuffer(t *testing.T) {
	inNamespace(t)
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	slow := &netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: lo.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       4 << 20, Buffer: 100_000, Limit: 8 << 20,
	}
	if err := netlink.QdiscAdd(slow); err != nil {
		t.Skipf("loopback cannot be made slow: %v", err)
	}
	g := runningGate(t)
	s := g.site(1, false)
	to, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), udp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	socket, err := udp.Connect(netip.AddrPort{}, to.LocalAddr(), udp.Options{SendBuffer: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.lane.SetSocket(s.Tunnel, blindSocket{socket}, socket.LocalAddr(), socket.RemoteAddr()); err != nil {
		t.Fatal(err)
	}
	stop := g.start()
	defer stop()
	var want [][]byte
	f := tcp4(1, 5)
	for i := range 50 {
		p := f.super(bytesOf(40*1000, byte(i)), 1000)
		want = append(want, cut(t, p)...)
		g.tun.push(p)
	}
	var got [][]byte
	buf := make([]byte, 64<<10)
	eventually(t, "train", func() bool {
		var d udp.Datagrams
		for to.Recv(buf, &d) == nil {
			for rest := d.Bytes; len(rest) > 0; {
				n := min(d.Size, len(rest))
				packet, _, err := s.peerIn.Open(append([]byte(nil), rest[:n]...))
				if err != nil {
					t.Fatal(err)
				}
				got, rest = append(got, packet), rest[n:]
			}
		}
		return len(got) == len(want)
	})
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("packet %d is not what was sent", i)
		}
	}
	wantDrops(t, &s.Counters.Drops, nil)
	if s.Counters.SendBlocked.Load() == 0 {
		t.Error("the send buffer was never full: nothing was tested")
	}
	if turns := g.lane.counters.Turns.Load(); turns > 2000 {
		t.Errorf("%d turns: a lane that cannot send does not sleep", turns)
	}
}

// inNamespace runs the test in a network namespace of its own, on a thread of its own.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a network namespace and a TUN device need root")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	old, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	own, err := netns.New()
	if err != nil {
		old.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = netns.Set(old)
		own.Close()
		old.Close()
	})
}

// TestRealTUNDeletedWhileIdle: the kernel tells of a device's end by epoll alone, and
// the lane goes on with a new one. A device that is down is not given up.
func TestRealTUNDeletedWhileIdle(t *testing.T) {
	inNamespace(t)
	g := runningGate(t)
	s := g.site(1, false)
	open := func() *tun.Device {
		device, err := tun.Open(tun.Options{Name: "lanetest0", MTU: 1400})
		if err != nil {
			t.Skipf("no TUN device: %v", err)
		}
		return device
	}
	do := func(f func()) {
		ran := make(chan struct{})
		g.lane.Do(func() { f(); close(ran) })
		<-ran
	}
	up := func(index int, on bool) {
		t.Helper()
		link, err := netlink.LinkByIndex(index)
		if err == nil && on {
			err = netlink.LinkSetUp(link)
		} else if err == nil {
			err = netlink.LinkSetDown(link)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	first := open()
	if err := g.lane.SetTUN(first); err != nil {
		t.Fatal(err)
	}
	stop := g.start()
	defer stop()
	receive := func() {
		d := s.seal(tcp4(1, 5).back().packet(nil, false))
		do(func() { s.socket.arrive(len(d), d) })
	}
	// Not up yet: the packet is lost with a reason, the device is not.
	receive()
	eventually(t, "packet refused", func() bool { return g.lane.counters.Drops.Get(drop.TUNDown) == 1 })
	up(first.Index(), true)
	receive()
	eventually(t, "packet written", func() bool { return g.lane.counters.TUNWrite.Packets.Load() == 1 })

	link, err := netlink.LinkByIndex(first.Index())
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkDel(link); err != nil {
		t.Fatal(err)
	}
	failed := 0
	count := func() int {
		for len(g.lane.Events()) > 0 {
			if _, ok := (<-g.lane.Events()).(TUNFailed); ok {
				failed++
			}
		}
		return failed
	}
	eventually(t, "event", func() bool { return count() > 0 })
	first.Close()
	second := open()
	t.Cleanup(func() { second.Close() }) // after stop
	do(func() { err = g.lane.SetTUN(second) })
	if err != nil {
		t.Fatal(err)
	}
	up(second.Index(), true)
	receive()
	eventually(t, "packet written to the new device", func() bool { return g.lane.counters.TUNWrite.Packets.Load() == 2 })
	if count() != 1 {
		t.Errorf("the loss was told %d times", failed)
	}
	before := g.lane.counters.Turns.Load()
	time.Sleep(50 * time.Millisecond)
	if turns := g.lane.counters.Turns.Load() - before; turns > 20 {
		t.Errorf("an idle lane made %d turns in 50 ms", turns)
	}
}

// TestDoKeepsTheOrder also after Stop was called by another.
func TestDoKeepsTheOrder(t *testing.T) {
	g := runningGate(t)
	var order []int
	for i := range 10 {
		g.lane.Do(func() { order = append(order, i) })
	}
	stop := g.start()
	for i := 10; i < 1000; i++ {
		g.lane.Do(func() { order = append(order, i) })
	}
	stop()
	for i, n := range order {
		if i != n {
			t.Fatalf("command %d ran as number %d", n, i)
		}
	}
	if len(order) != 1000 {
		t.Errorf("%d commands ran before the lane stopped, want 1000", len(order))
	}
}

//go:build linux

package udp

import (
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// loopbacks are the addresses to test both families on.
var loopbacks = []struct {
	name string
	addr netip.Addr
}{
	{"v4", netip.MustParseAddr("127.0.0.1")},
	{"v6", netip.MustParseAddr("::1")},
}

func anyPort(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, 0) }

func mustListen(t testing.TB, addr netip.AddrPort, o Options) *Socket {
	t.Helper()
	s, err := Listen(addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustConnect(t testing.TB, local, remote netip.AddrPort, o Options) *Socket {
	t.Helper()
	s, err := Connect(local, remote, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// waitFor polls the socket until one of the events is there.
func waitFor(t testing.TB, s *Socket, events int16) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(s.FD()), Events: events}}
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		n, err := unix.Poll(fds, 100)
		if err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	t.Fatal("nothing on the socket for 5 s")
}

// mustRecv waits for one receive. The result owns its bytes.
func mustRecv(t testing.TB, s *Socket) Datagrams {
	t.Helper()
	waitFor(t, s, unix.POLLIN)
	var d Datagrams
	if err := s.Recv(make([]byte, 1<<16), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// pattern is n bytes of which no two stretches are alike.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(uint32(i)*2654435761>>24 ^ 0x5a)
	}
	return b
}

// namespace runs f on a thread in a fresh network namespace with loopback up,
// which ends with f.
func namespace(t *testing.T, f func(ns netns.NsHandle)) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ns.Close()
		if err := netns.Set(home); err != nil {
			t.Fatalf("back to the first namespace: %v", err) // the thread stays locked and dies
		}
		home.Close()
		runtime.UnlockOSThread()
	}()
	linkUp(t, "lo")
	f(ns)
}

func linkUp(t *testing.T, name string) netlink.Link {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	return link
}

func addAddr(t *testing.T, link netlink.Link, prefix string) {
	t.Helper()
	a, err := netlink.ParseAddr(prefix)
	if err != nil {
		t.Fatal(err)
	}
	a.Flags |= unix.IFA_F_NODAD
	if err := netlink.AddrAdd(link, a); err != nil {
		t.Fatal(err)
	}
	// The kernel adds the route that makes an IPv6 address its own later.
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		routes, err := netlink.RouteGet(a.IP)
		if err == nil && len(routes) == 1 && routes[0].Type == unix.RTN_LOCAL {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("address %s is not ours after 5 s: %v", prefix, err)
		}
	}
}

// wire joins the present namespace (10.9.0.1, fd09::1, device "near") by veth
// to a second one (10.9.0.2, fd09::2), and returns a way to run in that one.
func wire(t *testing.T, here netns.NsHandle) (there func(f func())) {
	t.Helper()
	far, err := netns.New() // and the thread is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	enter := func(ns netns.NsHandle) {
		if err := netns.Set(ns); err != nil {
			t.Fatal(err)
		}
	}
	enter(here)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "near"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "far", PeerNamespace: netlink.NsFd(far)}); err != nil {
		t.Fatal(err)
	}
	near := linkUp(t, "near")
	addAddr(t, near, "10.9.0.1/24")
	addAddr(t, near, "fd09::1/64")
	there = func(f func()) {
		enter(far)
		defer enter(here)
		f()
	}
	there(func() {
		link := linkUp(t, "far")
		addAddr(t, link, "10.9.0.2/24")
		addAddr(t, link, "fd09::2/64")
	})
	return there
}

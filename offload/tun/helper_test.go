//go:build linux

package tun

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is one network namespace of the test with a TUN device in it.
type site struct {
	ns  netns.NsHandle
	dev *Device
}

// namespaces runs f on a thread in the first of n fresh network namespaces,
// with loopback up in all. They end with the test.
func namespaces(t testing.TB, n int, f func(sites []*site)) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("TUN devices and network namespaces need root")
	}
	if _, err := os.Stat(cloneDevice); err != nil {
		t.Skipf("no TUN devices here: %v", err)
	}
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	var sites []*site
	defer func() {
		for _, s := range sites {
			if s.dev != nil {
				s.dev.Close()
			}
			s.ns.Close()
		}
		if err := netns.Set(home); err != nil {
			t.Fatalf("back to the first namespace: %v", err) // the thread stays locked and dies
		}
		home.Close()
		runtime.UnlockOSThread()
	}()
	for range n {
		ns, err := netns.New() // and the thread is in it
		if err != nil {
			t.Fatal(err)
		}
		sites = append(sites, &site{ns: ns})
		up(t, "lo")
	}
	sites[0].enter(t)
	f(sites)
}

// enter moves the thread into the site's namespace.
func (s *site) enter(t testing.TB) {
	t.Helper()
	if err := netns.Set(s.ns); err != nil {
		t.Fatal(err)
	}
}

// open opens the site's device, gives it addresses and brings it up. The
// thread stays in the site's namespace.
func (s *site) open(t testing.TB, o Options, prefixes ...string) *Device {
	t.Helper()
	s.enter(t)
	dev, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	s.dev = dev
	link := up(t, dev.Name())
	for _, p := range prefixes {
		a, err := netlink.ParseAddr(p)
		if err != nil {
			t.Fatal(err)
		}
		a.Flags |= unix.IFA_F_NODAD
		if err := netlink.AddrAdd(link, a); err != nil {
			t.Fatal(err)
		}
		// The kernel adds the route that makes an IPv6 address its own later.
		eventually(t, "address "+p, func() bool {
			routes, err := netlink.RouteGet(a.IP)
			return err == nil && len(routes) == 1 && routes[0].Type == unix.RTN_LOCAL
		})
	}
	return dev
}

func up(t testing.TB, name string) netlink.Link {
	t.Helper()
	link := linkOf(t, name)
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	return link
}

func linkOf(t testing.TB, name string) netlink.Link {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// seen is what a bridge has read.
type seen struct {
	largest  int // bytes of the largest packet, virtio header left out
	gso      map[uint8]int
	needCsum int // packets without a complete checksum
	packets  int
}

// bridge carries superpackets between two devices until stop is closed, and
// returns what it has read from a and from b.
func bridge(t testing.TB, a, b *Device, stop <-chan struct{}) <-chan [2]seen {
	done := make(chan [2]seen, 1)
	go func() {
		result := [2]seen{{gso: map[uint8]int{}}, {gso: map[uint8]int{}}}
		devices := [2]*Device{a, b}
		buf := make([]byte, HeaderLen+65535)
		fds := []unix.PollFd{{Fd: int32(a.FD()), Events: unix.POLLIN}, {Fd: int32(b.FD()), Events: unix.POLLIN}}
		for {
			select {
			case <-stop:
				done <- result
				return
			default:
			}
			unix.Poll(fds, 20)
			for i, dev := range devices {
				for range 16 {
					n, err := dev.Read(buf)
					if err == ErrWouldBlock {
						break
					}
					if err != nil {
						t.Errorf("read: %v", err)
						break
					}
					s := &result[i]
					s.packets++
					s.largest = max(s.largest, n-HeaderLen)
					s.gso[buf[1]]++
					s.needCsum += int(buf[0] & unix.VIRTIO_NET_HDR_F_NEEDS_CSUM)
					// In pieces, as the gateway writes.
					if err := devices[1-i].Write([][]byte{buf[:HeaderLen], buf[HeaderLen:min(n, 60)], nil, buf[min(n, 60):n]}); err != nil && err != ErrWouldBlock {
						t.Errorf("write of %d bytes with header %x: %v", n, buf[:HeaderLen], err)
					}
				}
			}
		}
	}()
	return done
}

// eventually waits up to 5 s for f.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("%s: not within 5 s", what)
}

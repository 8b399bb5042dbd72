package netconf

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lan is the interface towards the site.
const lan = "lan0"

// inNamespace puts the test in a network namespace of its own with a loopback interface
// and a LAN interface that has addresses.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("changing routes in a network namespace needs root")
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
	ip(t, "link set lo up")
	ip(t, "link add "+lan+" type veth peer name lan1")
	ip(t, "link set lan1 addrgenmode none up")
	ip(t, "link set "+lan+" addrgenmode none") // without duplicate address detection, whose end is a change
	ip(t, "addr add 10.1.0.1/16 dev "+lan)
	ip(t, "addr add fd00:1::1/64 dev "+lan+" nodad")
	ip(t, "link set "+lan+" up")
}

// ip runs iproute2, which is the second reader of what the package does.
func ip(t *testing.T, args string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
	return string(out)
}

// routes is all unicast and unreachable routes that are ours, in the words of ip, a line
// each, the blanks evened.
func routes(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, family := range []string{"-4", "-6"} {
		for line := range strings.Lines(ip(t, family+" route show table all proto 214")) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
	}
	slices.Sort(lines)
	return lines
}

func prefixes(list ...string) (all []netip.Prefix) {
	for _, p := range list {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// device makes a TUN device that ends with the test, or earlier by closing it.
func device(t *testing.T) (index int, file *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no TUN devices: %v", err)
	}
	file = os.NewFile(uintptr(fd), "tun")
	t.Cleanup(func() { file.Close() })
	request, err := unix.NewIfreq("vpntest0")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		t.Fatal(err)
	}
	link, err := netlink.LinkByName("vpntest0")
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs().Index, file
}

// gateway is a configuration with both families and the device for it.
func gateway(t *testing.T) (*Net, *os.File) {
	t.Helper()
	index, file := device(t)
	return &Net{
		Link:   index,
		Local:  prefixes("10.1.0.0/16", "fd00:1::/64"),
		Remote: prefixes("10.2.0.0/16", "10.3.7.0/24", "fd00:2::/64", "fd00:3::7/128"),
	}, file
}

var gatewayRoutes = []string{
	"10.2.0.0/16 dev vpntest0 scope link src 10.1.0.1 metric 50",
	"10.3.7.0/24 dev vpntest0 scope link src 10.1.0.1 metric 50",
	"fd00:2::/64 dev vpntest0 src fd00:1::1 metric 50 pref medium",
	"fd00:3::7 dev vpntest0 src fd00:1::1 metric 50 pref medium",
}

var unreachable = []string{
	"unreachable 10.2.0.0/16 metric 1073741824",
	"unreachable 10.3.7.0/24 metric 1073741824",
	"unreachable fd00:2::/64 dev lo metric 1073741824 pref medium",
	"unreachable fd00:3::7 dev lo metric 1073741824 pref medium",
}

func wantRoutes(t *testing.T, want ...[]string) {
	t.Helper()
	all := slices.Sorted(slices.Values(slices.Concat(want...)))
	got := routes(t)
	for i, r := range got {
		got[i] = strings.Join(strings.Fields(strings.NewReplacer("proto 214 ", "", "linkdown ", "").Replace(r+" ")), " ")
	}
	slices.Sort(got)
	if !slices.Equal(got, all) {
		t.Errorf("routes are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(all, "\n"))
	}
}

func ensure(t *testing.T, n *Net) {
	t.Helper()
	if err := n.Ensure(); err != nil {
		t.Fatal(err)
	}
}

// changes counts what the kernel tells of while f runs.
func changes(t *testing.T, f func()) int {
	t.Helper()
	s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.SetReceiveTimeout(&unix.Timeval{Usec: 100_000}); err != nil {
		t.Fatal(err)
	}
	received := func() (n int) {
		for {
			messages, _, err := s.Receive()
			if err != nil {
				return n
			}
			n += len(messages)
		}
	}
	received() // what earlier changes bring about, such as a carrier
	f()
	return received()
}

func TestEnsureMakesRoutesAndIsIdempotent(t *testing.T) {
	inNamespace(t)
	n, _ := gateway(t)
	n.Addresses = prefixes("10.99.0.1/32")
	n.Remote = append(n.Remote, prefixes("10.4.0.0/16")...)
	if made := changes(t, func() { ensure(t, n) }); made == 0 {
		t.Fatal("the kernel told of no change: nothing is counted")
	}
	before := ip(t, "addr show dev vpntest0") + strings.Join(routes(t), "\n")
	if made := changes(t, func() { ensure(t, n) }); made != 0 {
		t.Errorf("a second Ensure made %d changes", made)
	}
	if after := ip(t, "addr show dev vpntest0") + strings.Join(routes(t), "\n"); after != before {
		t.Errorf("a second Ensure changed\n%s\nto\n%s", before, after)
	}
	if !strings.Contains(before, "inet 10.99.0.1/32") || !strings.Contains(before, "UP") {
		t.Errorf("address or state is missing:\n%s", before)
	}
	if strings.Contains(before, "fe80::") {
		t.Error("the device has a link-local address: the kernel solicits routers on it")
	}
	// With an address of the device's own, the kernel chooses that.
	if got := ip(t, "route get 10.4.1.1"); !strings.Contains(got, "dev vpntest0 src 10.99.0.1") {
		t.Errorf("the way to a remote host is %s", got)
	}
}

func TestSourceIsAnAddressTheTunnelAllows(t *testing.T) {
	inNamespace(t)
	n, _ := gateway(t)
	ensure(t, n)
	wantRoutes(t, gatewayRoutes, unreachable)
	if got := ip(t, "route get 10.2.1.1"); !strings.Contains(got, "dev vpntest0 src 10.1.0.1") {
		t.Errorf("the way to a remote host is %s", got)
	}
	if got := ip(t, "route get fd00:2::9"); !strings.Contains(got, "dev vpntest0") || !strings.Contains(got, "src fd00:1::1") {
		t.Errorf("the way to a remote host is %s", got)
	}
	// The address goes, another takes its place.
	ip(t, "addr add 10.1.0.2/17 dev "+lan)
	ip(t, "addr del 10.1.0.1/16 dev "+lan)
	ip(t, "addr add fd00:1::2/64 dev "+lan+" nodad")
	ip(t, "addr del fd00:1::1/64 dev "+lan)
	ensure(t, n)
	wantRoutes(t, unreachable, replaced(gatewayRoutes, "10.1.0.1", "10.1.0.2", "fd00:1::1", "fd00:1::2"))
	// None is left.
	ip(t, "addr flush dev "+lan)
	ensure(t, n)
	wantRoutes(t, unreachable, replaced(gatewayRoutes, " src 10.1.0.1", "", " src fd00:1::1", ""))
}

func replaced(routes []string, pairs ...string) (out []string) {
	for _, r := range routes {
		out = append(out, strings.NewReplacer(pairs...).Replace(r))
	}
	return out
}

// TestTentativeAddress: an IPv6 address of which the kernel does not know yet whether
// another host has it cannot be a route's source, and must not keep the gateway down.
func TestTentativeAddress(t *testing.T) {
	inNamespace(t)
	n, _ := gateway(t)
	ip(t, "addr del fd00:1::1/64 dev "+lan)
	ip(t, "addr add fd00:1::5/64 dev "+lan)
	if !strings.Contains(ip(t, "addr show dev "+lan), "tentative") {
		t.Skip("this kernel does not detect duplicate addresses")
	}
	ensure(t, n)
	wantRoutes(t, unreachable, replaced(gatewayRoutes, " src fd00:1::1", ""))
	for end := time.Now().Add(10 * time.Second); strings.Contains(ip(t, "addr show dev "+lan), "tentative"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the address stays tentative")
		}
	}
	ensure(t, n)
	wantRoutes(t, unreachable, replaced(gatewayRoutes, "fd00:1::1", "fd00:1::5"))
}

func TestRemoveLeavesNothing(t *testing.T) {
	for name, meanwhile := range map[string]func(t *testing.T, n *Net, tun *os.File){
		"as it was":         func(*testing.T, *Net, *os.File) {},
		"device gone":       func(_ *testing.T, _ *Net, tun *os.File) { tun.Close() },
		"device down":       func(t *testing.T, _ *Net, _ *os.File) { ip(t, "link set vpntest0 down") },
		"another source":    func(t *testing.T, _ *Net, _ *os.File) { ip(t, "addr add 10.1.0.0/32 dev lo") },
		"some removed":      func(t *testing.T, _ *Net, _ *os.File) { ip(t, "route del 10.2.0.0/16 dev vpntest0") },
		"source configured": func(_ *testing.T, n *Net, _ *os.File) { n.Addresses = prefixes("10.99.0.1/32") },
	} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t)
			ip(t, "route add 10.2.0.0/16 dev "+lan+" metric 7000 proto static") // somebody else's
			n, tun := gateway(t)
			ensure(t, n)
			meanwhile(t, n, tun)
			if err := n.Remove(); err != nil {
				t.Error(err)
			}
			if left := routes(t); len(left) != 0 {
				t.Errorf("left over:\n%s", strings.Join(left, "\n"))
			}
			if !strings.Contains(ip(t, "route show"), "metric 7000") {
				t.Error("somebody else's route was removed")
			}
			if err := n.Remove(); err != nil {
				t.Errorf("removing again: %v", err)
			}
		})
	}
}

// TestFailsClosed: without the device remote subnets are unreachable, whatever the
// default route says; with a new one they are routed again.
func TestFailsClosed(t *testing.T) {
	inNamespace(t)
	ip(t, "route add default dev "+lan)
	n, tun := gateway(t)
	ensure(t, n)
	tun.Close()
	wantRoutes(t, unreachable)
	for _, remote := range []string{"10.2.1.1", "fd00:2::1"} {
		if _, err := netlink.RouteGet(net.ParseIP(remote)); !errors.Is(err, unix.EHOSTUNREACH) {
			t.Errorf("%s without the device: %v, want EHOSTUNREACH", remote, err)
		}
	}
	if err := n.Ensure(); err == nil {
		t.Error("Ensure without the device gives no error")
	}
	// As after a killed run: the routes of the one before stand.
	n.Link, _ = device(t)
	ensure(t, n)
	wantRoutes(t, gatewayRoutes, unreachable)
}

func TestEnsureRepairs(t *testing.T) {
	for name, harm := range map[string]string{
		"down":               "link set vpntest0 down",
		"addresses flushed":  "addr flush dev vpntest0",
		"routes flushed":     "route flush proto 214",
		"IPv6 flushed":       "-6 route flush proto 214",
		"one replaced":       "route replace 10.2.0.0/16 dev " + lan + " metric 50",
		"fallback removed":   "route del unreachable 10.2.0.0/16 metric 1073741824",
		"IPv6 was taken off": "-6 addr flush dev vpntest0",
	} {
		t.Run(name, func(t *testing.T) {
			inNamespace(t)
			n, _ := gateway(t)
			n.Addresses = prefixes("10.99.0.1/32", "fd00:99::1/128")
			ensure(t, n)
			before := ip(t, "-o addr show dev vpntest0") + strings.Join(routes(t), "\n")
			ip(t, harm)
			if ip(t, "-o addr show dev vpntest0")+strings.Join(routes(t), "\n") == before {
				t.Fatal("nothing was harmed")
			}
			ip(t, "link set vpntest0 up") // by somebody else, so that Ensure finds it up
			ensure(t, n)
			if after := ip(t, "-o addr show dev vpntest0") + strings.Join(routes(t), "\n"); sortedWords(after) != sortedWords(before) {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
		})
	}
}

func sortedWords(s string) string {
	return strings.Join(slices.Sorted(slices.Values(strings.Fields(s))), " ")
}

// TestDefaultRoutes: all traffic may be remote.
func TestDefaultRoutes(t *testing.T) {
	inNamespace(t)
	n, _ := gateway(t)
	n.Remote = prefixes("0.0.0.0/0", "::/0")
	ensure(t, n)
	if made := changes(t, func() { ensure(t, n) }); made != 0 {
		t.Errorf("a second Ensure made %d changes", made)
	}
	if got := ip(t, "route get 203.0.113.9"); !strings.Contains(got, "dev vpntest0") {
		t.Errorf("the way out is %s", got)
	}
	if err := n.Remove(); err != nil {
		t.Error(err)
	}
	if left := routes(t); len(left) != 0 {
		t.Errorf("left over:\n%s", strings.Join(left, "\n"))
	}
}

func TestPathTo(t *testing.T) {
	inNamespace(t)
	ip(t, "link set "+lan+" mtu 1400")
	ip(t, "route add 192.0.2.0/24 via 10.1.0.9 mtu 1300")
	ip(t, "route add 198.51.100.0/24 via 10.1.0.9 mtu 9000 src 10.1.0.1")
	ip(t, "route add fd00:5::/64 via fd00:1::9 mtu 1290")
	paths := newPaths(t)
	for peer, want := range map[string]Path{
		"10.1.5.5":     {Source: netip.MustParseAddr("10.1.0.1"), MTU: 1400, Link: lan},
		"192.0.2.1":    {Source: netip.MustParseAddr("10.1.0.1"), MTU: 1300, Link: lan},
		"198.51.100.1": {Source: netip.MustParseAddr("10.1.0.1"), MTU: 1400, Link: lan},
		"fd00:1::9":    {Source: netip.MustParseAddr("fd00:1::1"), MTU: 1400, Link: lan},
		"fd00:5::1":    {Source: netip.MustParseAddr("fd00:1::1"), MTU: 1290, Link: lan},
	} {
		if got, err := paths.To(netip.MustParseAddr(peer)); err != nil || got != want {
			t.Errorf("path to %s: %+v, %v; want %+v", peer, got, err, want)
		}
	}
	for _, peer := range []string{"203.0.113.1", "2001:db8::1"} {
		if got, err := paths.To(netip.MustParseAddr(peer)); !errors.Is(err, unix.ENETUNREACH) {
			t.Errorf("path to %s: %+v, %v; want ENETUNREACH", peer, got, err)
		}
	}
	if _, err := paths.To(netip.Addr{}); err == nil {
		t.Error("there is a path to no address")
	}
	// The socket is good after an error, an interface is asked for once, and again after Forget.
	ip(t, "link set "+lan+" mtu 1350")
	for range 2 {
		if got, err := paths.To(netip.MustParseAddr("10.1.5.5")); err != nil || got.MTU != 1400 {
			t.Errorf("before Forget: %+v, %v", got, err)
		}
	}
	paths.Forget()
	if got, err := paths.To(netip.MustParseAddr("10.1.5.5")); err != nil || got.MTU != 1350 {
		t.Errorf("after Forget: %+v, %v", got, err)
	}
}

func newPaths(t *testing.T) *Paths {
	p := new(Paths)
	t.Cleanup(p.Close)
	return p
}

// BenchmarkPaths is one tunnel's part of what follows a change of the network.
func BenchmarkPaths(b *testing.B) {
	var p Paths
	defer p.Close()
	for b.Loop() {
		if _, err := p.To(netip.MustParseAddr("127.0.0.1")); err != nil {
			b.Fatal(err)
		}
	}
}

// TestPathFrom: a rule sends what has a second address of ours as its source by
// another link.
func TestPathFrom(t *testing.T) {
	inNamespace(t)
	ip(t, "link add second type veth peer name second1")
	ip(t, "link set second1 up")
	ip(t, "addr add 10.7.0.1/24 dev second")
	ip(t, "link set second up mtu 1200")
	ip(t, "route add 192.0.2.0/24 via 10.1.0.9")
	ip(t, "route add 192.0.2.0/24 via 10.7.0.9 table 7")
	ip(t, "rule add from 10.7.0.1 lookup 7")
	peer := netip.MustParseAddr("192.0.2.1")
	paths := newPaths(t)
	for source, want := range map[string]Path{
		"10.1.0.1": {Source: netip.MustParseAddr("10.1.0.1"), MTU: 1500, Link: lan},
		"10.7.0.1": {Source: netip.MustParseAddr("10.7.0.1"), MTU: 1200, Link: "second"},
	} {
		if got, err := paths.From(netip.MustParseAddr(source), peer); err != nil || got != want {
			t.Errorf("path from %s: %+v, %v; want %+v", source, got, err, want)
		}
	}
	if got, err := paths.From(netip.MustParseAddr("10.9.9.9"), peer); err == nil {
		t.Errorf("path from an address that is not ours: %+v", got)
	}
}

func TestSetMTU(t *testing.T) {
	inNamespace(t)
	n, _ := gateway(t)
	if err := SetMTU(n.Link, 1380); err != nil {
		t.Fatal(err)
	}
	if got := ip(t, "link show vpntest0"); !strings.Contains(got, "mtu 1380") {
		t.Errorf("the device is %s", got)
	}
	if err := SetMTU(n.Link, 1); !errors.Is(err, unix.EINVAL) {
		t.Errorf("an MTU of 1: %v, want EINVAL", err)
	}
	if err := SetMTU(9999, 1400); err == nil {
		t.Error("no error for a device that is not there")
	}
}

func TestForwarding(t *testing.T) {
	inNamespace(t)
	for version, file := range map[int]string{4: "/proc/sys/net/ipv4/ip_forward", 6: "/proc/sys/net/ipv6/conf/all/forwarding"} {
		for _, on := range []bool{true, false} {
			value := map[bool]string{true: "1", false: "0"}[on]
			if err := os.WriteFile(file, []byte(value), 0); err != nil {
				t.Skip(err)
			}
			if got := Forwarding(version); got != on {
				t.Errorf("IPv%d forwarding: %v, want %v", version, got, on)
			}
		}
	}
}

func TestWatch(t *testing.T) {
	inNamespace(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changed := make(chan struct{}, 1)
	if err := Watch(ctx, changed); err != nil {
		t.Fatal(err)
	}
	quiet := func() {
		for {
			select {
			case <-changed:
			case <-time.After(100 * time.Millisecond):
				return
			}
		}
	}
	quiet()
	for _, change := range []string{
		"link add dummy0 type veth peer name dummy1", "link set dummy0 up", "addr add 10.5.0.1/24 dev dummy0", "addr add fd00:5::1/64 dev dummy0 nodad",
		"route add 10.6.0.0/16 dev dummy0", "route add unreachable fd00:6::/64", "link del dummy0",
	} {
		ip(t, change)
		select {
		case <-changed:
		case <-time.After(5 * time.Second):
			t.Errorf("not told of: ip %s", change)
		}
		quiet()
	}
}

// shrinkNetlinkSockets makes every netlink socket of this process hold only a few messages.
func shrinkNetlinkSockets(t *testing.T) {
	t.Helper()
	found := 0
	for fd := range 64 {
		address, err := unix.Getsockname(fd)
		if _, ok := address.(*unix.SockaddrNetlink); err == nil && ok {
			found++
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	if found == 0 {
		t.Fatal("there is no netlink socket")
	}
}

// TestWatchSurvivesAShower: more changes than the socket holds while nobody receives are
// lost, but not what comes after.
func TestWatchSurvivesAShower(t *testing.T) {
	inNamespace(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changed := make(chan struct{}, 1)
	if err := Watch(ctx, changed); err != nil {
		t.Fatal(err)
	}
	shrinkNetlinkSockets(t)
	var batch strings.Builder
	for i := range 5000 {
		batch.WriteString("route add unreachable 10.100." + strconv.Itoa(i/256%256) + "." + strconv.Itoa(i%256) + "/32\n")
	}
	shower := exec.Command("ip", "-batch", "-")
	shower.Stdin = strings.NewReader(batch.String())
	if out, err := shower.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for idle := false; !idle; {
		select {
		case <-changed:
		case <-time.After(300 * time.Millisecond):
			idle = true
		}
	}
	ip(t, "route add unreachable 10.200.0.0/16")
	select {
	case <-changed:
	case <-time.After(5 * time.Second):
		t.Error("after a shower of changes no more are told")
	}
}

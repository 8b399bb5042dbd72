//go:build linux

package udp

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"vpngw/offload/ethtool"
)

var farAddrs = []netip.Addr{netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("fd09::2")}

// overWire gives f a connected socket and the listener at the far end of a
// veth wire of its own with an MTU of 1500, for both families.
func overWire(t *testing.T, f func(t *testing.T, near, far *Socket)) {
	for _, addr := range farAddrs {
		t.Run(addr.String(), func(t *testing.T) {
			namespace(t, func(here netns.NsHandle) {
				there := wire(t, here)
				var far *Socket
				there(func() { far = mustListen(t, netip.AddrPortFrom(addr, 4500), Options{}) })
				near := mustConnect(t, netip.AddrPort{}, far.LocalAddr(), Options{})
				f(t, near, far)
			})
		})
	}
}

// headers is the length of the IP and UDP headers on the socket's wire.
func headers(s *Socket) int {
	if s.LocalAddr().Addr().Is4() {
		return 28
	}
	return 48
}

func sendAll(t *testing.T, near, far *Socket, size int) SendResult {
	t.Helper()
	data := pattern(40*size + size/2)
	result, err := near.Send(data, size, 0)
	if err != nil || result.Sent != len(data) {
		t.Fatalf("%+v, %v", result, err)
	}
	datagrams, _ := collect(t, far, len(data))
	if !bytes.Equal(bytes.Join(datagrams, nil), data) || len(datagrams) != 41 {
		t.Fatalf("%d datagrams, or data differs", len(datagrams))
	}
	return result
}

// A device that cannot checksum made kernels before 6.11 refuse to segment
// with EIO; later ones do it in software. The data must arrive on both.
func TestDeviceWithoutChecksum(t *testing.T) {
	overWire(t, func(t *testing.T, near, far *Socket) {
		if result := sendAll(t, near, far, 1400); result.Fallback {
			t.Error("a plain veth refuses to segment")
		}
		if err := ethtool.Set("near", ethtool.TxChecksumIPGeneric, false); err != nil {
			t.Fatal(err)
		}
		result := sendAll(t, near, far, 1400)
		if result.Fallback == near.Segmenting() {
			t.Errorf("fallback %t, segmenting %t", result.Fallback, near.Segmenting())
		}
		t.Logf("fallback needed on this kernel: %t", result.Fallback)
		sendAll(t, near, far, 1400)
	})
}

// The kernel cannot segment without checksums, and says so with EINVAL.
func TestKernelRefusesToSegment(t *testing.T) {
	far := mustListen(t, anyPort(loopbacks[0].addr), Options{})
	near := mustConnect(t, netip.AddrPort{}, far.LocalAddr(), Options{})
	noCheck := func(on int) {
		if err := unix.SetsockoptInt(near.FD(), unix.SOL_SOCKET, unix.SO_NO_CHECK, on); err != nil {
			t.Fatal(err)
		}
	}
	noCheck(1)
	if result := sendAll(t, near, far, 1000); !result.Fallback || near.Segmenting() {
		t.Errorf("%+v, segmenting %t", result, near.Segmenting())
	}
	noCheck(0)
	if result := sendAll(t, near, far, 1000); result.Fallback || near.Segmenting() {
		t.Errorf("before its time: %+v, segmenting %t", result, near.Segmenting())
	}
	near.out.reprobeAt = near.out.now()
	if result := sendAll(t, near, far, 1000); result.Fallback || !near.Segmenting() {
		t.Errorf("tried again: %+v, segmenting %t", result, near.Segmenting())
	}
}

func TestDatagramsAboveTheMTU(t *testing.T) {
	overWire(t, func(t *testing.T, near, far *Socket) {
		fits := 1500 - headers(near)
		sendAll(t, near, far, fits)
		data := pattern(3*(fits+1) + 100)
		result, err := near.Send(data, fits+1, 0)
		if err != unix.EMSGSIZE || result != (SendResult{Sent: 100, Done: len(data), Lost: 3, Fallback: true}) {
			t.Errorf("%+v, %v", result, err)
		}
		if !near.Segmenting() {
			t.Error("segmenting was blamed for the MTU")
		}
		if d := mustRecv(t, far); !bytes.Equal(d.Bytes, data[len(data)-100:]) {
			t.Errorf("%d bytes arrived", len(d.Bytes))
		}
		if err := far.SendTo(data[:fits+1], netip.Addr{}, near.LocalAddr()); err != unix.EMSGSIZE {
			t.Errorf("SendTo: %v", err)
		}
		sendAll(t, near, far, fits)
	})
}

// What the kernel believes of the path must not keep a datagram back: it may
// come from a forged ICMP message.
func TestKernelPathMTUIgnored(t *testing.T) {
	overWire(t, func(t *testing.T, _, far *Socket) {
		link, err := netlink.LinkByName("near")
		if err != nil {
			t.Fatal(err)
		}
		to := far.LocalAddr().Addr()
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: netlink.NewIPNet(to.AsSlice()), MTU: 1300}
		if err := netlink.RouteAdd(route); err != nil {
			t.Fatal(err)
		}
		near := mustConnect(t, netip.AddrPort{}, far.LocalAddr(), Options{})
		sendAll(t, near, far, 1500-headers(near))
	})
}

func TestOwnFirewallAndLinkDown(t *testing.T) {
	overWire(t, func(t *testing.T, near, far *Socket) {
		if err := nft("add table inet t; add chain inet t out { type filter hook output priority 0; }; add rule inet t out udp dport 4500 drop"); err != nil {
			t.Skip(err)
		}
		result, err := near.Send(pattern(3000), 1000, 0)
		if err != unix.EPERM || result != (SendResult{Done: 3000, Lost: 3}) {
			t.Errorf("firewall: %+v, %v", result, err)
		}
		if err := nft("delete table inet t"); err != nil {
			t.Fatal(err)
		}
		sendAll(t, near, far, 1000)
		link, err := netlink.LinkByName("near")
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetDown(link); err != nil {
			t.Fatal(err)
		}
		result, err = near.Send(pattern(3000), 1000, 0)
		if err != unix.ENETUNREACH && err != unix.EHOSTUNREACH && err != unix.EINVAL || result.Lost != 3 {
			t.Errorf("link down: %+v, %v", result, err)
		}
		t.Logf("link down: %v", err)
	})
}

func nft(script string) error {
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(script, "; ", "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}

//go:build linux

package offload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The kernel cuts the same superpackets: they go out by a packet socket through
// a TUN device that takes none, and what it hands out must be what a Segmenter
// makes, bit for bit.
func TestKernelCutsTheSame(t *testing.T) {
	ns := enterNamespace(t)
	plain := ns.openTUN(t, "plain", 0)
	whole := ns.openTUN(t, "whole", unix.TUN_F_CSUM|unix.TUN_F_TSO4|unix.TUN_F_TSO6|unix.TUN_F_TSO_ECN)

	for _, test := range []struct {
		name   string
		change func(*packet)
		size   int
	}{
		{"even", nil, 1000},
		{"short last", func(p *packet) { p.payload = p.payload[:9001] }, 1000},
		{"FIN, PSH and CWR", func(p *packet) { p.flags |= tcpFIN | tcpPSH | tcpCWR }, 1000},
		{"ECE and ECN mark", func(p *packet) { p.flags |= tcpECE; p.tos = 3 }, 1000},
		{"options and small segments", func(p *packet) { p.options = timestamps(3, 4) }, 100},
		{"ID and sequence wrap, no DF", func(p *packet) { p.id, p.seq, p.fragment = 0xfffe, 0xfffffff0, 0 }, 1000},
		{"IP options", func(p *packet) {
			if p.src.Is4() {
				p.ipOptions = []byte{1, 1, 1, 0}
			}
		}, 1000},
		{"last of one byte", func(p *packet) { p.payload = p.payload[:1001] }, 1000},
	} {
		for _, kind := range kinds {
			t.Run(test.name+"/"+kind.name, func(t *testing.T) {
				p := stream(kind.v6, kind.udp, 1, 10000)[0]
				if test.change != nil {
					test.change(&p)
				}
				super, vh := p.bytes(true), p.virtio(test.size)
				ns.inject(t, plain, vh, super)
				if !kind.udp { // without USO, which not every kernel has
					ns.inject(t, whole, vh, super)
					readVH, read := whole.read(t)
					if readVH.GSOType != vh.GSOType || readVH.GSOSize != vh.GSOSize || !bytes.Equal(read, super) {
						t.Fatalf("the superpacket did not come through whole: %+v, %d bytes", readVH, len(read))
					}
					vh, super = readVH, read
				}
				var s Segmenter
				if err := s.Reset(vh, super); err != nil {
					t.Fatal(err)
				}
				for i := 0; s.Remaining() > 0; i++ {
					_, want := plain.read(t)
					if got := s.Next(); !bytes.Equal(got, want) {
						t.Fatalf("segment %d:\ngot    % x\nkernel % x", i, got[:p.headerLen()], want[:p.headerLen()])
					}
				}
				plain.expectNothing(t)
			})
		}
	}
}

// The kernel takes what a Coalescer glued, forwards it, and cuts it into the
// packets that it was made of, one hop further.
func TestKernelTakesSuperpackets(t *testing.T) {
	ns := enterNamespace(t)
	in := ns.openTUN(t, "in", unix.TUN_F_CSUM|unix.TUN_F_TSO4|unix.TUN_F_TSO6)
	out := ns.openTUN(t, "out", 0)
	ns.route(t, in, "10.1.0.0/16", "fd01::/16")
	ns.route(t, out, "10.2.0.0/16", "fd02::/16")
	ns.forward(t)

	for _, kind := range kinds {
		for _, size := range []int{1, 9, 1000} {
			if !kind.udp {
				size = max(size, minTCPSegment)
			}
			t.Run(fmt.Sprintf("%s/%d bytes", kind.name, size), func(t *testing.T) {
				packets := stream(kind.v6, kind.udp, 40, size)
				packets[39].flags |= tcpPSH
				c := NewCoalescer(allKinds)
				for i := range packets {
					c.Add(packets[i].bytes(false))
				}
				supers := c.Flush()
				if len(supers) != 1 {
					t.Fatalf("glued as %d", groupSizes(supers))
				}
				if _, err := unix.Writev(in.fd, supers[0].Vecs); err != nil {
					if kind.udp && err == unix.EINVAL {
						t.Skip("this kernel takes no UDP superpackets (needs Linux 6.2)")
					}
					t.Fatalf("the kernel refused it: %v", err)
				}
				for i := range packets {
					packets[i].ttl--
					want := packets[i].bytes(false)
					if _, got := out.read(t); !bytes.Equal(got, want) {
						t.Fatalf("packet %d:\nkernel % x\nwant   % x", i, got, want)
					}
				}
				out.expectNothing(t)
			})
		}
	}
}

// namespace is a network namespace that lasts as long as its test.
type namespace struct{ packet int }

// enterNamespace puts the test on a thread of its own in a network namespace of
// its own. The thread ends with the test, and the namespace with the thread.
func enterNamespace(t *testing.T) *namespace {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a network namespace and TUN devices")
	}
	runtime.LockOSThread() // never unlocked
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("no network namespace to be had: %v", err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("packet socket: %v", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		t.Fatalf("PACKET_VNET_HDR: %v", err)
	}
	return &namespace{packet: fd}
}

// device is a TUN device with virtio headers.
type device struct {
	fd   int
	link netlink.Link
}

func (ns *namespace) openTUN(t *testing.T, name string, offloads int) *device {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no TUN device to be had: %v", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		t.Fatalf("TUNSETIFF %s: %v", name, err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads); err != nil {
		t.Fatalf("TUNSETOFFLOAD %#x on %s: %v", offloads, name, err)
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatalf("set %s up: %v", name, err)
	}
	return &device{fd: fd, link: link}
}

// inject sends pkt out of d behind the virtio header vh.
func (ns *namespace) inject(t *testing.T, d *device, vh VirtioHeader, pkt []byte) {
	b := make([]byte, VirtioHeaderLen, VirtioHeaderLen+len(pkt))
	vh.Encode(b)
	b = append(b, pkt...)
	protocol := uint16(unix.ETH_P_IP)
	if pkt[0]>>4 == 6 {
		protocol = unix.ETH_P_IPV6
	}
	var inOrder [2]byte
	binary.BigEndian.PutUint16(inOrder[:], protocol)
	to := &unix.SockaddrLinklayer{Ifindex: d.link.Attrs().Index, Protocol: binary.NativeEndian.Uint16(inOrder[:])}
	if err := unix.Sendto(ns.packet, b, 0, to); err != nil {
		if vh.GSOType == GSOUDPL4 && err == unix.EINVAL {
			t.Skip("this kernel takes no UDP superpackets (needs Linux 6.2)")
		}
		t.Fatalf("inject %d bytes behind %+v: %v", len(pkt), vh, err)
	}
}

func (ns *namespace) route(t *testing.T, d *device, prefixes ...string) {
	for _, s := range prefixes {
		dst, err := netlink.ParseIPNet(netip.MustParsePrefix(s).String())
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: d.link.Attrs().Index, Dst: dst, Scope: netlink.SCOPE_LINK}); err != nil {
			t.Fatalf("route %s to %s: %v", s, d.link.Attrs().Name, err)
		}
	}
}

func (ns *namespace) forward(t *testing.T) {
	for _, path := range []string{"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"} {
		if err := os.WriteFile(path, []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// read returns the next TCP or UDP packet of the tests; the kernel sends its own
// router solicitations and the like between them.
func (d *device) read(t *testing.T) (VirtioHeader, []byte) {
	t.Helper()
	vh, pkt := d.poll(5 * time.Second)
	if pkt == nil {
		t.Fatalf("%s: no packet came in 5 s", d.link.Attrs().Name)
	}
	return vh, pkt
}

func (d *device) expectNothing(t *testing.T) {
	t.Helper()
	if _, pkt := d.poll(0); pkt != nil {
		t.Fatalf("%s: one packet too many: % x", d.link.Attrs().Name, pkt)
	}
}

func (d *device) poll(wait time.Duration) (vh VirtioHeader, pkt []byte) {
	b := make([]byte, VirtioHeaderLen+1<<16)
	for deadline := time.Now().Add(wait); ; {
		n, err := unix.Read(d.fd, b)
		var h Headers
		if err == nil && ParseHeaders(b[VirtioHeaderLen:n], &h) == nil && h.DstPort == 5000 {
			vh.Decode(b)
			return vh, b[VirtioHeaderLen:n]
		}
		if err != nil {
			left := time.Until(deadline)
			if left <= 0 {
				return vh, nil
			}
			// A failed poll shows as one more empty read.
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		}
	}
}

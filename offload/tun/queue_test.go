//go:build linux

package tun

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// datagram is a UDP packet as written to a TUN.
func datagram(from, to netip.AddrPort) []byte {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
	udp := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
	_ = udp.SetNetworkLayerForChecksum(ip)
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, udp, gopacket.Payload("ping")); err != nil {
		panic(err)
	}
	return append(make([]byte, HeaderLen), buf.Bytes()...)
}

// TestQueues: a flow's packets come off the queue that was written to last, but not off one
// that is detached, and all queues have the format of the first.
func TestQueues(t *testing.T) {
	namespaces(t, 1, func(sites []*site) {
		first := sites[0].open(t, Options{Name: "many", MultiQueue: true}, "10.9.0.1/24")
		if !first.MultiQueue() {
			t.Fatal("the device has only one queue")
		}
		second, err := first.OpenQueue()
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		if n, err := unix.IoctlGetInt(second.FD(), unix.TUNGETVNETHDRSZ); n != HeaderLen || err != nil || second.Features() != first.Features() {
			t.Errorf("virtio header of %d bytes, %v; %s, the first queue has %s", n, err, second.Features(), first.Features())
		}
		here, there := netip.MustParseAddrPort("10.9.0.1:2000"), netip.MustParseAddrPort("10.9.0.2:1000")
		echo, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(here))
		if err != nil {
			t.Fatal(err)
		}
		defer echo.Close()
		// answeredOn writes to one queue and tells on which the answer comes.
		answeredOn := func(write *Device) *Device {
			t.Helper()
			if err := write.Write([][]byte{datagram(there, here)}); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, HeaderLen+65535)
			if err := echo.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, from, err := echo.ReadFromUDPAddrPort(buf)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := echo.WriteToUDPAddrPort(buf[:n], from); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
				for _, d := range []*Device{first, second} {
					for n, err := d.Read(buf); err == nil; n, err = d.Read(buf) {
						if n == HeaderLen+20+8+4 && buf[HeaderLen] == 0x45 {
							return d
						}
					}
				}
			}
			t.Fatal("no answer")
			return nil
		}
		if answeredOn(second) != first {
			t.Error("a new queue gets packets before Attach")
		}
		if err := second.Attach(); err != nil {
			t.Fatal(err)
		}
		for _, d := range []*Device{second, first, second, second, first} {
			if answeredOn(d) != d {
				t.Error("the answer does not come off the queue that was written to")
			}
		}
		if answeredOn(second) != second || second.Detach() != nil || answeredOn(second) != first {
			t.Error("a detached queue gets packets")
		}
		if err := second.Attach(); err != nil || answeredOn(second) != second {
			t.Errorf("attached again it gets none: %v", err)
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		if _, err := netlink.LinkByName("many"); err != nil {
			t.Error("the device went before its last queue")
		}
		for range 2 {
			if err := second.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := netlink.LinkByName("many"); err == nil {
			t.Error("the device stays without queues")
		}
	})
}

// TestSingleQueueIsAdopted: a persistent device is not refused because it has one queue.
func TestSingleQueueIsAdopted(t *testing.T) {
	namespaces(t, 1, func([]*site) {
		if d, err := Open(Options{Name: "one"}); err != nil {
			t.Fatal(err)
		} else if _, err := d.OpenQueue(); !errors.Is(err, ErrSingleQueue) {
			t.Errorf("another queue of a device that was not asked to have it: %v", err)
		} else if err := unix.IoctlSetInt(d.FD(), unix.TUNSETPERSIST, 1); err != nil {
			t.Fatal(err)
		} else if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d, err := Open(Options{Name: "one", MultiQueue: true})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := d.OpenQueue(); d.MultiQueue() || !errors.Is(err, ErrSingleQueue) {
			t.Errorf("multi-queue %v, %v", d.MultiQueue(), err)
		}
		if err := unix.IoctlSetInt(d.FD(), unix.TUNSETPERSIST, 0); err != nil {
			t.Fatal(err)
		}
	})
}

//go:build linux

package tun

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// twoSites bridges the devices of two namespaces and runs f in the first.
func twoSites(t *testing.T, o Options, f func(a, b *site)) (fromA, fromB seen) {
	t.Helper()
	namespaces(t, 2, func(sites []*site) {
		a, b := sites[0], sites[1]
		o.Name, o.MTU = "site-b", 1400
		b.open(t, o, "10.8.0.2/24", "fd08::2/64")
		o.Name = "site-a"
		a.open(t, o, "10.8.0.1/24", "fd08::1/64")
		stop := make(chan struct{})
		bridged := bridge(t, a.dev, b.dev, stop)
		defer func() {
			close(stop)
			result := <-bridged
			fromA, fromB = result[0], result[1]
		}()
		f(a, b)
	})
	return fromA, fromB
}

// transfer sends n bytes by the kernels' TCP from a to b and compares them.
func transfer(t *testing.T, a, b *site, network, addr string, n int) {
	t.Helper()
	b.enter(t)
	listener, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	type digest struct {
		sum [32]byte
		err error
	}
	received := make(chan digest, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			received <- digest{err: err}
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		h := sha256.New()
		_, err = io.Copy(h, conn)
		received <- digest{[32]byte(h.Sum(nil)), err}
	}()
	a.enter(t)
	conn, err := net.DialTimeout(network, listener.Addr().String(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	data := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz-"), n/37+1)[:n]
	if _, err := conn.Write(data); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	got := <-received
	if got.err != nil || got.sum != sha256.Sum256(data) {
		t.Errorf("%s: data differs, or %v", addr, got.err)
	}
}

func TestTCPSuperpackets(t *testing.T) {
	for _, c := range []struct {
		network, addr string
		gso           uint8
	}{
		{"tcp4", "10.8.0.2:7000", unix.VIRTIO_NET_HDR_GSO_TCPV4},
		{"tcp6", "[fd08::2]:7000", unix.VIRTIO_NET_HDR_GSO_TCPV6},
	} {
		for name, o := range map[string]Options{
			"all":             {},
			"DisableUSO":      {DisableUSO: true},
			"DisableTSO":      {DisableTSO: true},
			"DisableChecksum": {DisableChecksum: true},
		} {
			t.Run(c.network+"/"+name, func(t *testing.T) {
				var f Features
				from, _ := twoSites(t, o, func(a, b *site) {
					f = a.dev.Features()
					transfer(t, a, b, c.network, c.addr, 8<<20)
				})
				t.Logf("%s: %+v", f, from)
				whole := !o.DisableTSO && !o.DisableChecksum
				if f.TSO4 != whole || f.TSO6 != whole || f.TSOECN != whole || f.MangleID != whole || f.Checksum == o.DisableChecksum {
					t.Errorf("granted: %s", f)
				}
				if f.USO && (o.DisableUSO || o.DisableChecksum) {
					t.Error("USO granted, though disabled")
				}
				switch {
				case whole && (from.largest <= 40_000 || from.gso[c.gso] == 0):
					t.Errorf("no superpackets: %+v", from)
				case !whole && (from.largest > 1400 || from.gso[unix.VIRTIO_NET_HDR_GSO_NONE] != from.packets):
					t.Errorf("superpackets, though disabled: %+v", from)
				}
				if (from.needCsum > 0) == o.DisableChecksum {
					t.Errorf("%d of %d packets without checksum", from.needCsum, from.packets)
				}
			})
		}
	}
}

// kernelHasUSO asks the kernel whether it gives UDP superpackets to a TUN device, as Linux does since 6.2.
func kernelHasUSO(t *testing.T) (has bool) {
	t.Helper()
	namespaces(t, 1, func(sites []*site) {
		d := sites[0].open(t, Options{Name: "ask"})
		const all = unix.TUN_F_CSUM | unix.TUN_F_USO4 | unix.TUN_F_USO6
		has = unix.IoctlSetInt(d.FD(), unix.TUNSETOFFLOAD, all) == nil
	})
	return has
}

func TestUDPSuperpackets(t *testing.T) {
	has := kernelHasUSO(t)
	t.Logf("UDP superpackets of this kernel: %t", has)
	for _, addr := range []string{"10.8.0.2:7000", "[fd08::2]:7000"} {
		for _, o := range []Options{{}, {DisableTSO: true}, {DisableUSO: true}, {DisableChecksum: true}} {
			t.Run(fmt.Sprintf("%s/uso=%t/tso=%t/checksum=%t", addr, !o.DisableUSO, !o.DisableTSO, !o.DisableChecksum), func(t *testing.T) {
				var granted bool
				from, _ := twoSites(t, o, func(a, b *site) {
					granted = a.dev.Features().USO
					sendTrain(t, a, b, netip.MustParseAddrPort(addr))
				})
				t.Logf("%+v", from)
				if want := has && !o.DisableUSO && !o.DisableChecksum; granted != want {
					t.Errorf("USO granted: %t, expected %t", granted, want)
				}
				if super := from.gso[unix.VIRTIO_NET_HDR_GSO_UDP_L4]; (super > 0) != granted || granted != (from.largest > 40_000) {
					t.Errorf("USO granted: %t, %d superpackets, largest %d", granted, super, from.largest)
				}
			})
		}
	}
}

// sendTrain sends 44 KB as one segmented send and compares what arrives.
func sendTrain(t *testing.T, a, b *site, to netip.AddrPort) {
	t.Helper()
	b.enter(t)
	server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	a.enter(t)
	client, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	raw, err := client.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	segment := func(size int) {
		raw.Control(func(fd uintptr) {
			if err := unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size); err != nil {
				t.Errorf("UDP_SEGMENT: %v", err)
			}
		})
	}
	segment(1100)
	data := make([]byte, 40*1100)
	for i := range data {
		data[i] = byte(i / 1100)
	}
	if _, err = client.Write(data); errors.Is(err, unix.EIO) { // Linux before 6.11 takes no train for a device without checksums
		segment(0)
		err = nil
		for i := 0; i < 40 && err == nil; i++ {
			_, err = client.Write(data[i*1100 : (i+1)*1100])
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	server.SetDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 2000)
	for i := range 40 {
		n, err := server.Read(buf)
		if err != nil || !bytes.Equal(buf[:n], data[i*1100:(i+1)*1100]) {
			t.Fatalf("datagram %d: %d bytes, %v", i, n, err)
		}
	}
}

// flood makes the kernel queue n packets on the site's device.
func flood(t testing.TB, n int) {
	t.Helper()
	conn, err := net.Dial("udp4", "10.8.0.2:7000")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range n {
		if _, err := conn.Write([]byte("flood")); err != nil {
			t.Fatal(err)
		}
	}
}

// The ring holds what was asked for, by count of packets, and drops the rest.
func TestTxQueueLen(t *testing.T) {
	for _, asked := range []int{0, 16, 200} {
		namespaces(t, 1, func(sites []*site) {
			dev := sites[0].open(t, Options{Name: "ring", TxQueueLen: asked}, "10.8.0.1/24")
			buf := make([]byte, HeaderLen+65535)
			drain := func() (n int) {
				for {
					m, err := dev.Read(buf)
					if err == ErrWouldBlock {
						return n
					}
					if err != nil {
						t.Fatal(err)
					}
					if buf[HeaderLen]>>4 == 4 { // IPv6 talks of its own accord
						n++
					}
					_ = m
				}
			}
			drain()
			flood(t, 300)
			want := asked
			if asked == 0 {
				want = DefaultTxQueueLen
			}
			if got := drain(); got > want || got < want-8 { // a few may be IPv6
				t.Errorf("asked for %d: the ring held %d", asked, got)
			}
			if attrs := linkOf(t, "ring").Attrs(); attrs.TxQLen != want || attrs.Statistics.TxDropped == 0 {
				t.Errorf("queue length %d, %d dropped", attrs.TxQLen, attrs.Statistics.TxDropped)
			}
		})
	}
}

func TestReadWriteDoNotAllocate(t *testing.T) {
	namespaces(t, 1, func(sites []*site) {
		dev := sites[0].open(t, Options{Name: "noalloc"}, "10.8.0.1/24")
		buf := make([]byte, HeaderLen+65535)
		for {
			if _, err := dev.Read(buf); err == ErrWouldBlock {
				break
			}
		}
		flood(t, 20)
		read := 0
		if allocs := testing.AllocsPerRun(10, func() {
			if _, err := dev.Read(buf); err == nil {
				read++
			}
		}); allocs != 0 || read != 11 {
			t.Errorf("Read: %v allocations in %d packets", allocs, read)
		}
		vecs := split(echo(), 130)
		if allocs := testing.AllocsPerRun(10, func() {
			if err := dev.Write(vecs); err != nil {
				t.Error(err)
			}
		}); allocs != 0 {
			t.Errorf("Write: %v allocations", allocs)
		}
		if allocs := testing.AllocsPerRun(10, func() {
			for {
				if _, err := dev.Read(buf); err != nil {
					return
				}
			}
		}); allocs != 0 {
			t.Errorf("Read until it would block: %v allocations", allocs)
		}
	})
}

// echo is a virtio header and an ICMP echo request from 10.8.0.2 to 10.8.0.1.
func echo() []byte {
	p := make([]byte, HeaderLen+20+8+200)
	ip := p[HeaderLen:]
	copy(ip, []byte{0x45, 0, 0, 228, 0, 0, 0x40, 0, 64, 1, 0, 0, 10, 8, 0, 2, 10, 8, 0, 1})
	put16(ip[10:], checksum(ip[:20]))
	ip[20] = 8
	put16(ip[22:], checksum(ip[20:]))
	return p
}

func put16(b []byte, v uint16) { b[0], b[1] = byte(v>>8), byte(v) }

func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// split cuts b into n pieces of about equal length.
func split(b []byte, n int) (vecs [][]byte) {
	for i := range n {
		vecs = append(vecs, b[i*len(b)/n:(i+1)*len(b)/n])
	}
	return vecs
}

func TestWriteOfManySlices(t *testing.T) {
	namespaces(t, 1, func(sites []*site) {
		dev := sites[0].open(t, Options{Name: "vecs"}, "10.8.0.1/24")
		answered := func() bool {
			buf := make([]byte, HeaderLen+65535)
			for {
				n, err := dev.Read(buf)
				if err != nil {
					return false
				}
				if ip := buf[HeaderLen:n]; ip[0]>>4 == 4 && ip[9] == 1 && ip[20] == 0 {
					return true // the echo reply
				}
			}
		}
		for _, n := range []int{1, 130, MaxVecs} {
			if err := dev.Write(split(echo(), n)); err != nil {
				t.Errorf("%d slices: %v", n, err)
			}
			eventually(t, fmt.Sprintf("answer to %d slices", n), answered)
		}
		for _, vecs := range [][][]byte{nil, {nil}, make([][]byte, MaxVecs+1), split(echo(), MaxVecs+1)} {
			if err := dev.Write(vecs); err != ErrVecs {
				t.Errorf("%d slices: %v", len(vecs), err)
			}
		}
		if err := dev.Write([][]byte{make([]byte, 9)}); err != unix.EINVAL {
			t.Errorf("less than a header: %v", err)
		}
		bad := echo()
		bad[1] = unix.VIRTIO_NET_HDR_GSO_UDP_L4
		if err := dev.Write([][]byte{bad}); err != unix.EINVAL {
			t.Errorf("a header that makes no sense: %v", err)
		}
		if _, err := dev.Read(nil); err != syscall.EINVAL {
			t.Errorf("read into nothing: %v", err)
		}
	})
}

//go:build linux

package tun

import (
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// superpacket is a virtio header and a TCP segment of the largest size, from
// 10.8.1.2 to 10.8.2.2, cut at 1360 bytes.
func superpacket() []byte {
	p := make([]byte, HeaderLen+65535)
	p[0], p[1] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM, unix.VIRTIO_NET_HDR_GSO_TCPV4
	binary.NativeEndian.PutUint16(p[2:], 40)   // header length
	binary.NativeEndian.PutUint16(p[4:], 1360) // segment
	binary.NativeEndian.PutUint16(p[6:], 20)   // checksum start
	binary.NativeEndian.PutUint16(p[8:], 16)   // and offset
	ip := p[HeaderLen:]
	copy(ip, []byte{0x45, 0, 0xff, 0xff, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 8, 1, 2, 10, 8, 2, 2})
	put16(ip[10:], checksum(ip[:20]))
	tcp := ip[20:]
	put16(tcp, 5001)
	put16(tcp[2:], 5002)
	tcp[12], tcp[13] = 5<<4, 0x10
	pseudo := append(append([]byte{}, ip[12:20]...), 0, 6, 0, 0)
	put16(pseudo[10:], uint16(len(tcp)))
	put16(tcp[16:], ^checksum(pseudo))
	return p
}

// BenchmarkForward64KiB writes superpackets to one device, lets the kernel
// route them, and reads them from another.
func BenchmarkForward64KiB(b *testing.B) {
	namespaces(b, 1, func(sites []*site) {
		in := sites[0].open(b, Options{Name: "in"}, "10.8.1.1/24")
		defer in.Close()
		out := sites[0].open(b, Options{Name: "out"}, "10.8.2.1/24")
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
			b.Fatal(err)
		}
		packet := superpacket()
		whole, pieces := [][]byte{packet}, [][]byte{packet[:HeaderLen+40]}
		for rest := packet[HeaderLen+40:]; len(rest) > 0; rest = rest[min(1360, len(rest)):] {
			pieces = append(pieces, rest[:min(1360, len(rest))])
		}
		buf := make([]byte, HeaderLen+65535)
		drain := func() (superpackets int) {
			for {
				n, err := out.Read(buf)
				if err != nil {
					return superpackets
				}
				if n == len(packet) {
					superpackets++
				}
			}
		}
		drain()
		const burst = 32 // below the ring's length
		run := func(name string, written bool, vecs [][]byte) {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for done := 0; done < b.N; done += burst {
					if !written {
						b.StopTimer()
					}
					for range burst {
						if err := in.Write(vecs); err != nil {
							b.Fatal(err)
						}
					}
					if written {
						b.StopTimer()
					} else {
						b.StartTimer()
					}
					if n := drain(); n != burst {
						b.Fatalf("%d superpackets of %d came through", n, burst)
					}
					b.StartTimer()
				}
			})
		}
		run("write and forward", true, whole)
		run("write 49 slices and forward", true, pieces)
		run("read", false, whole)
	})
}

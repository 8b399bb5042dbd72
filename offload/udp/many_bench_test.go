//go:build linux

package udp

import (
	"fmt"
	"net/netip"
	"testing"
)

// BenchmarkAmong sends one datagram to a connected socket beside many that share its port,
// as tunnels' sockets do: how long does the kernel look for the right one?
func BenchmarkAmong(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			listener := mustListen(b, anyPort(netip.IPv4Unspecified()), Options{})
			local := netip.AddrPortFrom(netip.Addr{}, listener.LocalAddr().Port())
			far := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}) }
			peer := mustListen(b, anyPort(far(0)), Options{})
			to := mustConnect(b, local, peer.LocalAddr(), Options{})
			for i := 1; i < n; i++ {
				mustConnect(b, local, netip.AddrPortFrom(far(i), 4500), Options{})
			}
			from, err := Connect(peer.LocalAddr(), to.LocalAddr(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer from.Close()
			var d Datagrams
			datagram, buf := make([]byte, 100), make([]byte, 1<<16)
			for b.Loop() {
				if _, err := from.Send(datagram, len(datagram), 0); err != nil {
					b.Fatal(err)
				}
				if err := to.Recv(buf, &d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

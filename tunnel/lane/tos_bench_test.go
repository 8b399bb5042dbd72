package lane

import (
	"fmt"
	"net/netip"
	"testing"

	"vpngw/offload"
	"vpngw/offload/udp"
)

// BenchmarkTOS is a turn of 16 packets over a real socket to a full receiver, with one TOS
// or two that take turns: what it costs that a train has only one.
func BenchmarkTOS(b *testing.B) {
	for _, size := range []int{60, 45 * 1398} {
		for _, toses := range [][]uint8{{0}, {2}, {0, 2}} {
			b.Run(fmt.Sprintf("%d bytes, TOS %d", size, toses), func(b *testing.B) {
				loopback := netip.MustParseAddrPort("127.0.0.1:0")
				sink := must(udp.Listen(loopback, udp.Options{}))
				defer sink.Close()
				out := must(udp.Connect(loopback, sink.LocalAddr(), udp.Options{}))
				g := newGate(b)
				s := g.site(1, false)
				if err := g.lane.SetSocket(s.Tunnel, out, out.LocalAddr(), sink.LocalAddr()); err != nil {
					b.Fatal(err)
				}
				var packets [][]byte
				for i := range 16 {
					p := tcp4(1, 5).super(bytesOf(size, 1), 1398)
					offload.SetECN(p[offload.VirtioHeaderLen:], toses[i%len(toses)])
					packets = append(packets, p)
				}
				b.SetBytes(int64(16 * size))
				b.ReportAllocs()
				calls := &g.lane.counters.UDPSend.Calls
				for b.Loop() {
					g.tun.push(packets...)
					g.settle()
				}
				b.ReportMetric(float64(calls.Load())/float64(b.N), "sends/op")
			})
		}
	}
}

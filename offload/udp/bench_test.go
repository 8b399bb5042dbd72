//go:build linux

package udp

import (
	"net/netip"
	"testing"
	"unsafe"
)

// BenchmarkLoopback64KiB sends and receives trains of 44 × 1472 bytes.
func BenchmarkLoopback64KiB(b *testing.B) {
	to := mustListen(b, anyPort(loopbacks[0].addr), Options{})
	from := mustConnect(b, netip.AddrPort{}, to.LocalAddr(), Options{})
	train := NewTrain()
	for train.Reserve(1472) != nil {
		train.Commit(1472)
	}
	raw := make([]byte, 1<<16+64)
	buf := raw[-int(uintptr(unsafe.Pointer(&raw[0])))&63:][:1<<16]
	var d Datagrams
	b.Run("send", func(b *testing.B) {
		for range b.N {
			if _, err := from.Send(train.Bytes(), train.Size(), 0); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			for to.Recv(buf, &d) == nil {
			}
			b.StartTimer()
		}
	})
	b.Run("recv", func(b *testing.B) {
		for range b.N {
			b.StopTimer()
			from.Send(train.Bytes(), train.Size(), 0)
			b.StartTimer()
			if err := to.Recv(buf, &d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("send and recv", func(b *testing.B) {
		for range b.N {
			if _, err := from.Send(train.Bytes(), train.Size(), 0); err != nil {
				b.Fatal(err)
			}
			if err := to.Recv(buf, &d); err != nil {
				b.Fatal(err)
			}
		}
	})
}

//go:build linux

package udp

import (
	"net/netip"
	"testing"
)

// TestPathMTU: a connected socket has its device's, a listener none.
func TestPathMTU(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := Listen(netip.MustParseAddrPort(address), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s, err := Connect(netip.AddrPort{}, l.LocalAddr(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if got := s.PathMTU(); got != 65536 && got != 65535 {
			t.Errorf("%s: %d on the loopback device", address, got)
		}
		if got := l.PathMTU(); got != 0 {
			t.Errorf("%s: %d of a listener", address, got)
		}
	}
}

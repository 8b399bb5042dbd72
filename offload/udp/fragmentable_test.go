//go:build linux

package udp

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSendFragmentable: a datagram above the MTU arrives in fragments, and the next one of
// SendTo is refused as before.
func TestSendFragmentable(t *testing.T) {
	overWire(t, func(t *testing.T, near, far *Socket) {
		for _, size := range []int{100, 1500 - headers(near), 1501 - headers(near), 9000} {
			data := pattern(size)
			if err := far.SendFragmentable(data, netip.Addr{}, near.LocalAddr()); err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if d := mustRecv(t, near); !bytes.Equal(d.Bytes, data) {
				t.Errorf("%d bytes arrived of %d", len(d.Bytes), size)
			}
			if err := far.SendTo(pattern(9000), netip.Addr{}, near.LocalAddr()); err != unix.EMSGSIZE {
				t.Errorf("SendTo after one of %d bytes: %v", size, err)
			}
		}
		if err := far.SendFragmentable(nil, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddrPort("[2001:db8::1]:1")); err != ErrFamily {
			t.Errorf("of two families: %v", err)
		}
	})
}

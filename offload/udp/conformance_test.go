//go:build linux

package udp

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestConformanceZeroChecksum receives a datagram whose UDP checksum is zero, as RFC
// 3948 §2.1 lets a sender of ESP in UDP make them over IPv4.
func TestConformanceZeroChecksum(t *testing.T) {
	to := mustListen(t, anyPort(netip.MustParseAddr("127.0.0.1")), Options{})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
		t.Fatal(err)
	}
	data := pattern(100)
	if err := unix.Sendto(fd, data, 0, &unix.SockaddrInet4{Port: int(to.LocalAddr().Port()), Addr: to.LocalAddr().Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	if d := mustRecv(t, to); string(d.Bytes) != string(data) {
		t.Errorf("got %d bytes, sent %d", len(d.Bytes), len(data))
	}
}

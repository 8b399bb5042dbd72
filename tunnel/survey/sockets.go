//go:build linux

package survey

import (
	"net/netip"

	"vpngw/offload/udp"
	"vpngw/tunnel/doctor"
)

// bufferSizes opens a socket as the gateway does, on any port, and sees what it is granted.
func bufferSizes(f *doctor.Facts) {
	s, err := udp.Listen(netip.AddrPortFrom(netip.IPv4Unspecified(), 0), udp.Options{RecvBuffer: f.Receive, SendBuffer: f.Send})
	if err != nil {
		unseen(f, "socket buffers", err)
		return
	}
	defer s.Close()
	f.Buffers.Receive, f.Buffers.Send = s.Buffers()
}

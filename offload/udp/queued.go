//go:build linux

package udp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Queued returns the bytes of memory of what was sent and has not left this machine:
// what waits in a queueing discipline or in a device (SIOCOUTQ). That is somewhat more
// than its bytes on the wire. Owner goroutine only; one system call.
func (s *Socket) Queued() int {
	var n int32
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(s.fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(&n)))
	if errno != 0 {
		return 0 // no UDP socket refuses
	}
	return int(n)
}

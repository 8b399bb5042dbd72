//go:build linux

package tun

import (
	"io"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Read reads one virtio-net header and the packet or superpacket behind it
// into buf, which should hold HeaderLen + 65535 bytes: the kernel cuts what
// does not fit without saying so. It returns the bytes read.
//
// The error is ErrWouldBlock or a bare errno: EBADFD when the device was
// deleted, EBADF after Close. A device that is down simply has nothing to
// read. Lane goroutine only; no allocation.
func (d *Device) Read(buf []byte) (n int, err error) {
	if len(buf) == 0 {
		return 0, unix.EINVAL
	}
	for {
		// The descriptor never blocks, so the scheduler need not hear of it.
		r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(d.fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
		switch errno {
		case 0:
			return int(r), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// Write writes the concatenation of vecs, a virtio-net header and one packet
// or superpacket, in one system call. Empty slices are skipped.
//
// The error is ErrWouldBlock, ErrVecs or a bare errno: EIO when the device is
// down, EBADFD when it was deleted, EINVAL when the kernel refuses the header
// (then the packets of the superpacket may be written one by one), EBADF after
// Close. Nothing was written when the error is not nil. The slices are
// borrowed for the call only. Lane goroutine only; no allocation.
func (d *Device) Write(vecs [][]byte) error {
	if len(vecs) > len(d.iov) {
		return ErrVecs
	}
	count, total := 0, 0
	for _, v := range vecs {
		if len(v) == 0 {
			continue
		}
		d.iov[count].Base = &v[0]
		d.iov[count].SetLen(len(v))
		count++
		total += len(v)
	}
	if count == 0 {
		return ErrVecs
	}
	for {
		r, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(d.fd), uintptr(unsafe.Pointer(&d.iov[0])), uintptr(count))
		switch errno {
		case 0:
			if int(r) != total {
				return io.ErrShortWrite
			}
			return nil
		case unix.EINTR:
			continue
		}
		return errno
	}
}

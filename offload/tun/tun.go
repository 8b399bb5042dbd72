//go:build linux

// Package tun is the TUN edge of the gateway: whole superpackets, each behind
// its virtio-net header, cross one system call.
//
// The device is made by golang.zx2c4.com/wireguard/tun, whose own Read and
// Write cut and glue superpackets and are therefore not used: Device does the
// I/O on the file itself, without blocking, allocation or locks. The virtio-net
// header is HeaderLen bytes long and in the machine's own byte order.
package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

const (
	// HeaderLen is the length in bytes of the virtio-net header before every
	// packet read or written: struct virtio_net_hdr, not its longer variants.
	HeaderLen = 10

	// DefaultTxQueueLen is the number of superpackets that the kernel queues
	// for a reader. The kernel's own 500 would be up to 32 MB in which nothing
	// can be ordered or dropped by flow; the gateway drains the ring into a
	// queue of its own instead.
	DefaultTxQueueLen = 128

	// MaxVecs is the largest number of slices in one Write (UIO_MAXIOV).
	MaxVecs = 1024

	minMTU = 68
	maxMTU = 65535
)

// ErrWouldBlock is what Read returns when no packet waits, and Write when the
// kernel is out of buffer. It is EAGAIN itself, so that comparing with either
// works.
var ErrWouldBlock error = unix.EAGAIN

// ErrVecs is returned by Write for no data at all or for more than MaxVecs slices.
var ErrVecs = errors.New("tun: a write takes 1 to 1024 slices and at least one byte")

// Options says which device to open and which offloads to ask for.
type Options struct {
	Name string // interface name, up to 15 bytes; a "%d" in it is numbered by the kernel, empty means "tun%d"
	MTU  int    // bytes; 0 leaves the device's own (1500 when new)

	DisableChecksum bool // packets are read with complete checksums; implies DisableTSO and DisableUSO
	DisableTSO      bool // TCP packets are read no larger than the MTU
	DisableUSO      bool // UDP packets are read no larger than the MTU

	TxQueueLen int // superpackets queued for Read before the kernel drops; 0: DefaultTxQueueLen

	// MultiQueue lets OpenQueue open more queues. A persistent device that has only one is
	// adopted all the same: MultiQueue of Device tells.
	MultiQueue bool
}

// Device is one open TUN queue.
//
// Read and Write belong to one goroutine (the lane). The other methods read
// what was fixed by Open and may be called by any goroutine; Close only after
// the lane has stopped.
type Device struct {
	fd       int
	name     string
	index    int
	mtu      int
	features Features
	multi    bool
	iov      []unix.Iovec

	handle    wgtun.Device  // nil: a further queue
	drained   chan struct{} // closed when the library's events have ended
	closeOnce sync.Once
	closeErr  error
}

// Open creates the TUN device, or adopts the persistent one of that name, in
// the network namespace of the calling thread. It does not bring the device
// up and gives it no addresses. The device goes away with Close unless it is
// persistent.
//
// Offloads are asked for from the largest set down until the kernel agrees;
// Features tells what came of it, and no missing offload is an error. Other
// errors name the device, say what to do, and wrap the errno: EPERM without
// CAP_NET_ADMIN, ENOENT or ENODEV where /dev/net/tun is missing, EBUSY for a
// device that another process has open, EINVAL for a name that an interface
// of another kind has.
func Open(o Options) (*Device, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("open TUN device %q: %w", o.Name, err)
	}
	d, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("open TUN device %q: %w", o.Name, err)
	}
	return d, nil
}

func (o *Options) check() error {
	switch {
	case len(o.Name) >= unix.IFNAMSIZ:
		return fmt.Errorf("name is %d bytes long, an interface name has at most %d", len(o.Name), unix.IFNAMSIZ-1)
	case o.MTU != 0 && (o.MTU < minMTU || o.MTU > maxMTU):
		return fmt.Errorf("MTU %d is not between %d and %d", o.MTU, minMTU, maxMTU)
	case o.TxQueueLen < 0:
		return fmt.Errorf("queue length %d is negative", o.TxQueueLen)
	}
	return nil
}

func open(o Options) (d *Device, err error) {
	file, name, multi, err := attach(o.Name, o.MultiQueue)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	control, err := newControl(name)
	if err != nil {
		return nil, err
	}
	defer control.close()

	mtu, err := control.setMTU(o.MTU)
	if err != nil {
		return nil, err
	}
	index, err := control.index()
	if err != nil {
		return nil, err
	}
	if err := control.setTxQueueLen(o.txQueueLen()); err != nil {
		return nil, err
	}

	fd := int(file.Fd())
	handle, err := wgtun.CreateTUNFromFile(file, mtu)
	if err != nil {
		return nil, fmt.Errorf("take over the device: %w", err)
	}
	d = &Device{
		fd: fd, name: name, index: index, mtu: mtu, multi: multi,
		iov:     make([]unix.Iovec, MaxVecs),
		handle:  handle,
		drained: make(chan struct{}),
	}
	// The library blocks on an event that nobody takes.
	go func() {
		defer close(d.drained)
		for range handle.Events() {
		}
	}()
	if err := d.configure(o); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// configure sets what the library leaves open or sets otherwise.
func (d *Device) configure(o Options) error {
	if err := setHeaderFormat(d.fd); err != nil {
		return err
	}
	d.features = negotiate(d.fd, d.name, o)
	if err := unix.SetNonblock(d.fd, true); err != nil {
		return fmt.Errorf("make the device non-blocking: %w", err)
	}
	return nil
}

func (o *Options) txQueueLen() int {
	if o.TxQueueLen == 0 {
		return DefaultTxQueueLen
	}
	return o.TxQueueLen
}

// FD returns the descriptor for epoll. It stays owned by the Device.
//
// EPOLLIN: Read has something. EPOLLERR: the device was deleted. A device that
// is only down gives neither EPOLLERR nor EPOLLOUT.
func (d *Device) FD() int { return d.fd }

// Name returns the interface name that the kernel gave.
func (d *Device) Name() string { return d.name }

// Index returns the interface index in the namespace of Open.
func (d *Device) Index() int { return d.index }

// MTU returns the MTU in bytes as of Open.
func (d *Device) MTU() int { return d.mtu }

// Features returns what the kernel granted.
func (d *Device) Features() Features { return d.features }

// Close closes the descriptor, which deletes the device unless it is
// persistent, and waits for the library's goroutines.
// The lane must have stopped. Calling it again returns the same error.
func (d *Device) Close() error {
	d.closeOnce.Do(func() {
		fd := d.fd
		d.fd = -1
		if d.handle == nil {
			d.closeErr = unix.Close(fd)
			return
		}
		// The library tells a goroutine of its own to end by a pipe, of which that one has
		// closed an end, or both, if it has ended already.
		if d.closeErr = d.handle.Close(); errors.Is(d.closeErr, unix.EPIPE) || errors.Is(d.closeErr, os.ErrClosed) {
			d.closeErr = nil
		}
		<-d.drained
	})
	return d.closeErr
}

// attach opens the clone device and makes or adopts the interface, if wanted and
// possible so that it can have several queues. The name returned is the one that the
// kernel chose.
func attach(name string, wantMulti bool) (file *os.File, got string, multi bool, err error) {
	fd, err := unix.Open(cloneDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", false, explainOpen(err)
	}
	got, err = setInterface(fd, name, wantMulti)
	if multi = wantMulti; multi && errors.Is(err, unix.EINVAL) { // a persistent device with one queue
		multi = false
		got, err = setInterface(fd, name, false)
	}
	if err != nil {
		unix.Close(fd)
		return nil, "", false, explainAttach(err)
	}
	// The descriptor still blocks here, so os.NewFile keeps it out of the Go
	// runtime's netpoller, which would otherwise be woken by every packet. For
	// the same reason, and because CreateTUN leaks the descriptor when
	// TUNSETIFF fails, the library gets a file instead of a name.
	return os.NewFile(uintptr(fd), cloneDevice), got, multi, nil
}

//go:build linux

package tun

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const cloneDevice = "/dev/net/tun"

// control does interface ioctls by name on a socket of its own.
type control struct {
	sock int
	name string
}

func newControl(name string) (*control, error) {
	sock, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open ioctl socket: %w", err)
	}
	return &control{sock: sock, name: name}, nil
}

func (c *control) close() { unix.Close(c.sock) }

func (c *control) get(request uint) (uint32, error) {
	ifr, err := unix.NewIfreq(c.name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(c.sock, request, ifr); err != nil {
		return 0, err
	}
	return ifr.Uint32(), nil
}

func (c *control) set(request uint, value uint32) error {
	ifr, err := unix.NewIfreq(c.name)
	if err != nil {
		return err
	}
	ifr.SetUint32(value)
	return unix.IoctlIfreq(c.sock, request, ifr)
}

func (c *control) index() (int, error) {
	n, err := c.get(unix.SIOCGIFINDEX)
	if err != nil {
		return 0, fmt.Errorf("read the interface index: %w", err)
	}
	return int(n), nil
}

// setMTU sets the MTU unless it is 0, and returns the one in force.
func (c *control) setMTU(mtu int) (int, error) {
	if mtu != 0 {
		if err := c.set(unix.SIOCSIFMTU, uint32(mtu)); err != nil {
			return 0, fmt.Errorf("set MTU %d: %w", mtu, err)
		}
	}
	got, err := c.get(unix.SIOCGIFMTU)
	if err != nil {
		return 0, fmt.Errorf("read the MTU: %w", err)
	}
	return int(got), nil
}

// setTxQueueLen resizes the ring that Read empties. The kernel resizes it in
// the course of this ioctl and takes the new length back when it cannot, so
// the length read back is the ring's.
func (c *control) setTxQueueLen(n int) error {
	if err := c.set(unix.SIOCSIFTXQLEN, uint32(n)); err != nil {
		return fmt.Errorf("set queue length %d: %w", n, err)
	}
	got, err := c.get(unix.SIOCGIFTXQLEN)
	if err != nil {
		return fmt.Errorf("read the queue length: %w", err)
	}
	if int(got) != n {
		return fmt.Errorf("set queue length %d: the kernel kept %d", n, got)
	}
	return nil
}

// setHeaderFormat makes the virtio-net header HeaderLen bytes long and of the
// machine's byte order: an adopted device keeps what its last owner chose.
func setHeaderFormat(fd int) error {
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETLE, 0); err != nil {
		return fmt.Errorf("set the virtio header's byte order: %w", err)
	}
	// Kernels without cross-endian support refuse this one, and need it not.
	_ = unix.IoctlSetPointerInt(fd, unix.TUNSETVNETBE, 0)
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, HeaderLen); err != nil {
		return fmt.Errorf("set the virtio header's length to %d: %w", HeaderLen, err)
	}
	got, err := unix.IoctlGetInt(fd, unix.TUNGETVNETHDRSZ)
	if err != nil {
		return fmt.Errorf("read the virtio header's length: %w", err)
	}
	if got != HeaderLen {
		return fmt.Errorf("the virtio header is %d bytes long, not %d", got, HeaderLen)
	}
	return nil
}

func explainOpen(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%s: %w (load the module with `modprobe tun`; in a container, pass the device in)", cloneDevice, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s: %w (needs CAP_NET_ADMIN and permission to open the file)", cloneDevice, err)
	}
	return fmt.Errorf("%s: %w", cloneDevice, err)
}

func explainAttach(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("create the interface: %w (needs CAP_NET_ADMIN)", err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("adopt the interface: %w (another process has this TUN device open; stop it or choose another name)", err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("create the interface: %w (the name is not valid, or taken by an interface that is not a single-queue TUN device; choose another name or delete it with `ip link del`)", err)
	}
	return fmt.Errorf("create the interface: %w", err)
}

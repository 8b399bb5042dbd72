//go:build linux

package tun

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrSingleQueue is returned by OpenQueue for a device that has only one queue.
var ErrSingleQueue = errors.New("the device has only one queue")

// MultiQueue tells whether OpenQueue can open more queues of the device.
func (d *Device) MultiQueue() bool { return d.multi }

// OpenQueue opens another queue of the device, detached: the kernel puts nothing into it
// before Attach. Packets may be written to it at once, and have the same format and
// offloads. It is closed by its own Close; a device that is not persistent goes with its
// last queue.
//
// It is for the goroutine that opened d. The error is ErrSingleQueue, or names what failed
// and wraps the errno, E2BIG where the device has as many queues as it can.
func (d *Device) OpenQueue() (*Device, error) {
	if !d.multi {
		return nil, fmt.Errorf("open another queue of TUN device %q: %w", d.name, ErrSingleQueue)
	}
	q, err := d.openQueue()
	if err != nil {
		return nil, fmt.Errorf("open another queue of TUN device %q: %w", d.name, err)
	}
	return q, nil
}

func (d *Device) openQueue() (*Device, error) {
	fd, err := unix.Open(cloneDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, explainOpen(err)
	}
	q := &Device{
		fd: fd, name: d.name, index: d.index, mtu: d.mtu, features: d.features, multi: true,
		iov: make([]unix.Iovec, MaxVecs),
	}
	if _, err := setInterface(fd, d.name, true); err != nil {
		q.Close()
		return nil, explainAttach(err)
	}
	if err := q.Detach(); err != nil {
		q.Close()
		return nil, err
	}
	return q, nil
}

// Attach lets the kernel put packets into the queue: those of flows of which a packet was
// last written to it, and a part of those of which none was. Any goroutine may call it
// until Close.
func (d *Device) Attach() error { return d.setQueue(unix.IFF_ATTACH_QUEUE) }

// Detach takes the queue from the kernel, which finds others for its flows. What is still
// in it when that is done is lost. Any goroutine may call it until Close; it may take
// milliseconds.
func (d *Device) Detach() error { return d.setQueue(unix.IFF_DETACH_QUEUE) }

func (d *Device) setQueue(flag uint16) error {
	ifr, err := unix.NewIfreq(d.name)
	if err != nil {
		return err
	}
	ifr.SetUint16(flag)
	if err := unix.IoctlIfreq(d.fd, unix.TUNSETQUEUE, ifr); err != nil {
		return fmt.Errorf("attach or detach a queue of TUN device %q: %w", d.name, err)
	}
	return nil
}

// setInterface makes fd a queue of the interface of that name, which is made if need be.
// It returns the name that the kernel chose.
func setInterface(fd int, name string, multi bool) (string, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return "", err
	}
	flags := uint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if multi {
		flags |= unix.IFF_MULTI_QUEUE
	}
	ifr.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return "", err
	}
	return ifr.Name(), nil
}

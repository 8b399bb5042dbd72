package lab

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// AddVLAN stacks a device with a name of its own on another, for what belongs to one VLAN (IEEE 802.1Q). The kernel needs its
// module 8021q; where it has none, [Namespace.Tag] does as much for a wire.
func (n *Namespace) AddVLAN(device, name string, vlan int) error {
	return n.on(device, fmt.Sprintf("add %s for VLAN %d", name, vlan), func(h *netlink.Handle, link netlink.Link) error {
		attributes := netlink.NewLinkAttrs()
		attributes.Name, attributes.ParentIndex = name, link.Attrs().Index
		if err := h.LinkSetUp(link); err != nil {
			return err
		}
		return h.LinkAdd(&netlink.Vlan{LinkAttrs: attributes, VlanId: vlan})
	})
}

// Take moves a device out of the namespace of the calling process into this one, where it gets another name: a card, of which
// nobody else may have need. What it returns gives the device back, and must be called before [Lab.Close].
func (n *Namespace) Take(device, name string) (giveBack func() error, err error) {
	fail := func(err error) (func() error, error) {
		return nil, fmt.Errorf("take %s into %s: %w", device, n.Name, err)
	}
	home, err := netns.Get()
	if err != nil {
		return fail(err)
	}
	link, err := netlink.LinkByName(device)
	if err == nil {
		err = netlink.LinkSetDown(link)
	}
	if err == nil {
		err = netlink.LinkSetNsFd(link, int(n.handle))
	}
	if err != nil {
		return fail(errors.Join(err, home.Close()))
	}
	rename := func(from, to string) error {
		return n.on(from, "rename to "+to, func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetName(link, to) })
	}
	giveBack = func() error {
		err := errors.Join(n.LinkUp(name, false), rename(name, device), n.on(device, "give back", func(h *netlink.Handle, link netlink.Link) error {
			return h.LinkSetNsFd(link, int(home))
		}))
		return errors.Join(err, home.Close())
	}
	if err := rename(device, name); err != nil {
		return fail(errors.Join(err, giveBack()))
	}
	return giveBack, nil
}

// Up gives the device its addresses and returns when it has been started.
func (e End) Up() error {
	if err := e.Namespace.LinkUp(e.Device, true); err != nil {
		return err
	}
	for _, p := range e.Addresses {
		if err := e.Namespace.AddAddress(e.Device, p); err != nil {
			return err
		}
	}
	return e.Namespace.waitOperational(e.Device)
}

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// End is one end of a wire: a device in a namespace, with its addresses.
type End struct {
	Namespace *Namespace
	Device    string
	Addresses []netip.Prefix
}

// wires numbers the first ends of wires. The kernel starts a device at once when its peer comes up only if the two have
// different numbers (by which it knows stacked devices), which the first devices of two namespaces have not by themselves;
// otherwise it takes up to a second, in which packets vanish.
var wires atomic.Int32

// firstWire is above any number that a namespace gives out by itself.
const firstWire = 10_000

// Wire joins two namespaces by a veth pair, sets the addresses and brings both ends up; when it returns, packets can cross.
// An mtu of 0 leaves the kernel's 1500.
func (l *Lab) Wire(a, b End, mtu int) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = a.Device
	attributes.Index = firstWire + int(wires.Add(1))
	veth := netlink.NewVeth(attributes)
	veth.PeerName = b.Device
	veth.PeerNamespace = netlink.NsFd(b.Namespace.handle)
	err := l.use(func() error {
		return a.Namespace.netlink(func(h *netlink.Handle) error { return h.LinkAdd(veth) })
	})
	if err != nil {
		return fmt.Errorf("veth %s/%s to %s/%s: %w", a.Namespace.Name, a.Device, b.Namespace.Name, b.Device, err)
	}
	a.Namespace.setPeer(a.Device, b)
	b.Namespace.setPeer(b.Device, a)
	for _, end := range []End{a, b} {
		if mtu != 0 {
			if err := end.Namespace.SetMTU(end.Device, mtu); err != nil {
				return err
			}
		}
		if err := end.Namespace.LinkUp(end.Device, true); err != nil {
			return err
		}
		for _, p := range end.Addresses {
			if err := end.Namespace.AddAddress(end.Device, p); err != nil {
				return err
			}
		}
	}
	return errors.Join(a.Namespace.waitOperational(a.Device), b.Namespace.waitOperational(b.Device))
}

// waitOperational returns when the kernel has started the device.
func (n *Namespace) waitOperational(device string) error {
	return Poll(context.Background(), 5*time.Second, func() error {
		return n.on(device, "wait until operational", func(_ *netlink.Handle, link netlink.Link) error {
			if state := link.Attrs().OperState; state != netlink.OperUp {
				return fmt.Errorf("its state is %s", state)
			}
			return nil
		})
	})
}

func (n *Namespace) setPeer(device string, peer End) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.peers[device] = peer
}

// netlink runs f with the namespace's netlink socket. Without a socket of its own the handle would speak to the caller's
// namespace, so it must never be used after release.
func (n *Namespace) netlink(f func(*netlink.Handle) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.released {
		return errClosed
	}
	return f(n.links)
}

// on finds a device and does something with it under a common error text.
func (n *Namespace) on(device, what string, f func(*netlink.Handle, netlink.Link) error) error {
	err := n.netlink(func(h *netlink.Handle) error {
		link, err := h.LinkByName(device)
		if err != nil {
			return err
		}
		return f(h, link)
	})
	if err != nil {
		return fmt.Errorf("%s, device %s of %s: %w", what, device, n.Name, err)
	}
	return nil
}

// LinkUp sets a device up or down.
func (n *Namespace) LinkUp(device string, up bool) error {
	return n.on(device, fmt.Sprintf("set up=%t", up), func(h *netlink.Handle, link netlink.Link) error {
		if up {
			return h.LinkSetUp(link)
		}
		return h.LinkSetDown(link)
	})
}

// SetMTU sets the MTU of a device in bytes.
func (n *Namespace) SetMTU(device string, mtu int) error {
	return n.on(device, fmt.Sprintf("set mtu %d", mtu), func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetMTU(link, mtu) })
}

// DeleteLink removes a device.
func (n *Namespace) DeleteLink(device string) error {
	return n.on(device, "delete", func(h *netlink.Handle, link netlink.Link) error { return h.LinkDel(link) })
}

// LinkIndex is the number of the device of that name, which no device had before it; ok is false if there is none.
func (n *Namespace) LinkIndex(device string) (index int, ok bool) {
	err := n.on(device, "look", func(_ *netlink.Handle, link netlink.Link) error {
		index = link.Attrs().Index
		return nil
	})
	return index, err == nil
}

// AddAddress gives a device an address, usable at once (no duplicate address detection).
func (n *Namespace) AddAddress(device string, address netip.Prefix) error {
	return n.on(device, "add address "+address.String(), func(h *netlink.Handle, link netlink.Link) error {
		return h.AddrAdd(link, netlinkAddress(address))
	})
}

// DeleteAddress takes an address from a device.
func (n *Namespace) DeleteAddress(device string, address netip.Prefix) error {
	return n.on(device, "delete address "+address.String(), func(h *netlink.Handle, link netlink.Link) error {
		return h.AddrDel(link, netlinkAddress(address))
	})
}

func netlinkAddress(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// AddRoute adds, or replaces, a route by way of a neighbour.
func (n *Namespace) AddRoute(to netip.Prefix, via netip.Addr) error {
	err := n.netlink(func(h *netlink.Handle) error {
		return h.RouteReplace(&netlink.Route{Dst: ipNet(to), Gw: via.AsSlice()})
	})
	if err != nil {
		return fmt.Errorf("route %s via %s in %s: %w", to, via, n.Name, err)
	}
	return nil
}

// AddDefaultRoutes adds the default routes for the families of the given neighbours.
func (n *Namespace) AddDefaultRoutes(via ...netip.Addr) error {
	for _, v := range via {
		everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if v.Is6() {
			everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if err := n.AddRoute(everything, v); err != nil {
			return err
		}
	}
	return nil
}

// Counters are the kernel's 64-bit counts of one device.
type Counters struct {
	RxPackets, TxPackets, RxBytes, TxBytes, RxDropped, TxDropped, RxErrors, TxErrors uint64
}

// Counters reads the counters of a device. A superpacket counts as one packet.
func (n *Namespace) Counters(device string) (c Counters, err error) {
	err = n.on(device, "read counters", func(_ *netlink.Handle, link netlink.Link) error {
		s := link.Attrs().Statistics
		if s == nil {
			return errors.New("the kernel gave none")
		}
		c = Counters{s.RxPackets, s.TxPackets, s.RxBytes, s.TxBytes, s.RxDropped, s.TxDropped, s.RxErrors, s.TxErrors}
		return nil
	})
	return c, err
}

// Feature switches an offload feature of a device, by the kernel's name ("tx-udp-segmentation", "rx-gro").
func (n *Namespace) Feature(device, feature string, on bool) error {
	err := n.withEthtool(func(e *ethtool.Ethtool) error { return e.Change(device, map[string]bool{feature: on}) })
	if err != nil {
		return fmt.Errorf("ethtool %s=%t, device %s of %s: %w", feature, on, device, n.Name, err)
	}
	return nil
}

// Features reads the offload features of a device by the kernel's names.
func (n *Namespace) Features(device string) (features map[string]bool, err error) {
	err = n.withEthtool(func(e *ethtool.Ethtool) (err error) {
		features, err = e.Features(device)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ethtool features, device %s of %s: %w", device, n.Name, err)
	}
	return features, nil
}

func (n *Namespace) withEthtool(f func(*ethtool.Ethtool) error) error {
	return n.Do(func() error {
		e, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer e.Close()
		return f(e)
	})
}

// NICLike makes what the device sends look as it would after a real network card: the sender's kernel computes checksums and
// cuts superpackets (tx-checksum-ip-generic off, which takes the segmentation offloads with it), and the receiving end glues
// packets again (GRO). Plain veth hands superpackets over whole, with checksums never computed. Call it on both ends of a
// wire for both directions.
func (n *Namespace) NICLike(device string) error {
	n.mu.Lock()
	peer, ok := n.peers[device]
	n.mu.Unlock()
	if !ok {
		return fmt.Errorf("NIC-like wire: device %s of %s is no end of a wire of this lab", device, n.Name)
	}
	return errors.Join(
		n.Feature(device, "tx-checksum-ip-generic", false),
		peer.Namespace.Feature(peer.Device, "rx-gro", true),
	)
}

// OnePacketPerFrame makes what the device sends cross the wire as single packets, so that a capture on either end
// shows each datagram and each TCP segment.
func (n *Namespace) OnePacketPerFrame(device string) error {
	for _, f := range []string{"tx-udp-segmentation", "tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation"} {
		if err := n.Feature(device, f, false); err != nil {
			return err
		}
	}
	return nil
}

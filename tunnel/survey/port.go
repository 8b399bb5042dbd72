//go:build linux

package survey

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/tunnel/doctor"
)

// refreshTime is how long an entry is left alone, so that a packet that refreshes it shows:
// its timeout is told in whole seconds.
const refreshTime = 1100 * time.Millisecond

// portUse asks connection tracking what it does with our packets to the peers. A thorough
// look sends each a NAT keepalive (RFC 3948 §2.3), since an entry may be one that no packet
// refreshes any more, or the gateway may not be running.
func portUse(ctx context.Context, f *doctor.Facts, depth Depth) {
	before := make([]tracked, len(f.Paths))
	old := false
	for n, p := range f.Paths {
		var err error
		if before[n], err = lookup(tupleOf(f, p)); err != nil {
			unseen(f, "connection tracking", err)
			return
		}
		old = old || before[n].found
	}
	if depth == Thorough && old {
		select {
		case <-ctx.Done():
		case <-time.After(refreshTime):
		}
	}
	for n, p := range f.Paths {
		use := doctor.PortUse{Peer: p.Peer}
		after := before[n]
		if depth == Thorough {
			err := keepalive(tupleOf(f, p))
			if errors.Is(err, errRefused) {
				use.Refused = true
			} else if err != nil {
				unseen(f, "what netfilter does with the port", err)
				return
			}
			if after, err = lookup(tupleOf(f, p)); err != nil {
				unseen(f, "connection tracking", err)
				return
			}
			if before[n].found && after.timeout < before[n].timeout {
				after = tracked{} // left over from before
			}
		}
		use.Tracked, use.NAT = after.found, after.nat
		f.PortUses = append(f.PortUses, use)
	}
}

// tuple is our packets to a peer.
type tuple struct{ from, to netip.AddrPort }

func tupleOf(f *doctor.Facts, p doctor.Path) tuple {
	return tuple{netip.AddrPortFrom(p.Source, f.Port), netip.AddrPortFrom(p.Address, p.Port)}
}

var errRefused = errors.New("the firewall of this machine refuses it")

// keepalive sends the one byte from a raw socket: one bound to the port would take packets
// from the gateway's own.
func keepalive(t tuple) error {
	family, level := unix.AF_INET, unix.IPPROTO_IP
	var from, to unix.Sockaddr = &unix.SockaddrInet4{Addr: as4(t.from.Addr())}, &unix.SockaddrInet4{Addr: as4(t.to.Addr())}
	if t.to.Addr().Is6() {
		family, level = unix.AF_INET6, unix.IPPROTO_IPV6
		from, to = &unix.SockaddrInet6{Addr: t.from.Addr().As16()}, &unix.SockaddrInet6{Addr: t.to.Addr().As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return explainRaw(err)
	}
	defer unix.Close(fd)
	if level == unix.IPPROTO_IPV6 {
		const checksumAt = 6
		if err := unix.SetsockoptInt(fd, level, unix.IPV6_CHECKSUM, checksumAt); err != nil {
			return fmt.Errorf("keepalive: %w", err)
		}
	}
	if err := unix.Bind(fd, from); err != nil {
		return fmt.Errorf("keepalive from %v: %w", t.from.Addr(), err)
	}
	b := make([]byte, 9) // an IPv4 checksum of 0 is none
	binary.BigEndian.PutUint16(b[0:], t.from.Port())
	binary.BigEndian.PutUint16(b[2:], t.to.Port())
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	b[8] = 0xff
	switch err := unix.Sendto(fd, b, 0, to); {
	case errors.Is(err, unix.EPERM):
		return errRefused
	case err != nil:
		return fmt.Errorf("keepalive to %v: %w", t.to, err)
	}
	return nil
}

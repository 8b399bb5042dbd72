//go:build linux

package survey

import (
	"context"

	"vpngw/tunnel/doctor"
	"vpngw/tunnel/netconf"
)

// Depth is how much is done to find out.
type Depth int

const (
	// Glance reads what the kernel says and sends nothing.
	Glance Depth = iota
	// Thorough also sends each peer a NAT keepalive and ICMP echo requests, and tries the
	// kernel's offloads on loopback sockets and on TUN devices in a namespace of their own.
	Thorough
)

// Look gathers the facts. What cannot be seen is named in Facts.Unseen. Thorough takes a
// second or two, some more where a path drops long packets silently, and ends early with ctx. It may be called by any goroutine.
func Look(ctx context.Context, s doctor.Subject, depth Depth) *doctor.Facts {
	f := &doctor.Facts{Subject: s, Forwarding4: netconf.Forwarding(4), Forwarding6: netconf.Forwarding(6)}
	ask := newAsker()
	defer ask.handle.Close()
	t := readTable(f, ask)
	paths(f, &t)
	if err := interfaces(f, &t); err != nil {
		unseen(f, "interfaces", err)
	}
	returns(f, &t)
	bufferSizes(f)
	if depth == Thorough {
		echoes(ctx, f)
		selfTest(ctx, f)
	}
	portUse(ctx, f, depth)
	return f
}

package main

import (
	"context"
	"net/netip"
	"time"

	"vpngw/integration/lab"
)

// tunnels is how many tunnels compete; one more carries the probe.
const tunnels = 4

const (
	// port of the gateways outside.
	port = 4500
	// upTimeout is how long all tunnels may take to come up.
	upTimeout = 20 * time.Second
	stopGrace = 3 * time.Second
)

// contestant is a kind of gateway.
type contestant interface {
	// name is how flags, table and JSON call it; about says what it is.
	name() string
	about() string
	// build compiles what it runs and returns the version.
	build(ctx context.Context, b *builder) (version string, err error)
	// prepare makes what outlives restarts: keys, directories.
	prepare(ctx context.Context, net *lab.Bottleneck) (gateways, error)
}

// gateways are the hub's and the branches' gateways of a contestant.
type gateways interface {
	// start starts all of them and returns when every tunnel has keys, if it can tell.
	start(ctx context.Context, s setup) error
	stop()
	// hub is the process of the hub's gateway, and branch that of branch i, from 0.
	hub() *lab.Process
	branch(i int) *lab.Process
	// socket is the hub's control socket, by which it is profiled; empty: it has none.
	socket() string
}

// setup is what a start may vary.
type setup struct {
	// uplink is the rate in bits per second that every gateway holds its outer packets to; 0: unshaped.
	uplink uint64
	// via holds for branches, from 0, the addresses by which they and the hub reach one another where something
	// stands between them; the zero value is the direct way.
	via [tunnels + 1]relayed
}

// relayed is a relay's two faces.
type relayed struct{ hubSide, branchSide netip.AddrPort }

// hubSees is the outside address of branch i's gateway for the hub.
func (s setup) hubSees(net *lab.Bottleneck, i int) netip.AddrPort {
	if s.via[i].hubSide.IsValid() {
		return s.via[i].hubSide
	}
	return netip.AddrPortFrom(net.Branches[i].Outside4, port)
}

// branchSees is the outside address of the hub's gateway for branch i.
func (s setup) branchSees(net *lab.Bottleneck, i int) netip.AddrPort {
	if s.via[i].branchSide.IsValid() {
		return s.via[i].branchSide
	}
	return netip.AddrPortFrom(net.Hub.Outside4, port)
}

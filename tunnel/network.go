package tunnel

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"vpngw/crypto/ike"
	"vpngw/offload/udp"
	"vpngw/tunnel/lane"
	"vpngw/tunnel/mtu"
	"vpngw/tunnel/netconf"
)

// setEndpoint makes a tunnel's ESP go from local, if that is an address, to remote.
func (g *Gateway) setEndpoint(t *tunnel, local, remote netip.AddrPort) {
	pinned := local.IsValid() && !local.Addr().IsUnspecified()
	if t.remote == remote && t.source.IsValid() && (!pinned || local.Addr() == t.source) {
		return
	}
	if t.remote.IsValid() && t.remote != remote {
		g.log.Info("peer has moved", "tunnel", t.cfg.Name, "from", t.remote, "to", remote)
	}
	if t.remote != remote {
		t.path = nil // it is another one
	}
	t.local, t.remote, t.pinned = local, remote, pinned
	g.openSocket(t)
	g.measure(t)
	g.adjustMTU()
}

// openSocket connects a socket for t to its peer and hands it to the lane. Where that
// fails the lane keeps what it has and it is tried again.
func (g *Gateway) openSocket(t *tunnel) {
	var local netip.Addr // the zero value: the kernel's choice
	if t.pinned {
		local = t.local.Addr()
	}
	s, err := udp.Connect(netip.AddrPortFrom(local, g.cfg.Port), t.remote, g.socketOptions())
	if err != nil && t.pinned {
		t.pinned = false
		s, err = udp.Connect(netip.AddrPortFrom(netip.Addr{}, g.cfg.Port), t.remote, g.socketOptions())
	}
	if err != nil {
		if unsaid, ok := t.saidSocket.say(err.Error(), time.Now()); ok {
			g.log.Warn("no socket to the peer", "tunnel", t.cfg.Name, "remote", t.remote, "error", err, "unsaid", unsaid)
		}
		t.source = netip.Addr{}
		g.repair = time.Now().Add(retryTime)
		return
	}
	t.source, t.saidSocket = s.LocalAddr().Addr(), repeats{}
	t.do(func(l *lane.Lane) {
		if err := l.SetSocket(t.lane, s, s.LocalAddr(), s.RemoteAddr()); err != nil {
			g.log.Error("socket is not watched", "tunnel", t.cfg.Name, "error", err)
		}
	})
	g.followTunnel(t, time.Now())
}

// checkSocket makes t's socket anew if its source address is gone or the kernel would
// by now choose another.
func (g *Gateway) checkSocket(t *tunnel) {
	if !t.remote.IsValid() {
		return
	}
	path, err := g.paths.To(t.remote.Addr())
	if t.unreached = err != nil; t.unreached {
		g.repair = time.Now().Add(retryTime)
		return
	}
	if t.source.IsValid() && (t.source == path.Source || t.pinned && isOurs(t.source)) {
		return
	}
	g.log.Info("local address has changed", "tunnel", t.cfg.Name, "from", t.source, "to", path.Source)
	t.pinned = false
	g.openSocket(t)
	// The peer learns our new address from the first thing that authenticates.
	g.step(ike.Probe{ID: t.id, Local: netip.AddrPortFrom(path.Source, g.cfg.Port)})
}

// repairSockets looks again at tunnels whose peer could not be reached.
func (g *Gateway) repairSockets() {
	for _, t := range g.tunnels {
		if t.unreached || !t.source.IsValid() {
			g.checkSocket(t)
		}
	}
}

// isOurs tells whether an address is on this machine.
func isOurs(a netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, have := range addrs {
		if p, err := netip.ParsePrefix(have.String()); err == nil && p.Addr().Unmap() == a.WithZone("") {
			return true
		}
	}
	return false
}

// remakeTUN replaces a TUN device that is gone.
func (g *Gateway) remakeTUN() {
	if g.tun != nil {
		if !g.takeTUN() {
			g.tunRetry = time.Now().Add(retryTime)
			return
		}
		g.countRing()
		g.ringDrops, g.ringSeen = g.ringDrops+g.ringSeen, 0
		closeQueues(g.queues)
		g.tun.Close() // the lanes have let go of it
		g.tun, g.queues = nil, nil
	}
	if err := g.openTUN(); err != nil {
		g.log.Error("TUN device is not made", "interface", g.cfg.Interface, "error", err)
		g.tunRetry = time.Now().Add(retryTime)
		return
	}
	g.giveTUN()
	g.chooseErrorSource()
	g.log.Info("TUN device is up again", "interface", g.tun.Name(), "mtu", g.tun.MTU())
}

// measure asks the kernel for the path to t's peer. Of interfaces it may know since
// g.paths last forgot them.
func (g *Gateway) measure(t *tunnel) {
	t.inner, t.route = 0, 0
	remote := t.remote
	if !remote.IsValid() {
		remote = t.peer
	}
	if !remote.IsValid() {
		g.forgetPath(t)
		return
	}
	path, err := g.paths.From(t.source, remote.Addr())
	if err != nil && t.source.IsValid() { // which may be gone
		path, err = g.paths.To(remote.Addr())
	}
	if err == nil {
		t.inner, t.route = mtu.Inner(path.MTU, remote.Addr()), path.MTU
		t.link = path.Link
		g.useUplink(t)
	}
	g.routeMTU(t, time.Now())
}

func (g *Gateway) measureAll() {
	for _, t := range g.tunnels {
		g.measure(t)
	}
}

// wantMTU is the MTU of the TUN device: the longest packet that crosses the path to
// every peer whose address is known in one datagram. Where that is too little for IPv6, which
// some tunnel carries, the device has what IPv6 needs, and what the path does not take is
// dealt with as on any path that is narrower than its route.
func (g *Gateway) wantMTU() int {
	if g.cfg.MTU != 0 {
		return g.cfg.MTU
	}
	least := 0
	for _, t := range g.tunnels {
		if t.inner != 0 && (least == 0 || t.inner < least) {
			least = t.inner
		}
	}
	if least == 0 {
		// The smaller of the two for a wire that is not known.
		return mtu.Inner(mtu.Ethernet, netip.IPv6Unspecified())
	}
	if least < mtu.IPv6Minimum && g.carriesIPv6() {
		return mtu.IPv6Minimum
	}
	return least
}

// carriesIPv6 tells whether the TUN device has IPv6 to carry.
func (g *Gateway) carriesIPv6() bool {
	is6 := func(p netip.Prefix) bool { return p.Addr().Is6() }
	return slices.ContainsFunc(g.cfg.Addresses, is6) ||
		slices.ContainsFunc(g.tunnels, func(t *tunnel) bool { return slices.ContainsFunc(t.cfg.Remote, is6) })
}

// adjustMTU follows the paths.
func (g *Gateway) adjustMTU() {
	if g.tun == nil {
		return
	}
	want := g.wantMTU()
	if want == g.mtu {
		return
	}
	if err := netconf.SetMTU(g.tun.Index(), want); err != nil {
		g.log.Warn("MTU is not set", "error", err)
		return
	}
	g.log.Info("MTU follows the path", "interface", g.cfg.Interface, "from", g.mtu, "to", want)
	g.mtu = want
}

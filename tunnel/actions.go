package tunnel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	crand "crypto/rand"

	"vpngw/crypto/esp"
	"vpngw/crypto/ike"
	"vpngw/offload/udp"
	"vpngw/tunnel/lane"
)

// step gives IKE an event and does what it says.
func (g *Gateway) step(e ike.Event) {
	// The slice lives until the next Step, which an action may cause.
	var failed []ike.Event
	for _, a := range g.machine.Step(time.Now(), e) {
		if again := g.do(a); again != nil {
			failed = append(failed, again)
		}
	}
	for _, e := range failed {
		g.step(e)
	}
}

// do carries out one action. It may return an event that IKE must hear of.
func (g *Gateway) do(a ike.Action) ike.Event {
	switch a := a.(type) {
	case ike.Send:
		g.send(a, (*udp.Socket).SendTo)
	case ike.SendFragmentable:
		g.send(ike.Send(a), (*udp.Socket).SendFragmentable)
	case ike.InstallChild:
		if err := g.install(a); err != nil {
			g.log.Error("child SA is not installed", "tunnel", g.name(a.ID), "error", err)
			return ike.HardLimit{ID: a.ID, SPI: a.Child.Inbound.SPI}
		}
	case ike.UseOutbound:
		c := g.children[a.SPI]
		if c == nil {
			break
		}
		c.part.Do(func(l *lane.Lane) { l.SetOutbound(c.part, c.outbound) })
		if a.Resource > 0 {
			g.strandSends(g.strandOf(c.part), true, time.Now())
		}
	case ike.StopOutbound:
		g.strandSends(g.tunnels[a.ID].strands[a.Resource-1], false, time.Now())
	case ike.RemoveChild:
		c := g.children[a.SPI]
		if c == nil {
			break
		}
		delete(g.children, a.SPI)
		if s := g.strandOf(c.part); s != nil {
			s.sas--
		}
		c.part.Do(func(l *lane.Lane) {
			l.RemoveInbound(a.SPI)
			l.RemoveOutbound(c.part, a.SPI)
		})
	case ike.Up:
		g.up(a)
	case ike.Down:
		g.down(a)
	case ike.Refused:
		g.refused(a)
	case ike.PathProbed:
		return g.pathProbed(a)
	case ike.Endpoint:
		g.setEndpoint(g.tunnels[a.ID], a.Local, a.Remote)
	}
	return nil
}

func (g *Gateway) name(id ike.PeerID) string { return g.cfg.Tunnels[id].Name }

// send sends an IKE message from the listener: the answer comes to the tunnel's
// socket if there is one, since both have the same port.
func (g *Gateway) send(a ike.Send, sendTo func(*udp.Socket, []byte, netip.Addr, netip.AddrPort) error) {
	s, plain := g.socketFor(a.Local, a.Remote)
	if s == nil {
		g.log.Warn("IKE message is not sent: no socket of that address family", "remote", a.Remote)
		return
	}
	b := a.Bytes
	if !plain {
		b = make([]byte, 4+len(a.Bytes)) // four zero bytes: the non-ESP marker, RFC 3948 §2.2
		copy(b[4:], a.Bytes)
	}
	local := a.Local.Addr()
	if local.IsUnspecified() {
		local = netip.Addr{}
	}
	err := sendTo(s, b, local, a.Remote)
	if err != nil && local.IsValid() {
		// The address may be gone from this machine: then any other is better than none.
		err = sendTo(s, b, netip.Addr{}, a.Remote)
	}
	if err != nil {
		g.log.Debug("IKE message is not sent", "remote", a.Remote, "error", err)
	}
}

var suites = map[ike.Cipher]esp.Suite{
	ike.AES256GCM: esp.AES256GCM, ike.AES128GCM: esp.AES128GCM, ike.ChaCha20Poly1305: esp.ChaCha20Poly1305,
}

var errSPITaken = errors.New("its SPI is in use")

// install makes both halves of a child SA and lets the lane receive on it.
func (g *Gateway) install(a ike.InstallChild) error {
	t, c := g.tunnels[a.ID], &a.Child
	if g.children[c.Inbound.SPI] != nil {
		return errSPITaken
	}
	in, err := esp.NewInbound(suites[c.Inbound.Suite], c.Inbound.SPI, c.Inbound.Keymat, c.Inbound.ESN)
	if err != nil {
		return err
	}
	out, err := esp.NewOutbound(suites[c.Outbound.Suite], c.Outbound.SPI, c.Outbound.Keymat, c.Outbound.ESN)
	if err != nil {
		return err
	}
	clear(c.Inbound.Keymat)
	clear(c.Outbound.Keymat)
	part := t.part(c.Resource)
	g.children[c.Inbound.SPI] = &child{tunnel: t, part: part, outbound: &lane.Outbound{
		ESP: out, Policy: lane.NewPolicy(c.Local, c.Remote), Child: c.Inbound.SPI,
		Limits: outboundLimits(t.cfg, c.Outbound.ESN), Unsummed: c.Unsummed,
	}}
	inbound := &lane.Inbound{
		ESP: in, Policy: lane.NewPolicy(c.Local, c.Remote), Tunnel: part, Limits: inboundLimits(t.cfg, c.Inbound.ESN),
		Unsummed: c.Unsummed,
	}
	if s := g.strandOf(part); s != nil {
		g.strandInstalls(s, c.Opener)
	}
	part.Do(func(l *lane.Lane) { l.SetInbound(inbound) })
	g.log.Info("child SA is installed", "tunnel", t.cfg.Name, "in", c.Inbound.String(), "out", c.Outbound.String(),
		"local", fmt.Sprint(c.Local), "remote", fmt.Sprint(c.Remote), "replaces", fmt.Sprintf("%08x", c.Replaces), "strand", c.Resource)
	return nil
}

// newSPI gives IKE an inbound SPI that no child has. It cannot be guessed, although
// nothing depends on that.
func (g *Gateway) newSPI() (uint32, error) {
	for range 64 {
		var b [4]byte
		if _, err := crand.Read(b[:]); err != nil {
			return 0, fmt.Errorf("draw an SPI: %w", err)
		}
		if spi := binary.BigEndian.Uint32(b[:]); spi >= esp.MinSPI && g.children[spi] == nil {
			return spi, nil
		}
	}
	return 0, errSPITaken
}

func (g *Gateway) up(a ike.Up) {
	t := g.tunnels[a.ID]
	t.cameUp()
	t.behindNAT = a.BehindNAT
	t.keepalive = time.Now().Add(natKeepalive)
	g.remind(t.keepalive)
	g.log.Info("tunnel is up", "tunnel", t.cfg.Name, "remote", a.Remote, "suite", a.Suite, "initiator", a.Initiator, "nat", a.BehindNAT)
	g.setEndpoint(t, a.Local, a.Remote)
	if t.path == nil {
		g.discover(t, time.Now())
	} else { // a probe may have gone with the IKE SA before
		t.path.Abandon(time.Now())
		g.remindPath(t)
	}
}

func (g *Gateway) down(a ike.Down) {
	t := g.tunnels[a.ID]
	another := !t.up && t.failedHere() // of one that was up the address is right: it may be back at any moment
	t.up = false
	t.behindNAT = false
	g.forgetPath(t)
	g.closeStrands(t)
	if t.named() {
		t.resolveAt = time.Now() // its name may mean another address by now
		if t.peer.IsValid() && !another {
			t.resolveAt = t.resolveAt.Add(resolveTime)
		}
		g.remind(t.resolveAt)
	}
	reason := a.Reason.String()
	unsaid, ok := t.saidDown.say(reason, time.Now())
	switch {
	case !ok:
		g.log.Debug("tunnel is still down", "tunnel", t.cfg.Name, "reason", reason)
	case unsaid > 0:
		g.log.Warn("tunnel is still down", "tunnel", t.cfg.Name, "reason", reason, "attempts", unsaid+1)
	default:
		g.log.Warn("tunnel is down", "tunnel", t.cfg.Name, "reason", reason)
	}
}

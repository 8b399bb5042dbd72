package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

const (
	upTimeout = 15 * time.Second
	stopGrace = 3 * time.Second

	// tunnelName is what both gateways call their tunnel.
	tunnelName = "endure"
	port       = 4500
)

// pair is two sites with a vpngw each, joined by one tunnel.
type pair struct {
	*lab.Sites
	a, b *daemon.Gateway
	// Clients of the control sockets, each of which keeps its connection: asking
	// must cost next to nothing beside what is measured.
	controlA, controlB *control
}

// newPair starts both gateways and waits until the tunnel is up. edit changes the
// tunnel files before, and may be nil.
func (c *common) newPair(ctx context.Context, o lab.Options, edit func(a, b *daemon.Config)) (*pair, error) {
	o.Isolated = true
	sites, err := lab.TwoSites(o)
	if err != nil {
		return nil, err
	}
	p := &pair{Sites: sites}
	if c.pin {
		for core, site := range []lab.Site{p.A, p.B} {
			site.Host.Pin(core)
			site.Gateway.Pin(core)
		}
	}
	if err := p.start(ctx, c.program, edit); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *pair) start(ctx context.Context, program string, edit func(a, b *daemon.Config)) (err error) {
	if p.a, err = daemon.New(p.Lab, p.A.Gateway, program); err != nil {
		return err
	}
	if p.b, err = daemon.New(p.Lab, p.B.Gateway, program); err != nil {
		return err
	}
	publicA, errA := p.a.Genkey(ctx)
	publicB, errB := p.b.Genkey(ctx)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	a, b := p.config(p.A, p.B, "a", "b", publicB), p.config(p.B, p.A, "b", "a", publicA)
	a.KeyFile, b.KeyFile = p.a.KeyFile(), p.b.KeyFile()
	if edit != nil {
		edit(&a, &b)
	}
	p.controlA, p.controlB = newControl(p.a.Socket()), newControl(p.b.Socket())
	for _, host := range []*lab.Namespace{p.A.Host, p.B.Host} {
		// A slow start threshold remembered from the last run would tie the rounds together.
		if err := host.Sysctl("net.ipv4.tcp_no_metrics_save", "1"); err != nil {
			return err
		}
	}
	return errors.Join(p.a.Configure(a), p.b.Configure(b), p.a.Start(), p.b.Start(), p.a.WaitUp(ctx, upTimeout), p.b.WaitUp(ctx, upTimeout))
}

func (p *pair) config(own, peer lab.Site, ownName, peerName, public string) daemon.Config {
	return daemon.Config{ID: "gw-" + ownName + ".example", Interface: "vpn0", Port: port, Tunnels: []daemon.Tunnel{{
		Name: tunnelName, Peer: peer.Outside4.String(), PeerID: "gw-" + peerName + ".example", PublicKey: public,
		Local: []netip.Prefix{own.Inside4}, Remote: []netip.Prefix{peer.Inside4}}}}
}

// lastWords is what the gateways logged last, for an error message.
func (p *pair) lastWords() string {
	return fmt.Sprintf("\ngateway A says: %s\ngateway B says: %s", p.a.Process.Tail(8), p.b.Process.Tail(8))
}

// control asks a gateway over its control socket, as `vpngw status` does, but
// without starting a program each time.
type control struct{ client http.Client }

func newControl(socket string) *control {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &control{http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 5 * time.Second}}
}

// state is what the measurements need of a status.
type state struct {
	daemon.Status
	SAs []tunnelSAs `json:"-"`
}

// tunnelSAs are the SPIs of a tunnel's SAs.
type tunnelSAs struct {
	SPIIn string `json:"spi_in"` // of the child that is sent on
	IKE   *struct {
		InitiatorSPI string `json:"initiator_spi"`
		ResponderSPI string `json:"responder_spi"`
	} `json:"ike"`
	Children []struct {
		SPIIn string `json:"spi_in"`
	} `json:"children"`
}

// parseState reads a status twice: as labs do, and for the SPIs.
func parseState(text []byte) (s state, err error) {
	if s.Status, err = daemon.ParseStatus(text); err != nil {
		return s, err
	}
	var more struct{ Tunnels []tunnelSAs }
	if err := json.Unmarshal(text, &more); err != nil {
		return s, fmt.Errorf("vpngw status --json: %w", err)
	}
	s.SAs = more.Tunnels
	if len(s.SAs) != 1 {
		return s, fmt.Errorf("vpngw status: %d tunnels, want 1", len(s.SAs))
	}
	return s, nil
}

// state asks the gateway.
func (c *control) state(ctx context.Context) (state, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gateway/status", nil)
	if err != nil {
		return state{}, err
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return state{}, err
	}
	defer answer.Body.Close()
	var text json.RawMessage
	if err := json.NewDecoder(answer.Body).Decode(&text); err != nil {
		return state{}, fmt.Errorf("status: %s: %w", answer.Status, err)
	}
	return parseState(text)
}

package crowd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"vpngw/crypto/keys"
	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// hubID is the identity of the hub's gateway.
const hubID = "hub.example"

// device is the TUN device of all gateways.
const device = "vpn0"

// Where a crowd lives: its addresses outside, and the wire to the router.
var (
	outside     = netip.MustParsePrefix("100.64.0.0/16")
	wireRouter  = netip.MustParsePrefix("100.127.0.1/30")
	wirePeers   = netip.MustParsePrefix("100.127.0.2/30")
	perNet      = 250 // addresses used of each /24
	insideFirst = 128 // of 10.0.0.0/8: a member's network is 10.128.0.0/24 and up
)

// MaxMembers is the largest crowd of a [Hub].
const MaxMembers = 32_000

// Hub is a gateway with many tunnels: to branches with a gateway and a host of their own, which can carry traffic, and to a
// crowd. One goroutine at a time may use it.
type Hub struct {
	*lab.Star
	Gateway  *daemon.Gateway
	Gateways []*daemon.Gateway // of the branches, in the order of Star.Branches
	Peers    *lab.Namespace    // of the crowd

	key     keys.PublicKey
	public  []string // of the branches
	members []Member
}

// NewHub builds the lab and makes all keys and the tunnel files of the branches. Nothing is started. The caller must Close it.
func NewHub(ctx context.Context, program string, branches, members int) (*Hub, error) {
	if members > MaxMembers {
		return nil, fmt.Errorf("crowd of %d: at most %d", members, MaxMembers)
	}
	star, err := lab.Hub(branches, lab.Options{Isolated: true})
	if err != nil {
		return nil, err
	}
	h := &Hub{Star: star}
	if err := h.build(ctx, program, members); err != nil {
		return nil, errors.Join(err, star.Close())
	}
	return h, nil
}

func (h *Hub) build(ctx context.Context, program string, members int) (err error) {
	if h.Peers, err = h.Namespace("peers"); err != nil {
		return err
	}
	err = h.Wire(lab.End{Namespace: h.Router, Device: "to-peers", Addresses: []netip.Prefix{wireRouter}},
		lab.End{Namespace: h.Peers, Device: lab.WAN, Addresses: []netip.Prefix{wirePeers}}, 0)
	if err != nil {
		return err
	}
	err = errors.Join(Settle(h.Peers, outside), h.Peers.AddDefaultRoutes(wireRouter.Addr()), h.Router.AddRoute(outside, wirePeers.Addr()))
	if err != nil {
		return err
	}
	if h.Gateway, err = daemon.New(h.Lab, h.Hub.Gateway, program); err != nil {
		return err
	}
	public, err := h.Gateway.Genkey(ctx)
	if err != nil {
		return err
	}
	if h.key, err = keys.ParsePublic(public); err != nil {
		return err
	}
	for i, site := range h.Star.Branches {
		g, err := daemon.New(h.Lab, site.Gateway, program)
		if err != nil {
			return err
		}
		own, err := g.Genkey(ctx)
		if err != nil {
			return err
		}
		h.Gateways, h.public = append(h.Gateways, g), append(h.public, own)
		err = g.Configure(daemon.Config{ID: branchID(i), KeyFile: g.KeyFile(), Interface: device, Tunnels: []daemon.Tunnel{{
			Name: "hub", Peer: h.Hub.Outside4.String(), PeerID: hubID, PublicKey: public,
			Local: []netip.Prefix{site.Inside4}, Remote: []netip.Prefix{h.Hub.Inside4}}}})
		if err != nil {
			return err
		}
	}
	for i := range members {
		m, err := h.member(i)
		if err != nil {
			return err
		}
		h.members = append(h.members, m)
	}
	return nil
}

func branchID(i int) string { return fmt.Sprintf("branch-%d.example", i+1) }

func (h *Hub) member(i int) (Member, error) {
	key, err := keys.Generate(rand.Reader)
	net := outside.Addr().As4()
	return Member{
		Address: netip.AddrFrom4([4]byte{net[0], net[1], byte(i / perNet), byte(i%perNet + 1)}),
		ID:      fmt.Sprintf("member-%d.example", i+1),
		Key:     key,
		Local:   netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(insideFirst + i>>8), byte(i), 0}), 24),
		Remote:  []netip.Prefix{h.Hub.Inside4},
	}, err
}

// Configuration is what a hub's tunnel file says.
type Configuration struct {
	Members int      // tunnels for so many of the crowd, beside those of the branches
	Dials   bool     // it knows where the crowd is, and does not only wait
	Gateway []string // further lines of the gateway section
}

// Configure writes the hub's tunnel file.
func (h *Hub) Configure(c Configuration) error {
	file := daemon.Config{ID: hubID, KeyFile: h.Gateway.KeyFile(), Interface: device, Gateway: c.Gateway}
	for i, site := range h.Star.Branches {
		file.Tunnels = append(file.Tunnels, daemon.Tunnel{Name: BranchTunnel(i), PeerID: branchID(i), PublicKey: h.public[i],
			Local: []netip.Prefix{h.Hub.Inside4}, Remote: []netip.Prefix{site.Inside4}})
	}
	for i, m := range h.members[:c.Members] {
		t := daemon.Tunnel{Name: MemberTunnel(i), PeerID: m.ID, PublicKey: m.Key.Public().String(), Local: m.Remote, Remote: []netip.Prefix{m.Local}}
		if c.Dials {
			t.Peer = m.Address.String()
		}
		file.Tunnels = append(file.Tunnels, t)
	}
	return h.Gateway.Configure(file)
}

// BranchTunnel is the hub's name of the tunnel to branch i, from 0.
func BranchTunnel(i int) string { return fmt.Sprintf("branch-%d", i+1) }

// MemberTunnel is the hub's name of the tunnel to member i of the crowd, from 0.
func MemberTunnel(i int) string { return fmt.Sprintf("member-%d", i+1) }

// Gather starts a crowd of so many members.
func (h *Hub) Gather(members int) (*Crowd, error) {
	return Start(Config{
		Namespace: h.Peers, Gateway: netip.AddrPortFrom(h.Hub.Outside4, Port), GatewayID: hubID, PublicKey: h.key, Members: h.members[:members],
	})
}

// Wait returns when so many members are up.
func (w *Crowd) Wait(ctx context.Context, members int, timeout time.Duration) error {
	return lab.Poll(ctx, timeout, func() error {
		if up := w.Up(); up < members {
			return fmt.Errorf("%d of %d members are up", up, members)
		}
		return nil
	})
}

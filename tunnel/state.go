package tunnel

import (
	"net/netip"
	"time"

	"vpngw/crypto/ike"
	"vpngw/tunnel/lane"
)

// tunnel is the control side of one tunnel.
type tunnel struct {
	id   ike.PeerID
	cfg  *TunnelConfig
	lane *lane.Tunnel

	peer     netip.AddrPort // configured address, once known
	expected netip.Addr     // the one that the lane expects it at

	// Where its ESP goes, as IKE says, and the socket for it.
	local, remote netip.AddrPort // remote is zero until the peer is up
	source        netip.Addr     // source address of the socket; the zero value: there is no socket
	inner         int            // longest inner packet that crosses the path to the peer whole, in bytes; 0: not known
	pinned        bool           // local was asked for by the peer, not chosen by the kernel

	behindNAT bool
	keepalive time.Time // when the next one is due
	resolving bool
	resolveAt time.Time // when to resolve the host name again; zero: not needed
	lookupErr error     // of the last try to resolve it
	lastDown  string    // reason logged last, so that retries do not fill the log
}

// child is one child SA pair.
type child struct {
	tunnel   *tunnel
	outbound *lane.Outbound
}

func newTunnel(id ike.PeerID, cfg *TunnelConfig, queue int) *tunnel {
	t := &tunnel{id: id, cfg: cfg, lane: lane.NewTunnel(uint32(id), cfg.Name, max(cfg.Weight, 1), queue)}
	if addr, err := netip.ParseAddr(cfg.PeerAddress); err == nil {
		t.peer = netip.AddrPortFrom(addr.Unmap(), cfg.PeerPort)
	}
	return t
}

// named tells whether the peer's address is a host name.
func (t *tunnel) named() bool {
	_, err := netip.ParseAddr(t.cfg.PeerAddress)
	return t.cfg.PeerAddress != "" && err != nil
}

package tunnel

import (
	"net/netip"
	"time"

	"vpngw/crypto/ike"
	"vpngw/fairness"
	"vpngw/tunnel/lane"
	"vpngw/tunnel/meter"
	"vpngw/tunnel/pmtu"
)

// tunnel is the control side of one tunnel.
type tunnel struct {
	id   ike.PeerID
	cfg  *TunnelConfig
	lane *lane.Tunnel

	strands []*strand // by number from 1 on

	peer     netip.AddrPort // configured address, once known
	expected netip.Addr     // the one that the lane expects it at

	// Where its ESP goes, as IKE says, and the socket for it.
	local, remote netip.AddrPort // remote is zero until the peer is up
	source        netip.Addr     // source address of the socket; the zero value: there is no socket
	inner         int            // longest inner packet that crosses the path to the peer whole, in bytes; 0: not known
	route         int            // MTU of the route to the peer, in bytes; 0: not known
	told          int            // longest inner packet, as the lane knows it
	unreached     bool           // there was no route to it when that was looked for last
	pinned        bool           // local was asked for by the peer, not chosen by the kernel
	link          string         // interface of the path; "": not known yet
	uplink        *uplink        // that it leaves by; nil before setUp

	path   *pmtu.Search // what the path carries; nil while the tunnel is down, or if that is not looked for
	pathAt time.Time    // when that has something to do; zero: never

	recent meter.Window[meter.Tunnel]
	queued *fairness.ClassCounters // that recent is of

	home   int     // lane that it was told to be on
	worked float64 // all it ever did, as homing counts it
	forced bool    // its home was asked for

	up        bool // as IKE said last
	behindNAT bool
	keepalive time.Time // when the next one is due
	quietAt   time.Time // when to ask the peer unless it is heard before; zero: it was not heard, or we are behind no NAT
	quietLast time.Time // when that was done last
	resolving bool
	resolveAt time.Time // when to resolve the host name again; zero: not needed
	lookupErr error     // of the last try to resolve it

	addresses []netip.Addr // of the host name, as it was resolved last
	failed    []netip.Addr // of these: where an attempt failed since the tunnel was up

	refusal                           refusal
	saidDown, saidRefused, saidLookup repeats // in the log
	saidSocket                        repeats // likewise
}

// child is one child SA pair.
type child struct {
	tunnel   *tunnel
	part     *lane.Tunnel // of the tunnel, that it is for
	outbound *lane.Outbound
}

func newTunnel(id ike.PeerID, cfg *TunnelConfig, gateway *Config) *tunnel {
	t := &tunnel{id: id, cfg: cfg, lane: newLaneTunnel(id, cfg, gateway, 1)}
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

// cameUp leaves behind what went wrong until now.
func (t *tunnel) cameUp() {
	t.up = true
	t.failed, t.refusal, t.saidDown, t.saidRefused = nil, refusal{}, repeats{}, repeats{}
}

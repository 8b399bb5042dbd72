package tunnel

import (
	"context"
	"fmt"
	"time"

	"vpngw/crypto/ike"
	"vpngw/tunnel/drop"
	"vpngw/tunnel/lane"
	"vpngw/tunnel/netconf"
)

// Status is what can be seen of a gateway at one moment. Its JSON form is stable:
// fields are added, never renamed.
type Status struct {
	Version string            `json:"version"`
	Uptime  float64           `json:"uptime_seconds"`
	Gateway GatewayStatus     `json:"gateway"`
	Edges   EdgesStatus       `json:"edges"`
	Uplinks []UplinkStatus    `json:"uplinks"` // by name, those that tunnels leave by
	Tunnels []TunnelStatus    `json:"tunnels"` // in the order of the file
	Drops   map[string]uint64 `json:"drops"`   // of packets that belong to no tunnel, by reason
	Lane    LaneStatus        `json:"lane"`    // all lanes together
	Lanes   []OneLaneStatus   `json:"lanes"`
	IKE     map[string]uint64 `json:"ike_rejected"` // messages that belong to no tunnel, by reason

	Interfaces []InterfaceStatus `json:"interfaces"` // the edges once more, by interface; the last one is what belongs to none
}

// GatewayStatus is the machine's side.
type GatewayStatus struct {
	ID        string          `json:"id"`
	Interface string          `json:"interface"`
	Present   bool            `json:"interface_present"` // false while the TUN device is being made anew
	MTU       int             `json:"mtu"`               // of the TUN device, bytes
	Port      uint16          `json:"port"`
	IKEPort   uint16          `json:"ike_port"` // of IKE alone; 0: there is none
	Features  map[string]bool `json:"features"` // offloads in use: granted by the kernel and not switched off
}

// EdgesStatus is how packets crossed the four edges.
type EdgesStatus struct {
	TUNRead    EdgeStatus `json:"tun_read"`
	UDPSend    EdgeStatus `json:"udp_send"`
	UDPReceive EdgeStatus `json:"udp_receive"`
	TUNWrite   EdgeStatus `json:"tun_write"`

	MergeEnds map[string]uint64 `json:"merge_ends"` // why what was glued for the TUN device did not grow: package offload's End
}

// EdgeStatus counts one edge's system calls, the bytes of IP (TUN) or ESP (UDP) that
// crossed in them, and the packets after segmenting.
type EdgeStatus struct {
	Calls        uint64  `json:"calls"`
	Bytes        uint64  `json:"bytes"`
	Packets      uint64  `json:"packets"`
	BytesPerCall float64 `json:"bytes_per_call"`
	WouldBlock   uint64  `json:"would_block"` // calls beside these that found nothing to take, or no room; of an interface that is not known

	Sizes []uint64 `json:"sizes"` // calls by their packets: 1, 2 to 3, 4 to 7, … the last 128 and more
}

// LaneStatus is the data path's own.
type LaneStatus struct {
	Turns        uint64 `json:"turns"`
	Sleeps       uint64 `json:"sleeps"`
	QueueBytes   int64  `json:"queue_bytes"` // memory of packets that wait
	EventsLost   uint64 `json:"events_lost"`
	TUNFallbacks uint64 `json:"tun_fallbacks"`

	Naps      uint64            `json:"naps"`       // sleeps so short that the Go scheduler has not heard of them
	Wakes     map[string]uint64 `json:"wakes"`      // sleeps by what ended them: socket, writable, tun, timer, command
	TrainEnds map[string]uint64 `json:"train_ends"` // trains of datagrams by why they left: full, size, tos, burst, turn, shortage
}

// TunnelStatus is one tunnel.
type TunnelStatus struct {
	Name          string            `json:"name"`
	State         string            `json:"state"`       // idle, connecting, up, rekeying, down
	Reason        string            `json:"reason"`      // why it is not up
	ReasonCode    string            `json:"reason_code"` // the same for programs, one of few; "": none
	Flowing       bool              `json:"flowing"`
	Flow          string            `json:"flow"`         // in words
	PeerID        string            `json:"peer_id"`      // configured, and proven once up
	PeerAddress   string            `json:"peer_address"` // where its packets go; else where it is looked for
	LocalAddress  string            `json:"local_address"`
	LocalSubnets  []string          `json:"local_subnets"`
	RemoteSubnets []string          `json:"remote_subnets"`
	Lane          int               `json:"lane"` // that carries its packets, from 0
	Queue         QueueStatus       `json:"queue"`
	MTU           MTUStatus         `json:"mtu"`
	IKE           *IKEStatus        `json:"ike,omitempty"`
	SPIIn         string            `json:"spi_in"`  // of the child that is sent on
	SPIOut        string            `json:"spi_out"` // likewise
	Children      []ChildStatus     `json:"children"`
	Strands       []StrandStatus    `json:"strands"`     // of other lanes, which are counted in below
	Age           float64           `json:"age_seconds"` // of the IKE SA
	BytesIn       uint64            `json:"bytes_in"`    // of inner packets
	BytesOut      uint64            `json:"bytes_out"`
	PacketsIn     uint64            `json:"packets_in"`
	PacketsOut    uint64            `json:"packets_out"`
	LastIn        float64           `json:"last_in_seconds"` // ago; -1: never
	LastOut       float64           `json:"last_out_seconds"`
	SendBlocked   uint64            `json:"send_blocked"`
	Fallbacks     uint64            `json:"segment_fallbacks"`
	SocketErrors  uint64            `json:"socket_errors"`
	KeepalivesIn  uint64            `json:"keepalives_in"`
	CongestionIn  uint64            `json:"congestion_in"`    // packets that a router on the way marked (RFC 6040)
	AnomaliesIn   uint64            `json:"ecn_anomalies_in"` // packets with ECN fields that no tunnel makes (RFC 6040 §4.2)
	Drops         map[string]uint64 `json:"drops"`            // packets, by reason
	Rejected      map[string]uint64 `json:"ike_rejected"`     // IKE messages, by reason
	MessagesIn    uint64            `json:"ike_messages_in"`
	MessagesOut   uint64            `json:"ike_messages_out"`
	Retransmits   uint64            `json:"ike_retransmits"`
	Refused       string            `json:"refused"`         // the last handshake of somebody else's, perhaps this peer's, since the tunnel was up; "": none
	RefusedAgo    float64           `json:"refused_seconds"` // ago; -1: never
}

// MTUStatus is how large a tunnel's packets may be, and what became of those that are
// larger.
type MTUStatus struct {
	Outer      int     `json:"outer"`           // of the path to the peer, bytes; 0: not known
	Inner      int     `json:"inner"`           // longest inner packet that crosses it in one datagram; 0: not known
	Known      string  `json:"known"`           // route, probed, assumed (a larger one failed), icmp_hint; "": not known
	Changed    float64 `json:"changed_seconds"` // ago, since the tunnel is up; -1: never
	Reports    uint64  `json:"too_big_reports"` // ICMP errors to senders
	Fragmented uint64  `json:"fragmented"`      // packets
	MSSClamped uint64  `json:"mss_clamped"`     // SYNs, both ways
}

// IKEStatus is the IKE SA of a tunnel that is up.
type IKEStatus struct {
	InitiatorSPI string `json:"initiator_spi"`
	ResponderSPI string `json:"responder_spi"`
	Initiator    bool   `json:"initiator"` // we are
	Suite        string `json:"suite"`
	BehindNAT    bool   `json:"behind_nat"`
}

// ChildStatus is one child SA pair of a tunnel.
type ChildStatus struct {
	SPIIn   string   `json:"spi_in"`
	SPIOut  string   `json:"spi_out"`
	Suite   string   `json:"suite"`
	Age     float64  `json:"age_seconds"`
	Sending bool     `json:"sending"`
	Leaving bool     `json:"leaving"`
	Local   []string `json:"local"`
	Remote  []string `json:"remote"`
	Strand  int      `json:"strand"` // that it is of; 0: of the tunnel itself

	PeerChecksum bool `json:"peer_checksum"` // segments leave their checksums to the other end, both ways
}

// Status asks the running gateway. Any goroutine may call it.
func (g *Gateway) Status(ctx context.Context) (s Status, err error) {
	err = g.ask(ctx, func() { s = g.status() })
	return s, err
}

func (g *Gateway) status() Status {
	now := time.Now()
	s := Status{
		Version: g.cfg.Version,
		Uptime:  now.Sub(g.started).Seconds(),
		Gateway: GatewayStatus{
			ID: g.cfg.LocalID, Interface: g.cfg.Interface, MTU: g.mtu, Port: g.cfg.Port, IKEPort: g.ikePort(),
			Present: g.tun != nil, Features: g.features(),
		},
		Edges: g.edges(),
		Drops: g.drops(),
		Lane:  g.laneStatus(),
		Lanes: g.eachLane(),
		IKE:   rejected(g.machine.Strangers()),

		Interfaces: g.interfaceStatus(),
	}
	for _, t := range g.tunnels {
		s.Tunnels = append(s.Tunnels, g.tunnelStatus(t, now))
	}
	for _, l := range g.lanes.Lanes() {
		s.addCauses(l.Counters())
	}
	s.Uplinks = g.uplinkStatus(s.Tunnels)
	return s
}

func (g *Gateway) features() map[string]bool {
	m := map[string]bool{"udp_segment": !g.cfg.Offload.NoUDPSegment, "udp_gro": !g.cfg.Offload.NoUDPGRO,
		"peer_checksum": !g.cfg.Offload.NoPeerChecksum}
	if g.tun != nil {
		f := g.tun.Features()
		m["checksum"], m["tso4"], m["tso6"] = f.Checksum, f.TSO4, f.TSO6
		m["tso_ecn"], m["uso"], m["mangleid"] = f.TSOECN, f.USO, f.MangleID
	}
	return m
}

// drops adds to the lanes' own what the kernel dropped before a lane could read it.
func (g *Gateway) drops() map[string]uint64 {
	m := map[string]uint64{}
	for _, l := range g.lanes.Lanes() {
		for reason, n := range l.Counters().Drops.Map() {
			m[reason] += n
		}
	}
	g.countRing()
	m[drop.TUNRingFull] = g.ringDrops + g.ringSeen
	return m
}

// countRing reads the TUN device's own count, which goes with the device.
func (g *Gateway) countRing() {
	if g.tun != nil {
		g.ringSeen = max(g.ringSeen, netconf.TxDropped(g.tun.Index()))
	}
}

func rejected(c ike.Counters) map[string]uint64 {
	m := make(map[string]uint64, ike.RejectCount)
	for r, n := range c.Rejected {
		m[ike.RejectReason(r).String()] = n
	}
	return m
}

func (g *Gateway) tunnelStatus(t *tunnel, now time.Time) TunnelStatus {
	p, c := g.machine.Status(t.id), &t.lane.Counters
	s := TunnelStatus{
		Name: t.cfg.Name, State: p.State.String(), Reason: p.Reason.String(), ReasonCode: p.Reason.Code.String(), PeerID: t.cfg.PeerID,
		PeerAddress: t.cfg.PeerAddress, LocalSubnets: texts(t.cfg.Local), RemoteSubnets: texts(t.cfg.Remote),
		BytesIn: c.BytesIn.Load(), BytesOut: c.BytesOut.Load(), PacketsIn: c.PacketsIn.Load(), PacketsOut: c.PacketsOut.Load(),
		LastIn: g.ago(c.LastIn.Load(), now), LastOut: g.ago(c.LastOut.Load(), now),
		SendBlocked: c.SendBlocked.Load(), Fallbacks: c.SegmentFallbacks.Load(), SocketErrors: c.SocketErrors.Load(),
		KeepalivesIn: c.KeepalivesIn.Load(), CongestionIn: c.CongestionIn.Load(), AnomaliesIn: c.ECNAnomaliesIn.Load(), Drops: c.Drops.Map(), Rejected: rejected(p.Counters),
		MessagesIn: p.Counters.MessagesIn, MessagesOut: p.Counters.MessagesOut, Retransmits: p.Counters.Retransmits,
		Lane: t.home, Queue: g.queueStatus(t), MTU: t.mtuStatus(now), Children: []ChildStatus{}, Refused: t.refusal.text, RefusedAgo: -1,
	}
	if t.refusal.text != "" {
		s.RefusedAgo = now.Sub(t.refusal.at).Seconds()
	}
	if t.remote.IsValid() {
		s.PeerAddress = t.remote.String()
	}
	if t.source.IsValid() {
		s.LocalAddress = t.source.String()
	}
	up := isUp(p.State)
	if !up && s.Reason == "" && t.lookupErr != nil {
		s.Reason = "address is not resolved: " + t.lookupErr.Error()
	}
	if up {
		s.Age = now.Sub(p.Established).Seconds()
		s.IKE = &IKEStatus{
			InitiatorSPI: fmt.Sprintf("%016x", p.InitiatorSPI), ResponderSPI: fmt.Sprintf("%016x", p.ResponderSPI),
			Initiator: p.Initiator, Suite: p.Suite, BehindNAT: p.BehindNAT,
		}
	}
	for _, child := range p.Children {
		cs := ChildStatus{
			SPIIn: spiText(child.SPIIn), SPIOut: spiText(child.SPIOut), Suite: child.Suite,
			Age: now.Sub(child.Created).Seconds(), Sending: child.Sending, Leaving: child.Leaving,
			Local: texts(child.Local), Remote: texts(child.Remote), Strand: child.Resource, PeerChecksum: child.Unsummed,
		}
		if child.Sending && child.Resource == 0 {
			s.SPIIn, s.SPIOut = cs.SPIIn, cs.SPIOut
		}
		s.Children = append(s.Children, cs)
	}
	g.addStrands(&s, t, now)
	s.Flowing, s.Flow = flow(up, s.LastIn, s.LastOut, c)
	return s
}

func isUp(s ike.State) bool { return s == ike.StateUp || s == ike.StateRekeying }

// flow says whether packets get through, which is more than that keys are agreed.
func flow(up bool, in, out float64, c *lane.Counters) (bool, string) {
	recent := func(ago float64) bool { return ago >= 0 && ago < flowingTime.Seconds() }
	switch {
	case !up && c.Drops.Get(drop.TunnelDown) > 0:
		return false, "no: packets for it are dropped"
	case !up:
		return false, "no"
	case recent(in) && recent(out):
		return true, "both ways"
	case recent(in):
		return true, "in only: nothing to send"
	case recent(out):
		return false, "out only: nothing comes back"
	}
	return false, "idle"
}

// ago is how many seconds before now a stamp of the lane was taken; -1: never.
func (g *Gateway) ago(stamp int64, now time.Time) float64 {
	if stamp == 0 {
		return -1
	}
	return max(now.Sub(g.lanes.Time(stamp)).Seconds(), 0)
}

func spiText(spi uint32) string { return fmt.Sprintf("%08x", spi) }

func texts[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return out
}

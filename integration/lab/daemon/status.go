package daemon

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Status is what `vpngw status --json` says, as far as labs use it. Fields it does not know are ignored.
type Status struct {
	Version string `json:"version"`
	Gateway struct {
		Interface string          `json:"interface"`
		MTU       int             `json:"mtu"`
		Features  json.RawMessage `json:"features"`
	} `json:"gateway"`
	Edges   Edges             `json:"edges"`
	Uplinks []UplinkStatus    `json:"uplinks"`
	Tunnels []TunnelStatus    `json:"tunnels"`
	Drops   map[string]uint64 `json:"drops"`
	Lanes   []LaneStatus      `json:"lanes"`

	Interfaces []InterfaceStatus `json:"interfaces"`
}

// InterfaceStatus is what a gateway says about what came from and went to one network interface; "other" is none that it knows.
type InterfaceStatus struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
	Edges
}

// Interface finds an interface by name; one that is not there has crossed nothing.
func (s Status) Interface(name string) InterfaceStatus {
	for _, i := range s.Interfaces {
		if i.Name == name {
			return i
		}
	}
	return InterfaceStatus{Name: name}
}

// LaneStatus is what a gateway says about one of its lanes.
type LaneStatus struct {
	Busy       float64 `json:"busy"`
	HandedOver uint64  `json:"handed_over"`
	Tunnels    int     `json:"tunnels"`
	TunRead    Edge    `json:"tun_read"`
	TunWrite   Edge    `json:"tun_write"`
}

// UplinkStatus is what a gateway says about an interface that its tunnels leave by.
type UplinkStatus struct {
	Name string  `json:"name"`
	Rate uint64  `json:"rate"`
	Jain float64 `json:"jain"`
}

// QueueStatus is what a gateway says about the queue of a tunnel.
type QueueStatus struct {
	Uplink    string  `json:"uplink"`
	LimitedBy string  `json:"limited_by"`
	Sends     float64 `json:"bits_per_second"`
	Share     float64 `json:"share"`
}

// MTUStatus is what a gateway says about the sizes of a tunnel's packets.
type MTUStatus struct {
	Outer      int    `json:"outer"`
	Inner      int    `json:"inner"`
	Known      string `json:"known"`
	Reports    uint64 `json:"too_big_reports"`
	Fragmented uint64 `json:"fragmented"`
	MSSClamped uint64 `json:"mss_clamped"`
}

// Edges are the four places where packets cross between the gateway and the kernel.
type Edges struct {
	TunRead    Edge `json:"tun_read"`
	UDPSend    Edge `json:"udp_send"`
	UDPReceive Edge `json:"udp_receive"`
	TunWrite   Edge `json:"tun_write"`
}

// Sub is what happened between two readings.
func (e Edges) Sub(before Edges) Edges {
	return Edges{e.TunRead.sub(before.TunRead), e.UDPSend.sub(before.UDPSend),
		e.UDPReceive.sub(before.UDPReceive), e.TunWrite.sub(before.TunWrite)}
}

// Edge counts the system calls at one edge and what they carried.
type Edge struct {
	Calls   uint64 `json:"calls"`
	Bytes   uint64 `json:"bytes"`
	Packets uint64 `json:"packets"`

	Sizes [8]uint64 `json:"sizes"` // calls by their packets: 1, 2 to 3, 4 to 7, … the last 128 and more
}

func (e Edge) sub(before Edge) Edge {
	e.Calls, e.Bytes, e.Packets = e.Calls-before.Calls, e.Bytes-before.Bytes, e.Packets-before.Packets
	for i := range e.Sizes {
		e.Sizes[i] -= before.Sizes[i]
	}
	return e
}

// BytesPerCall is the average size of what one call carried.
func (e Edge) BytesPerCall() float64 {
	if e.Calls == 0 {
		return 0
	}
	return float64(e.Bytes) / float64(e.Calls)
}

// TunnelStatus is one tunnel.
type TunnelStatus struct {
	Name       string            `json:"name"`
	State      string            `json:"state"` // up, connecting, rekeying, down, wanted
	Reason     string            `json:"reason"`
	Flowing    bool              `json:"flowing"`
	Peer       string            `json:"peer_address"`
	Lane       int               `json:"lane"`
	Strands    []StrandStatus    `json:"strands"`
	BytesIn    uint64            `json:"bytes_in"`
	BytesOut   uint64            `json:"bytes_out"`
	PacketsIn  uint64            `json:"packets_in"`
	PacketsOut uint64            `json:"packets_out"`
	Drops      map[string]uint64 `json:"drops"`
	Queue      QueueStatus       `json:"queue"`
	MTU        MTUStatus         `json:"mtu"`

	KeepalivesIn uint64 `json:"keepalives_in"`

	IKE *struct { // nil: the tunnel is not up
		Initiator bool `json:"initiator"`
	} `json:"ike"`
}

// StrandStatus is what a gateway says about a strand of a tunnel.
type StrandStatus struct {
	InUse      bool   `json:"in_use"`
	Opener     bool   `json:"opener"`
	Peer       string `json:"peer_address"`
	SPIIn      string `json:"spi_in"`
	PacketsIn  uint64 `json:"packets_in"`
	PacketsOut uint64 `json:"packets_out"`
	Local      string `json:"local_address"`
	Reason     string `json:"reason"` // why it is not in use
	Lost       uint64 `json:"lost"`   // times that its path died
}

// Up tells whether keys are agreed: a tunnel that rekeys goes on carrying packets.
func (t TunnelStatus) Up() bool { return t.State == "up" || t.State == "rekeying" }

// ParseStatus reads the output of `vpngw status --json`.
func ParseStatus(text []byte) (Status, error) {
	var s Status
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("vpngw status --json: %w", err)
	}
	return s, nil
}

// Tunnel finds a tunnel by name.
func (s Status) Tunnel(name string) (TunnelStatus, error) {
	for _, t := range s.Tunnels {
		if t.Name == name {
			return t, nil
		}
	}
	return TunnelStatus{}, fmt.Errorf("vpngw status: there is no tunnel %q among %d", name, len(s.Tunnels))
}

// AllDrops sums the drops of the gateway and of its tunnels by reason, without the zeros.
func (s Status) AllDrops() map[string]uint64 {
	all := map[string]uint64{}
	add := func(drops map[string]uint64) {
		for reason, n := range drops {
			if n > 0 {
				all[reason] += n
			}
		}
	}
	add(s.Drops)
	for _, t := range s.Tunnels {
		add(t.Drops)
	}
	return all
}

// FormatDrops writes drops as "reason 3, other 1", in order of the reasons, or "none".
func FormatDrops(drops map[string]uint64) string {
	if len(drops) == 0 {
		return "none"
	}
	parts := make([]string, 0, len(drops))
	for _, reason := range slices.Sorted(maps.Keys(drops)) {
		parts = append(parts, fmt.Sprintf("%s %d", reason, drops[reason]))
	}
	return strings.Join(parts, ", ")
}

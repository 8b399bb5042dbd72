package doctor

import (
	"net/netip"
	"slices"
)

// Subject is the gateway that is asked about, as its tunnel file has it. Its JSON form is
// what a running gateway says of itself.
type Subject struct {
	Interface string         `json:"interface"` // name of the TUN device
	MTU       int            `json:"mtu"`       // asked for in the file; 0: from the paths
	Port      uint16         `json:"port"`      // UDP port of IKE and ESP
	Local     []netip.Prefix `json:"local_subnets"`
	Remote    []netip.Prefix `json:"remote_subnets"`
	Peers     []Peer         `json:"peers"`
	Offload   Wanted         `json:"offload"`
	Receive   int            `json:"receive_buffer"` // bytes of each socket's receive buffer
	Send      int            `json:"send_buffer"`    // likewise, send
}

// Peer is where the packets of a tunnel go.
type Peer struct {
	Tunnel  string     `json:"tunnel"`
	Address netip.Addr `json:"address"` // the zero value: not known
	Port    uint16     `json:"port"`
	Source  netip.Addr `json:"source"` // of our packets; the zero value: the kernel's choice
}

// Wanted says which parts of the fast path the tunnel file has on.
type Wanted struct {
	TSO        bool `json:"tso"`
	USO        bool `json:"uso"`
	Checksum   bool `json:"checksum"`
	UDPSegment bool `json:"udp_segment"`
	UDPGRO     bool `json:"udp_gro"`
}

// Facts are what was seen of the machine around a gateway at one moment.
type Facts struct {
	Subject
	Interfaces  []Interface // those that matter: TUN first, then by name
	Paths       []Path      // to the peers whose address is known
	Returns     []Return    // routes that the reverse-path filter of the TUN device would consult
	Forwarding4 bool        // net.ipv4.ip_forward
	Forwarding6 bool        // net.ipv6.conf.all.forwarding
	Buffers     Buffers
	PortUses    []PortUse // one for each path that was looked at
	Test        SelfTest
	Unseen      []string // what could not be looked at, and why
}

// Role is why an interface matters.
type Role string

// The roles, in the order in which they are shown.
const (
	TUN    Role = "TUN"
	Uplink Role = "uplink" // a route to a peer leaves by it
	LAN    Role = "LAN"    // a local subnet is behind it
)

// Interface is one network interface.
type Interface struct {
	Name       string
	Kind       string // as the kernel calls it: device, veth, tuntap, vlan …
	Under      string // the interface above, if this one matters for carrying it
	Roles      []Role
	Towards    []string // peers and subnets reached by it
	MTU        int
	TxQueueLen int // packets
	Qdisc      string
	GSOMaxSize int // bytes; 0: this kernel does not say
	GROMaxSize int // likewise
	GROMaxIPv4 int // likewise, of TCP over IPv4
	Features   map[string]Feature

	ReversePath  int  // rp_filter in force: 0 off, 1 strict, 2 loose
	ForwardsIPv4 bool // forwarding of this interface
}

// Feature is an offload feature of an interface.
type Feature struct {
	On        bool // in force
	Requested bool // asked for
	Fixed     bool // cannot be switched on this device
}

// Is tells whether the interface has a role.
func (i *Interface) Is(r Role) bool { return slices.Contains(i.Roles, r) }

// stacked tells whether an interface only hands on what another one received: offloads of
// receiving act on that one.
func (i *Interface) stacked() bool {
	switch i.Kind {
	case "vlan", "macvlan", "ipvlan", "bridge", "bond", "team", "vrf":
		return true
	}
	return false
}

// Path is the way to a peer.
type Path struct {
	Peer
	Link       string     // it leaves by
	Via        netip.Addr // next hop; the zero value: the peer is on the link
	MTU        int        // of the route as configured, or else of the link; bytes
	StrictAlso []string   // other interfaces with a route that covers the peer, and a strict reverse-path filter
	Echo       Echo
}

// Echo is what became of ICMP echo requests with DF to the peer.
type Echo struct {
	Asked    bool
	Answered bool // at least a short one came back
	Fits     int  // longest IP packet that was seen to come back; 0: not Answered
	Said     int  // next-hop MTU that a router named (RFC 1191, RFC 8201); 0: none did
}

// Return is the route back to a remote subnet.
type Return struct {
	Subnet netip.Prefix
	Link   string // "": there is none
}

// Buffers are the sizes that a socket with the gateway's options is granted, in bytes.
type Buffers struct {
	Receive, Send int // 0: not seen
}

// PortUse is what netfilter does with the packets of the tunnel port to one peer.
type PortUse struct {
	Peer
	Tracked bool   // connection tracking has an entry that packets refresh
	NAT     string // how the entry changes address or port; "": it does not
	Refused bool   // the machine's own firewall does not let them out
}

// SelfTest is what loopback sockets and TUN devices in a namespace of their own did.
type SelfTest struct {
	UDP        bool // sockets were tried
	UDPSegment bool // trains arrive intact
	UDPGRO     bool // they arrive glued, intact
	UDPWhy     string

	TUN       bool // TUN devices were tried
	GrantsTSO bool // the kernel has it for TUN devices
	GrantsUSO bool
	IPv6      bool     // tried with IPv6, too
	TUNFaults []string // what the kernel got wrong in cutting or carrying superpackets
}

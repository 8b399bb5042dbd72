package tunnel

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"vpngw/crypto/ike"
)

// Config is what a gateway is made with. It is not changed afterwards.
type Config struct {
	Version   string         // of the program, for status
	LocalID   string         // our IKE identity
	Key       crypto.Signer  // Ed25519 or ECDSA; nil where all tunnels use PSKs
	Chain     [][]byte       // DER: our certificate, then the intermediates; nil where no tunnel uses certificates
	Port      uint16         // UDP port of IKE and ESP
	IKEPacket int            // longest IP packet of an IKE message in bytes; 0: 1280
	Interface string         // name of the TUN device
	Addresses []netip.Prefix // of the TUN device
	MTU       int            // of the TUN device; 0: from the path
	Lanes     int            // goroutines that move packets, 1 to 64; 0: as many as suit the processors
	Offload   Offload
	Manage    Manage
	Buffers   Buffers
	Uplink    Uplink            // of every interface that Uplinks does not name
	Uplinks   map[string]Uplink // by interface
	Fairness  Fairness
	Tunnels   []TunnelConfig

	IKEPort       uint16 // UDP port of IKE alone, for peers that begin there; 0: none
	IKEPortNeeded bool   // it is an error that IKEPort is taken or not allowed

	NoMSSClamp     bool // leave the segment size that TCP's SYNs offer as it is
	NoMTUDiscovery bool // believe the routes instead of probing what the paths carry
}

// Offload switches parts of the fast path off; the zero value has all of them on.
type Offload struct {
	NoTSO, NoUSO, NoChecksum bool // what the TUN device gives and takes
	NoUDPSegment, NoUDPGRO   bool // what the sockets do
	NoCoalesce               bool // gluing of received packets
	NoPeerChecksum           bool // leaving checksums of segments to peers, and making those that they leave
}

// Manage says what a running gateway does about what package doctor finds.
type Manage int

const (
	ManageWarn Manage = iota // it is logged
	ManageOff                // it does not look
	ManageFix                // it is logged, what is safe to mend is mended, and taken back at the end
)

// Buffers are the kernel's, of each socket in bytes. Zero fields take the defaults.
type Buffers struct {
	Receive, Send int // 4 MiB and 1 MiB
}

// Uplink is a link that packets leave by.
type Uplink struct {
	Rate     uint64 // bits per second on the wire that it is shaped to; 0: unshaped
	Overhead int    // bytes that the link adds to each IP packet
}

// Fairness is how packets wait for an uplink. Zero fields take the defaults.
type Fairness struct {
	FIFO         bool          // one line for all instead of the fair queue
	NoECN        bool          // no ECN: drop also where a mark would be understood, and let no router on the way mark
	Memory       int           // bytes of packets waiting for one uplink; 64 MiB
	TunnelMemory int           // bytes of packets waiting in one tunnel; 16 MiB
	Target       time.Duration // wait that CoDel puts up with; 5 ms
}

const (
	defaultMemory       = 64 << 20
	defaultTunnelMemory = 16 << 20
)

// TunnelConfig is one tunnel.
type TunnelConfig struct {
	Name          string
	PeerAddress   string // IP address or host name; "": wait for the peer
	PeerPort      uint16
	PeerID        string
	PSK           []byte              // or
	PeerKey       crypto.PublicKey    // with Config.Key; or
	PeerCAs       []*x509.Certificate // with Config.Key and Config.Chain
	PPK           ike.PPK             // optional
	Local, Remote []netip.Prefix
	Weight        int    // ≥ 1
	Rate          uint64 // bits per second on the wire that it is held to; 0: none of its own
	CopyDSCP      bool   // outer packets get the DSCP of the inner ones, else 0
	Strands       int    // lanes that may carry it at the same time; 0: all of a gateway with few tunnels

	Ciphers  []ike.Cipher // in order of preference; nil: all
	Groups   []ike.Group  // likewise
	ESN, PFS bool
	NoMLKEM  bool // no ML-KEM-768 beside the group

	RekeyTime    time.Duration
	RekeyIKETime time.Duration // of the IKE SA; 0: 8 h
	RekeyBytes   uint64        // 0: no such limit
	RekeyPackets uint64        // 0: what the sequence numbers allow
	DPDInterval  time.Duration // of silence, until the peer is probed
	DPDTimeout   time.Duration // of an unanswered probe, until the peer is down
}

// String leaves the secrets out.
func (c Config) String() string { return fmt.Sprintf("gateway %s with %v", c.LocalID, c.Tunnels) }

// GoString leaves the secrets out.
func (c Config) GoString() string { return c.String() }

// LogValue leaves the secrets out.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String leaves the secrets out.
func (t TunnelConfig) String() string { return "tunnel " + t.Name }

// GoString leaves the secrets out.
func (t TunnelConfig) GoString() string { return t.String() }

// LogValue leaves the secrets out.
func (t TunnelConfig) LogValue() slog.Value { return slog.StringValue(t.String()) }

func (c *Config) withDefaults() {
	if c.Fairness.Memory == 0 {
		c.Fairness.Memory = defaultMemory
	}
	if c.Fairness.TunnelMemory == 0 {
		c.Fairness.TunnelMemory = defaultTunnelMemory
	}
}

// peer gives the IKE side of a tunnel; remote is the zero value while the peer's
// address is not known.
func (c *Config) peer(id ike.PeerID, t *TunnelConfig, remote netip.AddrPort) (ike.Peer, error) {
	local, err := ike.ParseIdentity(c.LocalID)
	if err != nil {
		return ike.Peer{}, fmt.Errorf("gateway id: %w", err)
	}
	peerID, err := ike.ParseIdentity(t.PeerID)
	if err != nil {
		return ike.Peer{}, fmt.Errorf("tunnel %s: peer id: %w", t.Name, err)
	}
	p := ike.Peer{
		ID: id, Name: t.Name, Remote: remote, LocalID: local, RemoteID: peerID,
		Auth:    ike.Auth{PSK: t.PSK, PeerPublic: t.PeerKey, PeerCAs: t.PeerCAs},
		PPK:     t.PPK,
		Local:   selectors(t.Local),
		Remotes: selectors(t.Remote),
		Ciphers: t.Ciphers, Groups: t.Groups, ESN: t.ESN, PFS: t.PFS, NoMLKEM: t.NoMLKEM,
		Unsummed:      !c.Offload.NoPeerChecksum,
		ChildLifetime: t.RekeyTime, IKELifetime: t.RekeyIKETime,
		DPD: ike.DPD{Interval: t.DPDInterval, Timeout: t.DPDTimeout},
	}
	if t.PSK == nil {
		if c.Key == nil {
			return ike.Peer{}, fmt.Errorf("tunnel %s: %w", t.Name, errNoKey)
		}
		p.Auth.Private = c.Key
	}
	if t.PeerCAs != nil {
		p.Auth.Chain = c.Chain
	}
	if err := p.Validate(); err != nil {
		return ike.Peer{}, err
	}
	return p, nil
}

var errNoKey = errors.New("the peer is known by a public key or certificate, but this gateway has no key: set gateway.key_file")

func selectors(prefixes []netip.Prefix) []ike.Selector {
	s := make([]ike.Selector, len(prefixes))
	for i, p := range prefixes {
		s[i] = ike.SelectorOf(p)
	}
	return s
}

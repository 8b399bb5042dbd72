// Package configs reads the tunnel file of vpngw: strict YAML, checked whole, every mistake named with its line and column.
//
// One table (schema.go) says which keys there are; it drives the reader, the "did you mean" suggestions and schema.json.
// What comes out is [File], plain Go values without a trace of YAML.
package configs

import (
	"crypto/x509"
	"net/netip"
	"time"

	"vpngw/crypto/keys"
)

// File is a tunnel file without mistakes. It is not changed after [Load] has returned it and may be shared by goroutines.
type File struct {
	// Path is the file's name as it was given to Load.
	Path    string
	Gateway Gateway
	// Tunnels stand in the order of the file, at least one.
	Tunnels []Tunnel
}

// Gateway is what all tunnels of this gateway share.
type Gateway struct {
	// ID is our IKE identity, as crypto/identity reads it (RFC 7296 §3.5).
	ID string
	// Key is our Ed25519 or ECDSA key; the zero value unless the file names a key_file.
	Key keys.PrivateKey
	// Certificates are our own and then the intermediates, when the file names a certificate_file.
	Certificates []*x509.Certificate
	// Port is the UDP port of IKE and ESP, 4500 by default (RFC 3948).
	Port uint16
	// IKEPort is the UDP port of IKE alone, 500 by default (RFC 7296 §2); 0: none.
	IKEPort uint16
	// IKEPortSet tells whether the file itself gives IKEPort.
	IKEPortSet bool
	// IKEPacket is the longest IP packet of an IKE message in bytes, 576 to 9000 (RFC 7383).
	IKEPacket int
	// Interface is the name of the TUN device, at most 15 bytes.
	Interface string
	// Addresses are set on the TUN device, host bits kept.
	Addresses []netip.Prefix
	// MTU is that of the TUN device in bytes; 0: computed from the path.
	MTU int
	// Lanes is how many processors carry packets at most, 1 to 64; 0: as many as suit the machine.
	Lanes int
	// MSSClamp lowers the segment size that TCP connections through the tunnels offer to what fits the path.
	MSSClamp bool
	// MTUDiscovery probes what the paths carry (RFC 8899).
	MTUDiscovery bool
	// Uplink is what holds for every interface that packets leave by but those in Uplinks.
	Uplink Uplink
	// Uplinks have whole settings of their own, by the name of the interface; nil: none has.
	Uplinks       map[string]Uplink
	Fairness      Fairness
	ControlSocket string
	Offload       Offload
	Buffers       Buffers
}

// Uplink describes a link that tunnels share.
type Uplink struct {
	// Rate that the gateway shapes its outer packets to; 0: unshaped.
	Rate Rate
	// Overhead is the bytes that the link adds to each outer IP packet.
	Overhead int
}

// Fairness says how packets wait for an uplink.
type Fairness struct {
	// FIFO puts all in one line instead of the fair queue.
	FIFO bool
	// ECN marks packets instead of dropping them where their flow understands it, and lets routers on the way do so (RFC 6040).
	ECN bool
	// Memory bounds the packets that wait for one uplink, TunnelMemory those of one tunnel.
	Memory, TunnelMemory ByteSize
	// Target is the wait that CoDel puts up with (RFC 8289).
	Target time.Duration
}

// Offload switches parts of the fast path off. A part left on is still probed and falls back by itself.
type Offload struct {
	TSO          bool // TUN: TCP superpackets
	USO          bool // TUN: UDP superpackets
	Checksum     bool // TUN: checksums left to the device
	UDPSegment   bool // socket: UDP_SEGMENT
	UDPGRO       bool // socket: UDP_GRO
	Coalesce     bool // glue received packets into superpackets
	PeerChecksum bool // leave checksums of segments to a peer that is vpngw too
	// Manage says what is done about the machine's settings: off, warn or fix.
	Manage string
}

// Buffers are the kernel's, of each tunnel's socket.
type Buffers struct {
	Receive, Send ByteSize
}

// Tunnel is one peer and the networks that are reached through it.
type Tunnel struct {
	// Name is the tunnel's key in the file: [a-z0-9][a-z0-9._-]{0,62}, unique.
	Name string
	Peer Peer
	// LocalSubnets and RemoteSubnets are masked prefixes, at least one each. The remote ones of all tunnels are disjoint.
	LocalSubnets, RemoteSubnets []netip.Prefix
	// Weight is the tunnel's share of the uplink beside the others', 1 to 1000.
	Weight int
	// Rate the tunnel is held to; 0: none of its own.
	Rate Rate
	// Strands is how many lanes may carry it at the same time, 1 to 64; 0: as suits the gateway.
	Strands int
	// CopyDSCP gives the outer packets the DSCP of the inner ones; else it is 0.
	CopyDSCP bool
	Crypto   Crypto
	Rekey    Rekey
	DPD      DPD
}

// Peer is the gateway at the tunnel's other end. Exactly one of HasKey, HasPSK and HasCA is true.
type Peer struct {
	// Address is a domain name or an IP address without a port; empty: wait for the peer.
	Address string
	// Port is the peer's UDP port, 4500 unless the address names another.
	Port uint16
	// ID is the IKE identity that the peer must prove, unique in the file.
	ID string
	// PublicKey is the peer's Ed25519 or ECDSA key, when HasKey.
	PublicKey keys.PublicKey
	HasKey    bool
	// PSK is the secret shared with the peer, when HasPSK.
	PSK    keys.PSK
	HasPSK bool
	// CAs are the authorities under one of which the peer's certificate is, when HasCA.
	CAs   []*x509.Certificate
	HasCA bool
	// PPK is the post-quantum pre-shared key with its id (RFC 8784), when HasPPK.
	PPK         keys.PSK
	PPKID       string
	PPKRequired bool
	HasPPK      bool
}

// Crypto says what a tunnel offers and accepts, each list in order of preference and never empty.
type Crypto struct {
	// Ciphers of ESP and IKE: aes256gcm, chacha20poly1305, aes128gcm.
	Ciphers []string
	// Groups of the key exchange: x25519, p256, p384.
	Groups []string
	// ESN offers 64-bit sequence numbers (RFC 4304) beside 32-bit ones.
	ESN bool
	// PFS makes each rekey of a child SA a new key exchange.
	PFS bool
	// MLKEM768 offers ML-KEM-768 beside the group (RFC 9370).
	MLKEM768 bool
}

// Rekey bounds the life of a child SA; whichever limit comes first asks for a new one.
type Rekey struct {
	// Time is the age, always positive.
	Time time.Duration
	// Bytes and Packets count one direction; 0: no such limit.
	Bytes   ByteSize
	Packets uint64
	// IKETime is the age of the IKE SA, always positive.
	IKETime time.Duration
}

// DPD is dead peer detection (RFC 7296 §2.4).
type DPD struct {
	// Interval of silence after which the peer is probed.
	Interval time.Duration
	// Timeout of silence after which the peer is taken for dead, longer than Interval.
	Timeout time.Duration
}

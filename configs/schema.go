package configs

import "time"

// key is one row of the table: a key of the tunnel file and everything there is to know about it.
type key struct {
	name string
	doc  string // one sentence for the reader of schema.json
	// kind of the value, or of each item where list is set; nil for a mapping.
	kind *kind
	// list makes it a list of at most so many values; 0: a single value.
	list int
	// keys of a mapping.
	keys []key
	// named makes it a mapping from names of this kind to mappings with these keys.
	named    *kind
	required bool
	// defaults and examples are written as in the file, one for each item of a list. No default: absent is absent.
	defaults []string
	examples []string
}

// maxSelectors is how many subnets one side of a child SA can have in our IKEv2 implementation.
const maxSelectors = 32

// The sections that stand in several places or are long have a table of their own.
var (
	root = []key{
		{name: "version", kind: versions(), required: true, examples: []string{"1"},
			doc: "Version of this file's format."},
		{name: "gateway", keys: gatewayKeys, required: true,
			doc: "This gateway."},
		{name: "defaults", keys: tunableKeys,
			doc: "What holds for every tunnel that does not say otherwise."},
		{name: "tunnels", keys: tunnelKeys, named: tunnelNames(), required: true,
			doc: "The tunnels by their names: small letters, digits, dot, hyphen and underscore, at most 63."},
	}

	gatewayKeys = []key{
		{name: "id", kind: identities(), required: true, examples: []string{"gw-a.example", "198.51.100.1", "gw@site.example", "C=CH, O=Example, CN=gw-a", "keyid:gw-a"},
			doc: "Our IKE identity: a domain name, an e-mail address, an IP address, a distinguished name or a key id. Peers must expect just this one."},
		{name: "key_file", kind: paths(), examples: []string{"/etc/vpngw/gw-a.key"},
			doc: "Our Ed25519 or ECDSA private key (PKCS#8 PEM, mode 0600, from `vpngw genkey`), needed where a tunnel has a public_key or ca_file. Relative to this file's directory."},
		{name: "certificate_file", kind: paths(), examples: []string{"/etc/vpngw/gw-a.pem"},
			doc: "The certificate of our key (PEM) and behind it the intermediate ones, needed where a tunnel has a ca_file. Our id stands in it: in subjectAltName, or a distinguished name as the subject. Relative to this file's directory."},
		{name: "port", kind: integers(1, 65535, false), defaults: []string{"4500"},
			doc: "UDP port of IKE and ESP."},
		{name: "ike_port", kind: integers(1, 65535, true), defaults: []string{"500"},
			doc: "UDP port of IKE alone, where peers of other makes begin; 0: none. Unless the file gives it, a port that is taken is only warned of."},
		{name: "ike_packet", kind: integers(576, 9000, false), defaults: []string{"1280"},
			doc: "Longest IP packet of an IKE message in bytes; a longer message goes out in fragments (RFC 7383) where the peer takes them."},
		{name: "interface", kind: interfaces(), defaults: []string{"vpngw0"},
			doc: "Name of the TUN device."},
		{name: "addresses", kind: interfaceAddresses(), list: maxSelectors, examples: []string{"10.99.0.1/32", "2001:db8:99::1/128"},
			doc: "Addresses of the TUN device."},
		{name: "mtu", kind: integers(576, 65535, true), defaults: []string{"0"},
			doc: "MTU of the TUN device in bytes, at least 1280 where there is IPv6 inside; 0: computed, so that sealed packets fit the path."},
		{name: "mss_clamp", kind: booleans(), defaults: []string{"true"},
			doc: "TCP connections through the tunnels are made to use segments that fit the path: the size that SYNs offer is lowered, both ways."},
		{name: "mtu_discovery", kind: booleans(), defaults: []string{"true"},
			doc: "Find out what each path really carries, by authenticated probes (RFC 8899); false: as the routes say."},
		{name: "lanes", kind: autoOr(1, 64), defaults: []string{"auto"},
			doc: "Processors that carry packets at the same time, at most, each some of the tunnels; auto: half of those that the gateway may use, at least 1 and at most 16."},
		{name: "uplink", keys: uplinkKeys,
			doc: "Every link that sealed packets leave by, unless it is under uplinks."},
		{name: "uplinks", keys: uplinkKeys, named: interfaces(),
			doc: "Links by the names of their interfaces. Each is an uplink with a queue and rate of its own; what it does not say stands in uplink."},
		{name: "fairness", keys: fairnessKeys,
			doc: "How packets wait for an uplink and share it."},
		{name: "control_socket", kind: socketPaths(), examples: []string{"/run/vpngw/vpngw0.sock"},
			doc: "Where `vpngw status` asks; without it /run/vpngw/INTERFACE.sock."},
		{name: "offload", keys: offloadKeys,
			doc: "Switches for what the kernel takes off our hands. Each is probed when on and falls back by itself; switch one off where a kernel gets it wrong."},
		{name: "buffers", keys: bufferKeys,
			doc: "Sizes of the kernel's buffers."},
	}

	uplinkKeys = []key{
		{name: "rate", kind: rates(), defaults: []string{"0"}, examples: []string{"950Mbit"},
			doc: "Rate that the outer packets are shaped to, best at 95 % of the narrowest link's; 0: unshaped."},
		{name: "overhead", kind: integers(0, 256, false), defaults: []string{"14"},
			doc: "Bytes that the link adds to each outer IP packet, counted in every rate: 14 as Linux and most shapers count Ethernet, 38 with preamble, checksum and gap."},
	}

	fairnessKeys = []key{
		{name: "queue", kind: names("fair", "fifo"), defaults: []string{"fair"},
			doc: "fair, or fifo: all packets in one line, for comparison."},
		{name: "ecn", kind: booleans(), defaults: []string{"true"},
			doc: "ECN (RFC 3168): packets of flows that understand it are marked, by us and by routers on the way (RFC 6040), where others are dropped to keep the wait short."},
		{name: "memory", kind: sizes(1<<20, 64<<30, false), defaults: []string{"64MiB"},
			doc: "Memory of packets that wait for one uplink, in all tunnels together."},
		{name: "tunnel_memory", kind: sizes(128<<10, 64<<30, false), defaults: []string{"16MiB"},
			doc: "Memory of packets that wait in one tunnel, at most as much as memory."},
		{name: "target", kind: durations(time.Millisecond, time.Second), defaults: []string{"5ms"},
			doc: "Wait of a flow's packets that is put up with; one that lasts longer is answered with marks and drops (CoDel, RFC 8289)."},
	}

	offloadKeys = []key{
		{name: "manage", kind: names("off", "warn", "fix"), defaults: []string{"warn"},
			doc: "What a running gateway does about offloads and settings of the machine's interfaces, as `vpngw doctor` finds them: off does not look; warn logs what is wrong, at the start and when something new is; fix also mends what is safe to mend and takes it back at the end."},
		{name: "tso", kind: booleans(), defaults: []string{"true"},
			doc: "TCP superpackets on the TUN device."},
		{name: "uso", kind: booleans(), defaults: []string{"true"},
			doc: "UDP superpackets on the TUN device."},
		{name: "checksum", kind: booleans(), defaults: []string{"true"},
			doc: "Checksums of inner packets left to the TUN device; superpackets need it."},
		{name: "udp_segment", kind: booleans(), defaults: []string{"true"},
			doc: "UDP_SEGMENT: many outer datagrams in one send."},
		{name: "udp_gro", kind: booleans(), defaults: []string{"true"},
			doc: "UDP_GRO: many outer datagrams in one receive."},
		{name: "coalesce", kind: booleans(), defaults: []string{"true"},
			doc: "Received packets glued into superpackets before they go to the TUN device."},
		{name: "peer_checksum", kind: booleans(), defaults: []string{"true"},
			doc: "TCP and UDP checksums of superpackets left to a peer that is vpngw as well: its kernel, or the card behind it, makes them. ESP protects what crosses the tunnel."},
	}

	bufferKeys = []key{
		{name: "receive", kind: sizes(64<<10, 1<<30, false), defaults: []string{"4MiB"},
			doc: "Receive buffer of each tunnel's socket."},
		{name: "send", kind: sizes(64<<10, 1<<30, false), defaults: []string{"1MiB"},
			doc: "Send buffer of each tunnel's socket."},
	}

	tunnelKeys = append([]key{
		{name: "peer", keys: peerKeys, required: true,
			doc: "The gateway at the other end. It has one of public_key, psk_file and ca_file."},
		{name: "local_subnets", kind: subnets(), list: maxSelectors, required: true, examples: []string{"10.1.0.0/16"},
			doc: "Networks on our side, which the peer may reach."},
		{name: "remote_subnets", kind: subnets(), list: maxSelectors, required: true, examples: []string{"10.2.0.0/16"},
			doc: "Networks behind the peer. No two tunnels' may overlap."},
	}, tunableKeys...)

	peerKeys = []key{
		{name: "address", kind: peerAddresses(), examples: []string{"192.0.2.2", "[2001:db8::2]:4500", "gw-b.example:4500"},
			doc: "Host or host:port of the peer; without it we wait for the peer to come. The port is 4500 when none is given."},
		{name: "id", kind: identities(), required: true, examples: []string{"gw-b.example"},
			doc: "IKE identity that the peer must prove."},
		{name: "public_key", kind: publicKeys(), examples: []string{"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
			doc: "The peer's Ed25519 or ECDSA public key, one line as `vpngw pubkey` prints it."},
		{name: "psk_file", kind: paths(), examples: []string{"/etc/vpngw/b.psk"},
			doc: "A file (mode 0600, from `vpngw genpsk`) with the pre-shared key: its text without the final newline, at least 16 bytes. Relative to this file's directory."},
		{name: "ca_file", kind: paths(), examples: []string{"/etc/vpngw/ca.pem"},
			doc: "Certificates (PEM) of the authorities under one of which the peer's certificate is; we show ours, gateway.certificate_file. The peer's id stands in its certificate. Relative to this file's directory."},
		{name: "ppk_file", kind: paths(), examples: []string{"/etc/vpngw/b.ppk"},
			doc: "A file (mode 0600, from `vpngw genpsk`) with a post-quantum pre-shared key (RFC 8784), which adds to the authentication above: its text without the final newline, best 32 bytes, at least 16. Relative to this file's directory."},
		{name: "ppk_id", kind: ppkIDs(), examples: []string{"ppk-b"},
			doc: "The id by which both ends know the PPK, needed with a ppk_file."},
		{name: "ppk_required", kind: booleans(), defaults: []string{"true"},
			doc: "Refuse a peer without the PPK. With false, the tunnel also comes up without it, and the status says so."},
	}

	tunableKeys = []key{
		{name: "weight", kind: integers(1, 1000, false), defaults: []string{"1"},
			doc: "Share of the uplink beside the other tunnels."},
		{name: "rate", kind: rates(), defaults: []string{"0"}, examples: []string{"100Mbit"},
			doc: "Rate that the tunnel is held to; 0: none of its own."},
		{name: "strands", kind: autoOr(1, 64), defaults: []string{"auto"},
			doc: "Lanes that may carry the tunnel at the same time, each with keys and UDP ports of its own, if the peer is a vpngw with as many; auto: all that the gateway has, where it has no more than two tunnels for each, and else one. What has a rate has one."},
		{name: "dscp", kind: names("clear", "copy"), defaults: []string{"clear"},
			doc: "DSCP of the outer packets: clear sends 0, copy that of the inner packet, which then also strangers can read."},
		{name: "crypto", keys: cryptoKeys,
			doc: "Algorithms offered and accepted."},
		{name: "rekey", keys: rekeyKeys,
			doc: "When a child SA gets new keys: at whichever limit comes first, give or take a tenth."},
		{name: "dpd", keys: dpdKeys,
			doc: "Dead peer detection."},
	}

	cryptoKeys = []key{
		{name: "ciphers", kind: names("aes256gcm", "chacha20poly1305", "aes128gcm"), list: 3,
			defaults: []string{"aes256gcm", "chacha20poly1305", "aes128gcm"},
			doc:      "Ciphers, the preferred one first."},
		{name: "groups", kind: names("x25519", "p256", "p384"), list: 3,
			defaults: []string{"x25519", "p256", "p384"},
			doc:      "Groups of the key exchange, the preferred one first."},
		{name: "esn", kind: booleans(), defaults: []string{"true"},
			doc: "Offer 64-bit sequence numbers; 32-bit ones are still taken where the peer has no others."},
		{name: "pfs", kind: booleans(), defaults: []string{"true"},
			doc: "A new key exchange for each rekey of a child SA."},
		{name: "mlkem768", kind: booleans(), defaults: []string{"true"},
			doc: "Offer ML-KEM-768 beside the group (RFC 9370), against who records today to decrypt with a quantum computer later; a peer without it is still taken."},
	}

	// The default of bytes stays under the 2^34.5 AES blocks that RFC 8446 §5.5 gives one AES-GCM key.
	rekeyKeys = []key{
		{name: "time", kind: durations(5*time.Second, 24*time.Hour), defaults: []string{"1h"},
			doc: "Age."},
		{name: "bytes", kind: sizes(1<<20, 16<<40, true), defaults: []string{"256GiB"},
			doc: "Bytes in one direction; 0: no limit."},
		{name: "packets", kind: integers(1000, 1<<34, true), defaults: []string{"0"},
			doc: "Packets in one direction; 0: no limit but that of the sequence numbers."},
		{name: "ike_time", kind: durations(time.Minute, 7*24*time.Hour), defaults: []string{"8h"},
			doc: "Age of the IKE SA, which gets new keys of its own."},
	}

	dpdKeys = []key{
		{name: "interval", kind: durations(time.Second, time.Hour), defaults: []string{"10s"},
			doc: "Silence after which the peer is asked whether it lives."},
		{name: "timeout", kind: durations(2*time.Second, 24*time.Hour), defaults: []string{"30s"},
			doc: "Silence after which the peer is taken for dead; longer than interval."},
	}
)

// find gives the row with this name, or nil.
func find(table []key, name string) *key {
	for i := range table {
		if table[i].name == name {
			return &table[i]
		}
	}
	return nil
}

// rowNames gives the names of a table.
func rowNames(table []key) []string {
	all := make([]string, len(table))
	for i, k := range table {
		all[i] = k.name
	}
	return all
}

// elsewhere finds where else in the file a key of this name may stand: the first path in the order of the table, or "".
func elsewhere(table []key, prefix, name string) string {
	for _, k := range table {
		path := prefix + k.name
		if k.name == name {
			return path
		}
		if k.named != nil {
			path += ".NAME"
		}
		if found := elsewhere(k.keys, path+".", name); found != "" {
			return found
		}
	}
	return ""
}

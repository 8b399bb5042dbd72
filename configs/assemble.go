package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"time"

	"vpngw/crypto/keys"
)

// assembly makes a File of what was read, loads the secrets and compares the parts with one another.
type assembly struct {
	*source
	directory string // that relative names are relative to
	secrets   secretFiles
	hasKey    bool // gateway.key_file is given, whether or not it could be loaded

	hasCertificate bool // likewise, gateway.certificate_file
	tunnels        []*tunnelParts
}

// tunnelParts is a tunnel with the places that its values come from.
type tunnelParts struct {
	Tunnel
	*entry
	scope scope // the tunnel over the defaults
	peer  scope
	ip    netip.Addr // the peer's address, when it is not a name
}

// file assembles everything. It is complete only when no problem was found.
func (a *assembly) file(top scope) *File {
	f := &File{Gateway: a.gateway(top.sub("gateway"))}
	a.checkDPD(top.sub("defaults").sub("dpd"))
	defaults := top.layers[0].entry("defaults")
	if e := top.layers[0].entry("tunnels"); e != nil && e.section != nil {
		for _, named := range e.section.named {
			layers := []*section{named.section}
			if defaults != nil {
				layers = append(layers, defaults.section)
			}
			a.tunnels = append(a.tunnels, a.tunnel(named, scope{table: tunnelKeys, layers: layers}))
		}
	}
	a.checkTunnels(&f.Gateway)
	a.checkMTU(&f.Gateway, top.sub("gateway"))
	for _, t := range a.tunnels {
		f.Tunnels = append(f.Tunnels, t.Tunnel)
	}
	return f
}

func (a *assembly) gateway(sc scope) Gateway {
	offload, buffers := sc.sub("offload"), sc.sub("buffers")
	g := Gateway{
		ID:            get[string](sc, "id"),
		Port:          uint16(get[uint64](sc, "port")),
		IKEPort:       uint16(get[uint64](sc, "ike_port")),
		IKEPortSet:    sc.entry("ike_port") != nil,
		IKEPacket:     int(get[uint64](sc, "ike_packet")),
		Interface:     get[string](sc, "interface"),
		Addresses:     list[netip.Prefix](sc, "addresses"),
		MTU:           int(get[uint64](sc, "mtu")),
		Lanes:         int(get[uint64](sc, "lanes")),
		MSSClamp:      get[bool](sc, "mss_clamp"),
		MTUDiscovery:  get[bool](sc, "mtu_discovery"),
		Uplink:        uplink(sc.sub("uplink")),
		ControlSocket: get[string](sc, "control_socket"),
		Offload: Offload{
			TSO:          get[bool](offload, "tso"),
			USO:          get[bool](offload, "uso"),
			Checksum:     get[bool](offload, "checksum"),
			UDPSegment:   get[bool](offload, "udp_segment"),
			UDPGRO:       get[bool](offload, "udp_gro"),
			Coalesce:     get[bool](offload, "coalesce"),
			PeerChecksum: get[bool](offload, "peer_checksum"),
			Manage:       get[string](offload, "manage"),
		},
		Buffers: Buffers{
			Receive: get[ByteSize](buffers, "receive"),
			Send:    get[ByteSize](buffers, "send"),
		},
	}
	if e := sc.entry("ike_port"); g.IKEPort == g.Port && e != nil {
		a.problem(e, fmt.Sprintf("ike_port is the same as port (%d)", g.Port), "IKE alone and IKE with ESP need a port each; 0 goes without ike_port")
	} else if g.IKEPort == g.Port {
		g.IKEPort = 0
	}
	if g.ControlSocket == "" {
		g.ControlSocket = ControlSocket(g.Interface)
	}
	a.hasKey = len(sc.layers) > 0 && (sc.layers[0].entry("key_file") != nil || sc.layers[0].meant["key_file"])
	if e := sc.entry("key_file"); e != nil {
		key, err := a.secrets.private(a.resolve(e.value.(string)))
		if err != nil {
			a.secretProblem(e, err, "genkey")
		}
		g.Key = key
	}
	a.certificates(&g, sc)
	g.Fairness = a.fairness(sc.sub("fairness"))
	a.uplinks(&g, sc)
	return g
}

// ControlSocket is the control socket of the gateway with this interface, unless its file names another.
func ControlSocket(iface string) string { return "/run/vpngw/" + iface + ".sock" }

func (a *assembly) tunnel(e *entry, sc scope) *tunnelParts {
	peer, crypto, rekey, dpd := sc.sub("peer"), sc.sub("crypto"), sc.sub("rekey"), sc.sub("dpd")
	t := &tunnelParts{entry: e, scope: sc, peer: peer}
	address := get[endpoint](peer, "address")
	t.ip = address.ip
	t.Tunnel = Tunnel{
		Name: e.name,
		Peer: Peer{
			Address:   address.host,
			Port:      address.port,
			ID:        get[string](peer, "id"),
			PublicKey: get[keys.PublicKey](peer, "public_key"),
			HasKey:    peer.entry("public_key") != nil,
		},
		LocalSubnets:  list[netip.Prefix](sc, "local_subnets"),
		RemoteSubnets: list[netip.Prefix](sc, "remote_subnets"),
		Weight:        int(get[uint64](sc, "weight")),
		Rate:          get[Rate](sc, "rate"),
		Strands:       int(get[uint64](sc, "strands")),
		CopyDSCP:      get[string](sc, "dscp") == "copy",
		Crypto: Crypto{
			Ciphers:  list[string](crypto, "ciphers"),
			Groups:   list[string](crypto, "groups"),
			ESN:      get[bool](crypto, "esn"),
			PFS:      get[bool](crypto, "pfs"),
			MLKEM768: get[bool](crypto, "mlkem768"),
		},
		Rekey: Rekey{
			Time:    get[time.Duration](rekey, "time"),
			Bytes:   get[ByteSize](rekey, "bytes"),
			Packets: get[uint64](rekey, "packets"),
			IKETime: get[time.Duration](rekey, "ike_time"),
		},
		DPD: DPD{
			Interval: get[time.Duration](dpd, "interval"),
			Timeout:  get[time.Duration](dpd, "timeout"),
		},
	}
	if address.port == 0 {
		t.Peer.Port = defaultPort
	}
	if file := peer.entry("psk_file"); file != nil {
		psk, err := a.secrets.psk(a.resolve(file.value.(string)))
		if err != nil {
			a.secretProblem(file, err, "genpsk")
		}
		t.Peer.PSK, t.Peer.HasPSK = psk, true
	}
	a.authorities(t)
	a.ppk(t)
	return t
}

// resolve makes a name absolute or relative to the working directory, as os.Open wants it.
func (a *assembly) resolve(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(a.directory, name)
}

// secretProblem notes why the file that e names could not be loaded. maker is the command that makes such files.
func (a *assembly) secretProblem(e *entry, err error, maker string) {
	path := a.resolve(e.value.(string))
	var open *keys.PermissionError
	var writable *keys.WritableError
	var format *keys.FormatError
	switch {
	case errors.As(err, &writable):
		a.problem(e, fmt.Sprintf("group or others may write to %s (mode %04o), which says whom to trust", shorten(path), writable.Mode), "chmod go-w "+shorten(path))
	case errors.As(err, &open):
		a.problem(e, fmt.Sprintf("group or others may open %s (mode %04o)", shorten(path), open.Mode), "chmod 600 "+shorten(path))
	case errors.As(err, &format):
		a.problem(e, fmt.Sprintf("%s holds %s", shorten(path), format.Found), "need "+format.Want)
	case errors.Is(err, fs.ErrNotExist) && maker == "":
		a.problem(e, fmt.Sprintf("there is no file %s", shorten(path)), "get it from your certification authority")
	case errors.Is(err, fs.ErrNotExist):
		a.problem(e, fmt.Sprintf("there is no file %s", shorten(path)), fmt.Sprintf("make it with `vpngw %s %s`", maker, shorten(path)))
	default:
		a.problem(e, err.Error(), "")
	}
}

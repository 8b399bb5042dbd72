package daemon

import (
	"vpngw/configs"
	"vpngw/crypto/ike"
	"vpngw/tunnel"
)

var ciphers = map[string]ike.Cipher{
	"aes256gcm": ike.AES256GCM, "aes128gcm": ike.AES128GCM, "chacha20poly1305": ike.ChaCha20Poly1305,
}

var groups = map[string]ike.Group{"x25519": ike.X25519, "p256": ike.P256, "p384": ike.P384}

var manage = map[string]tunnel.Manage{"off": tunnel.ManageOff, "warn": tunnel.ManageWarn, "fix": tunnel.ManageFix}

// gatewayConfig turns a tunnel file, in which everything was checked, into a
// gateway's configuration.
func gatewayConfig(f *configs.File, version string) tunnel.Config {
	g := &f.Gateway
	c := tunnel.Config{
		Version: version, LocalID: g.ID, Port: g.Port, IKEPacket: g.IKEPacket, IKEPort: g.IKEPort, IKEPortNeeded: g.IKEPortSet, Interface: g.Interface, Addresses: g.Addresses, MTU: g.MTU, Lanes: g.Lanes,
		NoMSSClamp: !g.MSSClamp, NoMTUDiscovery: !g.MTUDiscovery,
		Offload: tunnel.Offload{
			NoTSO: !g.Offload.TSO, NoUSO: !g.Offload.USO, NoChecksum: !g.Offload.Checksum,
			NoUDPSegment: !g.Offload.UDPSegment, NoUDPGRO: !g.Offload.UDPGRO, NoCoalesce: !g.Offload.Coalesce, NoPeerChecksum: !g.Offload.PeerChecksum,
		},
		Manage:  manage[g.Offload.Manage],
		Buffers: tunnel.Buffers{Receive: int(g.Buffers.Receive), Send: int(g.Buffers.Send)},
		Uplink:  uplink(g.Uplink),
		Uplinks: map[string]tunnel.Uplink{},
		Fairness: tunnel.Fairness{
			FIFO: g.Fairness.FIFO, NoECN: !g.Fairness.ECN, Target: g.Fairness.Target,
			Memory: int(g.Fairness.Memory), TunnelMemory: int(g.Fairness.TunnelMemory),
		},
	}
	for name, u := range g.Uplinks {
		c.Uplinks[name] = uplink(u)
	}
	if !g.Key.IsZero() {
		c.Key = g.Key.Signer()
	}
	for _, cert := range g.Certificates {
		c.Chain = append(c.Chain, cert.Raw)
	}
	for i := range f.Tunnels {
		c.Tunnels = append(c.Tunnels, tunnelConfig(&f.Tunnels[i]))
	}
	return c
}

func uplink(u configs.Uplink) tunnel.Uplink {
	return tunnel.Uplink{Rate: uint64(u.Rate), Overhead: u.Overhead}
}

func tunnelConfig(t *configs.Tunnel) tunnel.TunnelConfig {
	c := tunnel.TunnelConfig{
		Name: t.Name, PeerAddress: t.Peer.Address, PeerPort: t.Peer.Port, PeerID: t.Peer.ID,
		Local: t.LocalSubnets, Remote: t.RemoteSubnets, Weight: t.Weight, Rate: uint64(t.Rate), Strands: t.Strands, CopyDSCP: t.CopyDSCP,
		Ciphers: translate(t.Crypto.Ciphers, ciphers), Groups: translate(t.Crypto.Groups, groups),
		ESN: t.Crypto.ESN, PFS: t.Crypto.PFS, NoMLKEM: !t.Crypto.MLKEM768,
		RekeyTime: t.Rekey.Time, RekeyBytes: uint64(t.Rekey.Bytes), RekeyPackets: t.Rekey.Packets,
		RekeyIKETime: t.Rekey.IKETime,
		DPDInterval:  t.DPD.Interval, DPDTimeout: t.DPD.Timeout - t.DPD.Interval, // the file counts from the last sign of life
	}
	if t.Peer.HasPSK {
		c.PSK = t.Peer.PSK.Bytes()
	}
	if t.Peer.HasKey {
		c.PeerKey = t.Peer.PublicKey.Key()
	}
	if t.Peer.HasCA {
		c.PeerCAs = t.Peer.CAs
	}
	if t.Peer.HasPPK {
		c.PPK = ike.PPK{ID: t.Peer.PPKID, Secret: t.Peer.PPK.Bytes(), Required: t.Peer.PPKRequired}
	}
	return c
}

func translate[T any](names []string, table map[string]T) []T {
	var out []T
	for _, n := range names {
		out = append(out, table[n])
	}
	return out
}

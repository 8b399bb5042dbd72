package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vpngw/configs"
	"vpngw/crypto/ike"
	"vpngw/tunnel"
)

const file = `version: 1
gateway:
  id: gw-a.example
  port: 4501
  ike_packet: 900
  interface: vpn7
  addresses: [10.99.0.1/32]
  mtu: 1400
  uplink: {rate: 950Mbit, overhead: 38}
  offload: {uso: false, udp_gro: false}
  uplinks: {eth1: {rate: 100Mbit}}
  fairness: {queue: fifo, ecn: false, memory: 16MiB, tunnel_memory: 2MiB, target: 20ms}
tunnels:
  b:
    peer: {address: 192.0.2.2, id: gw-b.example, psk_file: b.psk}
    local_subnets: [10.1.0.0/16]
    remote_subnets: [10.2.0.0/16, fd00:2::/64]
    weight: 3
    rate: 100Mbit
    dscp: copy
    crypto: {ciphers: [chacha20poly1305, aes128gcm, aes256gcm], groups: [p384, p256, x25519], esn: false, mlkem768: false}
    rekey: {time: 30m, bytes: 1GiB, packets: 1000000}
    dpd: {interval: 5s, timeout: 20s}
`

func load(t *testing.T) *configs.File {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"f.yaml": file, "b.psk": strings.Repeat("secret ", 5) + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := configs.Load(filepath.Join(dir, "f.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFileReachesTheGateway(t *testing.T) {
	c := gatewayConfig(load(t), "v1")
	if c.LocalID != "gw-a.example" || c.Port != 4501 || c.IKEPacket != 900 || c.Interface != "vpn7" || c.MTU != 1400 || len(c.Addresses) != 1 || c.Version != "v1" {
		t.Errorf("gateway: %+v", c)
	}
	if c.Offload != (tunnel.Offload{NoUSO: true, NoUDPGRO: true}) {
		t.Errorf("offload: %+v", c.Offload)
	}
	if c.Buffers != (tunnel.Buffers{Receive: 4 << 20, Send: 1 << 20}) {
		t.Errorf("buffers: %+v", c.Buffers)
	}
	if c.Fairness != (tunnel.Fairness{FIFO: true, NoECN: true, Memory: 16 << 20, TunnelMemory: 2 << 20, Target: 20 * time.Millisecond}) {
		t.Errorf("fairness: %+v", c.Fairness)
	}
	if c.Uplink != (tunnel.Uplink{Rate: 950e6, Overhead: 38}) || len(c.Uplinks) != 1 || c.Uplinks["eth1"] != (tunnel.Uplink{Rate: 100e6, Overhead: 38}) {
		t.Errorf("uplink %+v, uplinks %+v", c.Uplink, c.Uplinks)
	}
	b := c.Tunnels[0]
	if b.Name != "b" || b.PeerAddress != "192.0.2.2" || b.PeerPort != 4500 || b.PeerID != "gw-b.example" || len(b.Local) != 1 || len(b.Remote) != 2 {
		t.Errorf("tunnel: %+v", b)
	}
	if string(b.PSK) != strings.Repeat("secret ", 5) || b.PeerKey != nil {
		t.Errorf("PSK %q, key %v", b.PSK, b.PeerKey)
	}
	if !slices.Equal(b.Ciphers, []ike.Cipher{ike.ChaCha20Poly1305, ike.AES128GCM, ike.AES256GCM}) || !slices.Equal(b.Groups, []ike.Group{ike.P384, ike.P256, ike.X25519}) {
		t.Errorf("ciphers %v, groups %v", b.Ciphers, b.Groups)
	}
	if b.Weight != 3 || b.Rate != 100e6 || !b.CopyDSCP || b.ESN || !b.PFS || !b.NoMLKEM || b.RekeyTime != 30*time.Minute || b.RekeyBytes != 1<<30 || b.RekeyPackets != 1000000 {
		t.Errorf("tunnel: %+v", b)
	}
	if b.DPDInterval != 5*time.Second || b.DPDTimeout != 15*time.Second {
		t.Errorf("DPD: probe after %v, dead %v later; want 5 s and 15 s", b.DPDInterval, b.DPDTimeout)
	}
	if _, err := tunnel.New(c, nil); err != nil {
		t.Errorf("a checked file is refused: %v", err)
	}
}

func TestIKEPortAndTimeReachTheGateway(t *testing.T) {
	f := load(t)
	c := gatewayConfig(f, "v1")
	if c.IKEPort != 500 || c.IKEPortNeeded || c.Tunnels[0].RekeyIKETime != 8*time.Hour {
		t.Errorf("by default: port %d, needed %v, IKE SA for %v", c.IKEPort, c.IKEPortNeeded, c.Tunnels[0].RekeyIKETime)
	}
	f.Gateway.IKEPort, f.Gateway.IKEPortSet, f.Tunnels[0].Rekey.IKETime = 1500, true, time.Hour
	c = gatewayConfig(f, "v1")
	if c.IKEPort != 1500 || !c.IKEPortNeeded || c.Tunnels[0].RekeyIKETime != time.Hour {
		t.Errorf("as told: port %d, needed %v, IKE SA for %v", c.IKEPort, c.IKEPortNeeded, c.Tunnels[0].RekeyIKETime)
	}
}

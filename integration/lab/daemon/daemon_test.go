package daemon

import (
	"net/netip"
	"testing"

	"go.yaml.in/yaml/v4"
)

func TestYAML(t *testing.T) {
	c := Config{
		ID: "gw-a.example", KeyFile: "/x/gw.key", Interface: "vpn0", ControlSocket: "/x/ctl", Gateway: []string{"mtu: 1400"},
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.99.0.1/32")},
		Tunnels: []Tunnel{{Name: "b", Peer: "[2001:db8::2]:4500", PeerID: "gw-b.example", PSKFile: "/x/psk", Lines: []string{"weight: 2"},
			Local: []netip.Prefix{netip.MustParsePrefix("fd00:1::/64"), netip.MustParsePrefix("10.1.0.0/24")}}},
	}
	var got map[string]any
	if err := yaml.Unmarshal([]byte(c.YAML()), &got); err != nil {
		t.Fatalf("%v in\n%s", err, c.YAML())
	}
	gateway := got["gateway"].(map[string]any)
	tunnel := got["tunnels"].(map[string]any)["b"].(map[string]any)
	peer := tunnel["peer"].(map[string]any)
	for what, pair := range map[string][2]any{
		"version": {got["version"], 1}, "id": {gateway["id"], "gw-a.example"}, "mtu": {gateway["mtu"], 1400},
		"address": {peer["address"], "[2001:db8::2]:4500"}, "psk": {peer["psk_file"], "/x/psk"},
		"weight": {tunnel["weight"], 2}, "subnet": {tunnel["local_subnets"].([]any)[0], "fd00:1::/64"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %v, expected %v", what, pair[0], pair[1])
		}
	}
	if _, ok := gateway["port"]; ok {
		t.Error("a port that was not given was written")
	}
}

func TestStatus(t *testing.T) {
	s, err := ParseStatus([]byte(`{"version":"1","new":[1],"gateway":{"interface":"vpn0","mtu":1420,"features":{"tso4":true}},
		"edges":{"tun_read":{"calls":2,"bytes":100000,"packets":90,"bytes_per_call":50000},"udp_send":{"calls":0}},
		"tunnels":[{"name":"b","state":"rekeying","drops":{"replayed":2,"short":0}}],"drops":{"replayed":1,"no route":4}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Edges.TunRead.BytesPerCall(); got != 50000 {
		t.Errorf("bytes per call %v", got)
	}
	if got := s.Edges.UDPSend.BytesPerCall(); got != 0 {
		t.Errorf("bytes per call of an unused edge %v", got)
	}
	if got := FormatDrops(s.AllDrops()); got != "no route 4, replayed 3" {
		t.Errorf("drops %q", got)
	}
	if b, err := s.Tunnel("b"); err != nil || !b.Up() {
		t.Errorf("tunnel b: %+v %v", b, err)
	}
	if _, err := s.Tunnel("c"); err == nil {
		t.Error("found a tunnel that is not there")
	}
	if _, err := ParseStatus([]byte("not json")); err == nil {
		t.Error("took what is not JSON")
	}
}

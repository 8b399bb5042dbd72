package status

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"vpngw/tunnel"
)

func sample() *tunnel.Status {
	return &tunnel.Status{
		Version: "v1", Uptime: 3661,
		Gateway: tunnel.GatewayStatus{ID: "gw-a.example", Interface: "vpn0", Present: true, MTU: 1438, Port: 4500, Features: map[string]bool{"tso4": true, "uso": false, "checksum": true}},
		Edges:   tunnel.EdgesStatus{TUNRead: tunnel.EdgeStatus{Calls: 2, Bytes: 120000, Packets: 90, BytesPerCall: 60000}},
		Drops:   map[string]uint64{"unknown_spi": 3, "runt": 0},
		Tunnels: []tunnel.TunnelStatus{
			{
				Name: "branch-b", State: "up", Flowing: true, Flow: "both ways", PeerID: "gw-b.example", PeerAddress: "192.0.2.2:4500",
				LocalSubnets: []string{"10.1.0.0/16"}, RemoteSubnets: []string{"10.2.0.0/16", "fd00:2::/64"},
				IKE:      &tunnel.IKEStatus{InitiatorSPI: "01", ResponderSPI: "02", Suite: "aes256gcm16-prfsha256-x25519", BehindNAT: true},
				Children: []tunnel.ChildStatus{{SPIIn: "aa", SPIOut: "bb", Suite: "aes256gcm16/ESN", Sending: true}, {SPIIn: "cc", SPIOut: "dd", Leaving: true}},
				BytesIn:  3 << 30, PacketsIn: 7, LastIn: 0.2, LastOut: -1, CongestionIn: 5,
				Drops: map[string]uint64{"replayed": 2, "auth": 0},
			},
			{Name: "branch-c", State: "connecting", Reason: "no response: 192.0.2.3:4500", Flow: "no", PeerID: "gw-c.example", LastIn: -1, LastOut: -1},
		},
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	if err := Print(&out, sample()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"gateway gw-a.example", "vpn0, MTU 1438, UDP port 4500, up 1h1m1s", "checksum tso4", "TUN read 60000, UDP send –",
		"unknown_spi 3", "branch-b", "both ways", "gw-b.example at 192.0.2.2:4500", "10.1.0.0/16 ↔ 10.2.0.0/16 fd00:2::/64",
		"we are behind NAT", "SPI in aa out bb\n", "SPI in cc out dd, being replaced", "3.0 GiB, 7 packets, last just now, 5 marked on the way",
		"last never", "replayed 2", "connecting: no response: 192.0.2.3:4500", "its address is not known",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	for _, not := range []string{"runt", "auth 0", "uso"} {
		if strings.Contains(out.String(), not) {
			t.Errorf("%q is shown although it is zero or off", not)
		}
	}
}

func TestFetchAndSelect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	if _, err := Fetch(context.Background(), path); err == nil || !strings.Contains(err.Error(), "no gateway is running") {
		t.Fatalf("without a socket: %v", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(sample()) })
	server := &http.Server{Handler: mux}
	go server.Serve(l)
	defer server.Close()

	s, err := Fetch(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Tunnels[0].Drops["replayed"] != 2 || s.Gateway.MTU != 1438 {
		t.Errorf("got %+v", s)
	}
	if err := Select(s, []string{"branch-c"}); err != nil || len(s.Tunnels) != 1 || s.Tunnels[0].Name != "branch-c" {
		t.Errorf("Select left %v, %v", s.Tunnels, err)
	}
	if err := Select(s, []string{"branch-x"}); err == nil || !strings.Contains(err.Error(), "branch-c") {
		t.Errorf("selecting what is not there: %v", err)
	}
}

package configs

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/keys"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func publicKey(t *testing.T, text string) keys.PublicKey {
	t.Helper()
	key, err := keys.ParsePublic(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestLoad reads the good file and compares every field of the result.
func TestLoad(t *testing.T) {
	key := directory(t)
	write(t, "etc/gw.key", string(key.MarshalPEM()), 0o600)
	write(t, "etc/c.psk", goodPSK+"\n", 0o400)
	write(t, "etc/vpngw.yaml", good, 0o640)
	os.Remove("gw.key") // names are relative to the file's directory, not to ours
	os.Remove("c.psk")
	got, err := Load("etc/vpngw.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !got.Gateway.Key.Equal(key) {
		t.Error("not the key of the file")
	}
	if psk := got.Tunnels[1].Peer.PSK.Bytes(); string(psk) != goodPSK {
		t.Errorf("PSK of %d bytes, want %d", len(psk), len(goodPSK))
	}
	crypto := Crypto{
		Ciphers: []string{"aes256gcm", "chacha20poly1305", "aes128gcm"},
		Groups:  []string{"x25519", "p256", "p384"}, ESN: true, PFS: true, MLKEM768: true,
	}
	rekey := Rekey{Time: time.Hour, Bytes: 256 << 30, IKETime: 8 * time.Hour}
	dpd := DPD{Interval: 10 * time.Second, Timeout: 30 * time.Second}
	only := crypto
	only.Ciphers = []string{"aes256gcm"}
	want := &File{
		Path: "etc/vpngw.yaml",
		Gateway: Gateway{
			ID: "gw-a.example", Key: got.Gateway.Key, Port: 4500, IKEPort: 500, IKEPacket: 1280, MSSClamp: true, MTUDiscovery: true, Interface: "vpn0",
			Addresses: prefixes("10.99.0.1/24"), Uplink: Uplink{Rate: 950e6, Overhead: 14}, ControlSocket: "/run/vpngw/a.sock",
			Offload:  Offload{true, true, true, true, true, true, true, "warn"},
			Buffers:  Buffers{Receive: 4 << 20, Send: 1 << 20},
			Fairness: Fairness{ECN: true, Memory: 32 << 20, TunnelMemory: 16 << 20, Target: 5 * time.Millisecond},
		},
		Tunnels: []Tunnel{{
			Name: "branch-b",
			Peer: Peer{
				Address: "192.0.2.2", Port: 4500, ID: "gw-b.example",
				PublicKey: publicKey(t, "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="), HasKey: true,
			},
			LocalSubnets: prefixes("10.1.0.0/16"), RemoteSubnets: prefixes("10.2.0.0/16"),
			Weight: 1, Rate: 100e6, Crypto: only, Rekey: rekey, DPD: dpd,
		}, {
			Name:         "branch-c",
			Peer:         Peer{Port: 4500, ID: "gw-c.example", PSK: got.Tunnels[1].Peer.PSK, HasPSK: true},
			LocalSubnets: prefixes("10.1.0.0/16"), RemoteSubnets: prefixes("10.3.0.0/16", "2001:db8:3::/48"),
			Weight: 1, Crypto: crypto, Rekey: rekey, DPD: dpd,
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestOverride shows that a tunnel overrides the defaults key by key, and the defaults the table.
func TestOverride(t *testing.T) {
	directory(t)
	text := with(t, "  dpd: {interval: 10s}", `  weight: 7
  rate: 1.5Gbit
  strands: 3
  dpd: {interval: 2s}
  crypto: {esn: false, groups: [p384], mlkem768: false}
  rekey: {time: 1h30m, bytes: 0}
`)
	text = strings.Replace(text, "    rate: 100Mbit\n", "    rate: 0\n    strands: auto\n", 1)
	write(t, "vpngw.yaml", text, 0o640)
	f, err := Load("vpngw.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b, c := f.Tunnels[0], f.Tunnels[1]
	for _, check := range []struct {
		what      string
		got, want any
	}{
		{"b.weight", b.Weight, 1},
		{"b.rate", b.Rate, Rate(0)},
		{"b.strands", b.Strands, 0},
		{"b.esn", b.Crypto.ESN, true},
		{"b.pfs", b.Crypto.PFS, true},
		{"b.mlkem768", b.Crypto.MLKEM768, false},
		{"b.ciphers", fmt.Sprint(b.Crypto.Ciphers), "[aes256gcm]"},
		{"b.groups", fmt.Sprint(b.Crypto.Groups), "[p384]"},
		{"b.rekey", b.Rekey, Rekey{Time: time.Hour, IKETime: 8 * time.Hour}},
		{"b.dpd", b.DPD, DPD{2 * time.Second, 30 * time.Second}},
		{"c.weight", c.Weight, 7},
		{"c.rate", c.Rate, Rate(1500e6)},
		{"c.strands", c.Strands, 3},
		{"c.esn", c.Crypto.ESN, false},
		{"c.mlkem768", c.Crypto.MLKEM768, false},
		{"c.rekey", c.Rekey, Rekey{Time: 90 * time.Minute, IKETime: 8 * time.Hour}},
	} {
		if check.got != check.want {
			t.Errorf("%s is %v, want %v", check.what, check.got, check.want)
		}
	}
}

func TestPeerAddress(t *testing.T) {
	directory(t)
	for _, c := range []struct {
		text, host string
		port       uint16
	}{
		{"192.0.2.2", "192.0.2.2", 4500},
		{"192.0.2.2:14500", "192.0.2.2", 14500},
		{"2001:db8::2", "2001:db8::2", 4500},
		{`"[2001:db8::2]"`, "2001:db8::2", 4500},
		{`"[2001:db8::2]:500"`, "2001:db8::2", 500},
		{"vpn.example", "vpn.example", 4500},
		{"vpn.example.:65535", "vpn.example.", 65535},
		{"gateway", "gateway", 4500},
	} {
		write(t, "vpngw.yaml", with(t, "address: 192.0.2.2", "address: "+c.text), 0o640)
		f, err := Load("vpngw.yaml")
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		} else if p := f.Tunnels[0].Peer; p.Address != c.host || p.Port != c.port {
			t.Errorf("%s: got host %q port %d", c.text, p.Address, p.Port)
		}
	}
}

func TestOurOwnPublicKey(t *testing.T) {
	key := directory(t)
	problems := problemsOf(t, with(t, "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", key.Public().String()))
	if len(problems) != 1 || problems[0].Line != 20 || !strings.Contains(problems[0].Message, "our own public key") {
		t.Errorf("got %v", problems)
	}
}

// TestAllMistakesAtOnce wants every mistake of a file that has about one in each line, each at its place.
func TestAllMistakesAtOnce(t *testing.T) {
	directory(t)
	got := problemsOf(t, `version: 3
gateway:
  id: C==H
  key_file: none.key
  port: 70000
  interface: a-name-that-is-too-long
  addresses: [10.99.0.1, 10.99.0.1/33]
  mtu: big
  uplink: {rate: 950}
  offload: {tso: on, gro: true}
  fairness: {memory: 1KiB, target: 5}
defaults:
  dpd: {interval: 1m, timeout: 20s}
  wait: 1
tunnels:
  B:
    peer:
      address: 300.0.2.2
      id: x.example
    local_subnets: [10.1.0.0/8]
    remote_subnets: [10.2.0.0/16]
  c:
    peer:
      id: x.example
      public_key: short
      psk_file: none.psk
    local_subnets: 10.1.0.0/16
    remote_subnets: [10.2.7.0/24, 10.2.7.0/24]
    weight: 0
    weight: 2000
  c:
    peer: {id: d.example, psk_file: c.psk}
    rekey: {time: soon}
`)
	var places []string
	for _, p := range got {
		places = append(places, fmt.Sprintf("%d:%d %s", p.Line, p.Column, p.Path))
	}
	want := strings.Split(strings.TrimSpace(`
1:10 version
3:7 gateway.id
4:13 gateway.key_file
5:9 gateway.port
6:14 gateway.interface
7:15 gateway.addresses[0]
7:26 gateway.addresses[1]
8:8 gateway.mtu
9:18 gateway.uplink.rate
10:18 gateway.offload.tso
10:22 gateway.offload.gro
11:22 gateway.fairness.memory
11:36 gateway.fairness.target
13:32 defaults.dpd.timeout
14:3 defaults.wait
16:3 tunnels.B
17:5 tunnels.B.peer
18:16 tunnels.B.peer.address
20:21 tunnels.B.local_subnets[0]
24:11 tunnels.c.peer.id
25:19 tunnels.c.peer.public_key
26:17 tunnels.c.peer.psk_file
26:17 tunnels.c.peer.psk_file
27:20 tunnels.c.local_subnets
28:22 tunnels.c.remote_subnets[0]
28:35 tunnels.c.remote_subnets[1]
29:13 tunnels.c.weight
30:5 tunnels.c.weight
30:13 tunnels.c.weight
31:3 tunnels.c
31:3 tunnels.c.local_subnets
31:3 tunnels.c.remote_subnets
33:19 tunnels.c.rekey.time`), "\n")
	if !reflect.DeepEqual(places, want) {
		t.Errorf("got\n%s\nwant\n%s\n\n%v", strings.Join(places, "\n"), strings.Join(want, "\n"), got)
	}
}

func TestFileAsAWhole(t *testing.T) {
	directory(t)
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"empty", "", 0o640, "vpngw.yaml:1:1: the file is empty"},
		{"comment", "# nothing\n", 0o640, "vpngw.yaml:1:1: the file is empty"},
		{"others may read", good, 0o644, "vpngw.yaml: others may read the file, or its group may write to it (mode 0644)"},
		{"group may write", good, 0o660, "vpngw.yaml: others may read the file, or its group may write to it (mode 0660)"},
		{"others may write", good, 0o642, "vpngw.yaml: others may read the file, or its group may write to it (mode 0642)"},
		{"group may read", good, 0o640, "<nil>"},
		{"list", "- a\n", 0o640, "vpngw.yaml:1:1: want a mapping, got a list"},
		{"word", "hello\n", 0o640, `vpngw.yaml:1:1: want a mapping, got the text "hello"`},
		{"too large", strings.Repeat("#", maxFileSize+1), 0o640, "vpngw.yaml: larger than 16MiB"},
		{"byte order mark and CRLF", "\ufeff" + strings.ReplaceAll(good, "\n", "\r\n"), 0o600, "<nil>"},
		{"no final newline", strings.TrimSpace(good), 0o600, "<nil>"},
	} {
		write(t, "vpngw.yaml", c.text, c.mode)
		_, err := Load("vpngw.yaml")
		if got, _, _ := strings.Cut(fmt.Sprint(err), "\n"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if _, err := Load("."); err == nil || !strings.HasPrefix(err.Error(), ".: is a directory") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Load("none.yaml"); err == nil || err.Error() != "none.yaml: open: no such file or directory" {
		t.Errorf("no file: %v", err)
	}
}

// TestBillionLaughs shows that aliases are named and not followed: 9^9 nodes would take gigabytes.
func TestBillionLaughs(t *testing.T) {
	var text strings.Builder
	text.WriteString("a: &a [x]\n")
	for c := 'b'; c <= 'j'; c++ {
		fmt.Fprintf(&text, "%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ","))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, problems := parse("bomb.yaml", []byte(text.String()), noSecrets)
	runtime.ReadMemStats(&after)
	if len(problems) < 81+10 {
		t.Errorf("%d problems, want one for each of 81 aliases and 10 anchors", len(problems))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes allocated for a file of %d", used, text.Len())
	}
}

// TestManyTunnels reads 5,000 tunnels; comparing each with each would take far longer than the generous bound.
func TestManyTunnels(t *testing.T) {
	var text strings.Builder
	text.WriteString("version: 1\ngateway: {id: hub}\ntunnels:\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "  t%d: {peer: {id: p%d, psk_file: x}, local_subnets: [192.168.0.0/16], remote_subnets: [10.%d.%d.0/24]}\n", i, i, i/256, i%256)
	}
	start := time.Now()
	f, problems := parse("many.yaml", []byte(text.String()), noSecrets)
	if len(problems) > 0 || len(f.Tunnels) != 5000 {
		t.Fatalf("%.300v", problems)
	}
	if f.Tunnels[4999].Name != "t4999" {
		t.Error("not in the order of the file")
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// noSecrets takes any name for a good secret.
var noSecrets = secretFiles{
	private: func(string) (keys.PrivateKey, error) { return keys.Generate(rand.Reader) },
	psk:     func(string) (keys.PSK, error) { return keys.PSK{}, nil },
	ppk:     func(string) (keys.PSK, error) { return keys.PSK{}, nil },

	certificates: func(string) ([]*x509.Certificate, error) { return nil, errors.New("none") },
}

// TestIKEPort: told, left to itself, switched off, and giving way to a port that is IKE's own.
func TestIKEPort(t *testing.T) {
	directory(t)
	text := func(lines string) string { return strings.Replace(good, "  port: 4500\n", lines, 1) }
	for _, c := range []struct {
		lines string
		port  uint16
		set   bool
	}{
		{"", 500, false},
		{"  ike_port: 0\n", 0, true},
		{"  ike_port: 1500\n", 1500, true},
		{"  port: 500\n", 0, false},
	} {
		write(t, "vpngw.yaml", text(c.lines), 0o640)
		f, err := Load("vpngw.yaml")
		if err != nil {
			t.Errorf("%q: %v", c.lines, err)
		} else if g := f.Gateway; g.IKEPort != c.port || g.IKEPortSet != c.set {
			t.Errorf("%q: port %d, set %v; want %d, %v", c.lines, g.IKEPort, g.IKEPortSet, c.port, c.set)
		}
	}
	write(t, "vpngw.yaml", text("  port: 500\n  ike_port: 500\n"), 0o640)
	if _, err := Load("vpngw.yaml"); err == nil || !strings.Contains(err.Error(), "ike_port is the same as port (500)") {
		t.Errorf("one port for both: %v", err)
	}
}

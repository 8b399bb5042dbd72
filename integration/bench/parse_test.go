package main

import (
	"bufio"
	"crypto/ecdh"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseCPUStat(t *testing.T) {
	got, err := parseCPUStat([]byte("usage_usec 2500000\nuser_usec 1000000\nsystem_usec 1500000\n"))
	if err != nil || got != 2.5 {
		t.Errorf("%v s, %v, want 2.5 s", got, err)
	}
	for _, text := range []string{"", "user_usec 1\n", "usage_usec x\n"} {
		if _, err := parseCPUStat([]byte(text)); err == nil {
			t.Errorf("%q was read without an error", text)
		}
	}
}

func TestParseThreadStat(t *testing.T) {
	const line = "15 (ksoftirqd/0 (a) 9) S 2 0 0 0 -1 69238848 0 0 0 0 7 321 0 0 20 0 1 0 32 0 0\n"
	got, err := parseThreadStat([]byte(line))
	if err != nil || got != 3.21 {
		t.Errorf("%v s, %v, want 3.21 s", got, err)
	}
	for _, text := range []string{"", "15 (x) S 2", "15 (x) S 2 0 0 0 -1 6 0 0 0 0 0 y 0"} {
		if _, err := parseThreadStat([]byte(text)); err == nil {
			t.Errorf("%q was read without an error", text)
		}
	}
}

func TestUnifiedGroup(t *testing.T) {
	for _, c := range []struct {
		text, want string
		ok         bool
	}{
		{"0::/user.slice/session-1.scope\n", "/user.slice/session-1.scope", true},
		{"4:memory:/m\n1:cpu:/\n0::/\n", "/", true},
		{"4:memory:/m\n", "", false},
	} {
		if got, ok := unifiedGroup([]byte(c.text)); got != c.want || ok != c.ok {
			t.Errorf("unifiedGroup(%q) = %q, %v", c.text, got, ok)
		}
	}
}

func TestFindKsoftirqd(t *testing.T) {
	proc := t.TempDir()
	for pid, name := range map[string]string{"1": "init", "15": "ksoftirqd/0", "22": "ksoftirqd/1", "net": "ksoftirqd/2"} {
		dir := filepath.Join(proc, pid)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "comm"), []byte(name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := findKsoftirqd(proc); len(got) != 2 || got[0]+got[1] != 15+22 {
		t.Errorf("ksoftirqd is %v, want 15 and 22", got)
	}
}

func TestCPUModel(t *testing.T) {
	const text = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: AMD EPYC 9354P: 32-Core\n\nprocessor\t: 1\nmodel name\t: other\n"
	if got, want := cpuModel([]byte(text)), "AMD EPYC 9354P: 32-Core"; got != want {
		t.Errorf("model %q, want %q", got, want)
	}
	if got := cpuModel([]byte("processor\t: 0\nBogoMIPS\t: 50.00\n")); got != "" {
		t.Errorf("model %q where the kernel names none", got)
	}
}

// The text of the protocol is that of wireguard.com/xplatform: keys in
// hexadecimal, an empty line at the end.
func TestWireGuardRequest(t *testing.T) {
	scalar := make([]byte, 32)
	for i := range scalar {
		scalar[i] = byte(i)
	}
	key, err := ecdh.X25519().NewPrivateKey(scalar)
	if err != nil {
		t.Fatal(err)
	}
	p := wgPeer{
		Key: key, Port: 51820, PeerKey: key.PublicKey(),
		Endpoint:   netip.MustParseAddrPort("192.0.2.2:51820"),
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/24"), netip.MustParsePrefix("fd00:2::/64")},
	}
	const want = `set=1
private_key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
listen_port=51820
replace_peers=true
public_key=8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f
endpoint=192.0.2.2:51820
allowed_ip=10.2.0.0/24
allowed_ip=fd00:2::/64

`
	if got := p.request(); got != want {
		t.Errorf("request is\n%s\nwant\n%s", got, want)
	}
}

func TestUAPIAnswer(t *testing.T) {
	read := func(text string) (string, error) {
		return readUAPIAnswer(bufio.NewScanner(strings.NewReader(text)))
	}
	if got, err := read("errno=0\n\n"); got != "0" || err != nil {
		t.Errorf("answer %q, %v", got, err)
	}
	if got, err := read("listen_port=1\nerrno=-22\n\n"); got != "-22" || err != nil {
		t.Errorf("answer %q, %v", got, err)
	}
	if _, err := read("listen_port=1\n"); err == nil {
		t.Error("an answer without errno was taken")
	}
}

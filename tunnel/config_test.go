package tunnel

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike"
	"vpngw/tunnel/drop"
	"vpngw/tunnel/lane"
)

func valid() Config {
	return Config{
		LocalID: "gw-a.example", Port: 4500, Interface: "vpn0",
		Tunnels: []TunnelConfig{{
			Name: "b", PeerAddress: "192.0.2.2", PeerPort: 4500, PeerID: "gw-b.example", PSK: []byte("sixteen bytes and more"),
			Local: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, Remote: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")},
			Weight: 1, RekeyTime: time.Hour, DPDInterval: 10 * time.Second, DPDTimeout: 30 * time.Second,
		}},
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(valid(), nil); err != nil {
		t.Fatalf("a valid configuration is refused: %v", err)
	}
	for _, c := range []struct {
		name  string
		spoil func(*Config)
		want  string
	}{
		{"no key for a public-key peer", func(c *Config) { c.Tunnels[0].PSK, c.Tunnels[0].PeerKey = nil, make(ed25519.PublicKey, 32) }, "key_file"},
		{"short PSK", func(c *Config) { c.Tunnels[0].PSK = []byte("short") }, "128 bits"},
		{"own identity as peer", func(c *Config) { c.Tunnels[0].PeerID = c.LocalID }, "gw-a.example"},
		{"no peer identity", func(c *Config) { c.Tunnels[0].PeerID = "" }, "b"},
		{"no selectors", func(c *Config) { c.Tunnels[0].Remote = nil }, "selectors"},
	} {
		cfg := valid()
		c.spoil(&cfg)
		if _, err := New(cfg, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error that says %q", c.name, err, c.want)
		}
	}
}

func TestConfigPrintsNoSecrets(t *testing.T) {
	c := valid()
	key := ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes, seed"))
	c.Key = key
	c.Tunnels[0].PPK = ike.PPK{ID: "ppk", Secret: c.Tunnels[0].PSK}
	secret := string(c.Tunnels[0].PSK)
	for _, v := range []any{c, &c, c.Tunnels[0], c.Tunnels} {
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		for _, text := range []string{fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), b.String()} {
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprint([]byte(secret))[1:20]) ||
				strings.Contains(text, "0x73, 0x69") || strings.Contains(text, fmt.Sprint([]byte(key))[1:20]) {
				t.Errorf("%T prints a secret: %s", v, text)
			}
		}
	}
}

func TestSoftLimits(t *testing.T) {
	for _, c := range []struct {
		limit uint64
		esn   bool
		want  uint64
	}{
		{0, false, 1 << 31}, {0, true, 1 << 33}, {1000, false, 1000}, {1 << 40, false, 1 << 31}, {1 << 40, true, 1 << 33},
	} {
		if got := softPackets(c.limit, c.esn); got != c.want {
			t.Errorf("softPackets(%d, ESN %v) = %d, want %d", c.limit, c.esn, got, c.want)
		}
	}
	seen := map[uint64]bool{}
	for range 100 {
		got := jittered(1_000_000)
		if got < 900_000 || got > 1_000_000 {
			t.Fatalf("jittered(1000000) = %d, want a tenth less at most", got)
		}
		seen[got] = true
	}
	if len(seen) < 50 {
		t.Errorf("100 jittered limits have only %d values", len(seen))
	}
	if got := jittered(0); got != 0 {
		t.Errorf("jittered(0) = %d: no limit must stay none", got)
	}
}

func TestSPIsAreFresh(t *testing.T) {
	g, err := New(valid(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		spi, err := g.newSPI()
		if err != nil || spi < 256 || g.children[spi] != nil {
			t.Fatalf("SPI %08x, %v", spi, err)
		}
		g.children[spi] = &child{}
	}
}

func TestFlowTellsKeysFromPackets(t *testing.T) {
	var none, dropping lane.Counters
	dropping.Drops.Add(drop.TunnelDown, 1)
	for _, c := range []struct {
		up      bool
		in, out float64
		c       *lane.Counters
		flowing bool
		text    string
	}{
		{false, -1, -1, &none, false, "no"},
		{false, -1, -1, &dropping, false, "dropped"},
		{true, -1, -1, &none, false, "idle"},
		{true, 1, 1, &none, true, "both"},
		{true, -1, 1, &none, false, "nothing comes back"},
		{true, 100, 1, &none, false, "nothing comes back"},
		{true, 1, 100, &none, true, "in only"},
		{true, 100, 100, &none, false, "idle"},
	} {
		flowing, text := flow(c.up, c.in, c.out, c.c)
		if flowing != c.flowing || !strings.Contains(text, c.text) {
			t.Errorf("up %v, last in %v, out %v: %v %q, want %v and %q", c.up, c.in, c.out, flowing, text, c.flowing, c.text)
		}
	}
}

func TestEveryIKECipherHasAnESPSuite(t *testing.T) {
	for _, c := range []ike.Cipher{ike.AES256GCM, ike.AES128GCM, ike.ChaCha20Poly1305} {
		if s, ok := suites[c]; !ok || s.KeyLen() != c.KeyLen() {
			t.Errorf("%v: suite %v with %d bytes of keys, IKE gives %d", c, s, s.KeyLen(), c.KeyLen())
		}
	}
}

package wireguard

import (
	"bufio"
	"crypto/ecdh"
	"net/netip"
	"strings"
	"testing"
)

// The text of the protocol is that of wireguard.com/xplatform: keys in
// hexadecimal, an empty line at the end.
func TestRequest(t *testing.T) {
	scalar := make([]byte, 32)
	for i := range scalar {
		scalar[i] = byte(i)
	}
	key, err := ecdh.X25519().NewPrivateKey(scalar)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Key: key, Port: 51820, Peers: []Peer{
		{key.PublicKey(), netip.MustParseAddrPort("192.0.2.2:51820"), []netip.Prefix{netip.MustParsePrefix("10.2.0.0/24"), netip.MustParsePrefix("fd00:2::/64")}},
		{key.PublicKey(), netip.MustParseAddrPort("192.0.2.3:51821"), []netip.Prefix{netip.MustParsePrefix("10.3.0.0/24")}},
	}}
	const want = `set=1
private_key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
listen_port=51820
replace_peers=true
public_key=8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f
endpoint=192.0.2.2:51820
allowed_ip=10.2.0.0/24
allowed_ip=fd00:2::/64
public_key=8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f
endpoint=192.0.2.3:51821
allowed_ip=10.3.0.0/24

`
	if got := c.request(); got != want {
		t.Errorf("request is\n%s\nwant\n%s", got, want)
	}
}

func TestAnswer(t *testing.T) {
	read := func(text string) (string, error) {
		return readAnswer(bufio.NewScanner(strings.NewReader(text)))
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

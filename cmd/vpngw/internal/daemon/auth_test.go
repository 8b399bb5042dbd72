package daemon

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vpngw/configs"
	"vpngw/crypto/keys"
	"vpngw/crypto/keys/testpki"
	"vpngw/tunnel"
)

const authFile = `version: 1
gateway: {id: gw-a.example, key_file: gw.key, certificate_file: gw.pem}
tunnels:
  b:
    peer: {id: gw-b.example, ca_file: ca.pem, ppk_file: b.ppk, ppk_id: ppk-b}
    local_subnets: [10.1.0.0/16]
    remote_subnets: [10.2.0.0/16]
  c:
    peer: {id: "C=CH, CN=c", public_key: PUBLIC}
    local_subnets: [10.1.0.0/16]
    remote_subnets: [10.3.0.0/16]
`

// TestAuthenticationReachesTheGateway: keys, certificates and PPKs of the file are those
// that the gateway takes.
func TestAuthenticationReachesTheGateway(t *testing.T) {
	key, err := keys.GenerateKind(keys.ECDSAP256, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := testpki.Root(t, "root", key.Signer())
	dir := t.TempDir()
	other, err := keys.GenerateKind(keys.ECDSAP384, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"f.yaml": strings.Replace(authFile, "PUBLIC", other.Public().String(), 1),
		"gw.key": string(key.MarshalPEM()), "gw.pem": testpki.PEM(root.Issue(t, "gw-a.example", key.Signer().Public(), nil)...),
		"ca.pem": testpki.PEM(root.Cert.Raw), "b.ppk": strings.Repeat("p", 32),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := configs.Load(filepath.Join(dir, "f.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c := gatewayConfig(f, "v1")
	b := c.Tunnels[0]
	if c.Key == nil || len(c.Chain) != 1 || len(b.PeerCAs) != 1 || b.PeerKey != nil || b.PSK != nil {
		t.Errorf("gateway has a key %v, %d certificates; b has %d authorities", c.Key != nil, len(c.Chain), len(b.PeerCAs))
	}
	if b.PPK.ID != "ppk-b" || string(b.PPK.Secret) != strings.Repeat("p", 32) || !b.PPK.Required {
		t.Errorf("PPK %v", b.PPK)
	}
	if c.Tunnels[1].PeerKey == nil || c.Tunnels[1].PeerCAs != nil {
		t.Error("c has no key, or authorities")
	}
	if _, err := tunnel.New(c, nil); err != nil {
		t.Errorf("a checked file is refused: %v", err)
	}
}

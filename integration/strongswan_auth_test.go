package integration

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vpngw/crypto/keys"
	"vpngw/crypto/keys/testpki"
	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// swanAuth is how both ends of a tunnel authenticate. vpngw is gw-a, strongSwan gw-b.
type swanAuth struct {
	idA, idB string // default: gw-a.example and gw-b.example
	psk      bool   // else raw keys, or
	certs    bool   // certificates: vpngw's under an intermediate authority
	kind     string // of the keys: ed25519, ecdsa-p256, ecdsa-p384; of strongSwan's also rsa
	ppkA     string // none, or "required", "optional"
	ppkB     string
	charon   []string // further lines of strongswan.conf
	waits    bool     // strongSwan initiates
}

const swanPPK = "a post-quantum key of 32 bytes ok"

// authFile writes a file for vpngw.
func authFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// signerPEM makes a key of a kind, and its PKCS #8.
func signerPEM(t *testing.T, kind string) (crypto.Signer, string) {
	t.Helper()
	if kind == "rsa" {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		must(t, err)
		der, err := x509.MarshalPKCS8PrivateKey(k)
		must(t, err)
		return k, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	known, err := keys.ParseKind(kind)
	must(t, err)
	k, err := keys.GenerateKind(known, rand.Reader)
	must(t, err)
	return k.Signer(), string(k.MarshalPEM())
}

func publicPEM(t *testing.T, k crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// newAuthPair makes two sites that authenticate so, and starts their gateways.
func newAuthPair(t *testing.T, c swanAuth) *swanPair {
	t.Helper()
	if c.idA == "" {
		c.idA, c.idB = "gw-a.example", "gw-b.example"
	}
	dir, private := t.TempDir(), ""
	files := map[string]string{} // strongSwan's, by their names in its directory
	p := newSwanPair(t, swanOptions{waits: c.waits, stopped: true, edit: func(a *daemon.Config, b *swanConfig) {
		b.charon = c.charon
		tunnel := &a.Tunnels[0]
		a.ID, tunnel.PeerID = c.idA, c.idB
		if c.ppkA != "" {
			tunnel.PeerLines = append(tunnel.PeerLines, "ppk_file: "+authFile(t, dir, "ppk", swanPPK), "ppk_id: ppk-1", fmt.Sprintf("ppk_required: %v", c.ppkA == "required"))
		}
		if c.psk {
			return
		}
		tunnel.PSKFile = ""
		kindA := c.kind
		if kindA == "rsa" {
			kindA = "ecdsa-p256"
		}
		keyA, pemA := signerPEM(t, kindA)
		keyB, pemB := signerPEM(t, c.kind)
		private = pemB
		a.KeyFile = authFile(t, dir, "gw-a.key", pemA)
		if !c.certs {
			tunnel.PublicKey = publicLine(t, keyB)
			files["pubkey/"+swanLocalKey], files["pubkey/"+swanRemoteKey] = publicPEM(t, keyB), publicPEM(t, keyA)
			return
		}
		rootKey, _ := signerPEM(t, kindA)
		subKey, _ := signerPEM(t, kindA)
		root := testpki.Root(t, "root", rootKey)
		sub := root.Sub(t, "sub", subKey)
		a.Gateway = []string{"certificate_file: " + authFile(t, dir, "gw-a.pem", testpki.PEM(sub.Issue(t, commonName(c.idA), keyA.Public(), nil)...))}
		tunnel.PeerLines = append(tunnel.PeerLines, "ca_file: "+authFile(t, dir, "ca.pem", testpki.PEM(root.Cert.Raw)))
		files["x509/gw-b.pem"] = testpki.PEM(root.Issue(t, commonName(c.idB), keyB.Public(), nil)...)
		files["x509ca/ca.pem"] = testpki.PEM(root.Cert.Raw)
	}})
	if private != "" {
		files["private/key.pem"] = private
	}
	files["swanctl.conf"] = c.swanctl(p)
	for name, text := range files {
		must(t, os.MkdirAll(filepath.Dir(p.b.path(name)), 0o700))
		must(t, os.WriteFile(p.b.path(name), []byte(text), 0o600))
	}
	must(t, p.b.start(t.Context()))
	must(t, p.a.Start())
	return p
}

func publicLine(t *testing.T, k crypto.Signer) string {
	t.Helper()
	public, err := keys.ParsePublic(publicPEM(t, k))
	must(t, err)
	return public.String()
}

// commonName is the CN of a distinguished name, or the identity itself.
func commonName(id string) string {
	_, cn, found := strings.Cut(id, "CN=")
	if !found {
		return id
	}
	return cn
}

// swanctl is strongSwan's side.
func (c swanAuth) swanctl(p *swanPair) string {
	auth, local, remote, secrets := "pubkey", "pubkeys = "+swanLocalKey, "pubkeys = "+swanRemoteKey, ""
	switch {
	case c.psk:
		auth, local, remote = "psk", "", ""
		secrets = fmt.Sprintf("  ike-gw {\n    id-1 = %q\n    id-2 = %q\n    secret = %q\n  }\n", c.idB, c.idA, goodPSK)
	case c.certs:
		local, remote = "certs = gw-b.pem", "cacerts = ca.pem"
	}
	ppk := ""
	if c.ppkB != "" {
		ppk = fmt.Sprintf("ppk_id = ppk-1\n    ppk_required = %s", choose(c.ppkB == "required", "yes", "no"))
		secrets += fmt.Sprintf("  ppk-gw {\n    id-1 = ppk-1\n    secret = %q\n  }\n", swanPPK)
	}
	insideA, insideB := []netip.Prefix{p.A.Inside4, p.A.Inside6}, []netip.Prefix{p.B.Inside4, p.B.Inside6}
	return fmt.Sprintf(`connections {
  %s {
    version = 2
    local_addrs = %s
    remote_addrs = %s
    local_port = 4500
    remote_port = 4500
    proposals = aes256gcm16-prfsha256-x25519
    encap = yes
    mobike = no
    %s
    local {
      auth = %s
      id = %q
      %s
    }
    remote {
      auth = %s
      id = %q
      %s
    }
    children {
      %s {
        local_ts = %s
        remote_ts = %s
        esp_proposals = aes256gcm16-x25519
      }
    }
  }
}
secrets {
%s}
`, swanConnection, p.B.Outside4, p.A.Outside4, ppk, auth, c.idB, local, auth, c.idA, remote, swanChild, joined(insideB), joined(insideA), secrets)
}

// TestStrongSwanAuthentication authenticates in every way that both know, from each side.
func TestStrongSwanAuthentication(t *testing.T) {
	t.Parallel()
	rsaPSS := []string{"rsa_pss = yes"}
	for name, c := range map[string]swanAuth{
		"raw P-256":                {kind: "ecdsa-p256"},
		"raw P-384":                {kind: "ecdsa-p384"},
		"raw P-256 by RFC 4754":    {kind: "ecdsa-p256", charon: []string{"signature_authentication = no"}},
		"raw P-384 by RFC 4754":    {kind: "ecdsa-p384", charon: []string{"signature_authentication = no"}},
		"Ed25519 certificates":     {kind: "ed25519", certs: true},
		"P-256 certificates":       {kind: "ecdsa-p256", certs: true},
		"P-384 certificates":       {kind: "ecdsa-p384", certs: true},
		"RSA certificate of it":    {kind: "rsa", certs: true},
		"RSA certificate with PSS": {kind: "rsa", certs: true, charon: rsaPSS},
		"distinguished names":      {kind: "ecdsa-p256", certs: true, idA: "C=CH, O=Example, CN=gw-a", idB: "C=CH, O=Example, CN=gw-b"},
		"addresses in them":        {kind: "ed25519", certs: true, idA: "192.0.2.77", idB: "2001:db8::77"},
		"e-mail":                   {kind: "ed25519", certs: true, idA: "gw@a.example", idB: "gw@b.example"},
		"distinguished names, PSK": {psk: true, idA: "C=CH, O=Example, CN=gw-a", idB: "C=CH, O=Example, OU=x, CN=gw-b"},
		"key ids":                  {psk: true, idA: "keyid:gw-a", idB: "keyid:gw-b"},
		"PPK":                      {psk: true, ppkA: "required", ppkB: "required"},
		"PPK and certificates":     {kind: "ed25519", certs: true, ppkA: "required", ppkB: "required"},
		"PPK, optional":            {psk: true, ppkA: "optional", ppkB: "optional"},
		"PPK that it has not":      {psk: true, ppkA: "optional"},
		"PPK that we have not":     {psk: true, ppkB: "optional"},
	} {
		for _, waits := range []bool{false, true} {
			t.Run(name+", "+choose(waits, "strongSwan", "vpngw")+" initiates", func(t *testing.T) {
				t.Parallel()
				c.waits = waits
				p := newAuthPair(t, c)
				if waits {
					waitBound(t, p.a)
					must(t, p.b.initiate(t.Context()))
				}
				must(t, p.a.WaitUp(t.Context(), upTimeout))
				p.carries()
				if c.ppkA+c.ppkB == "" {
					p.settled()
					return
				}
				suite, both := "aes256gcm16-prfsha256-x25519", c.ppkA != "" && c.ppkB != ""
				switch {
				case both:
					suite += "-ppk"
				case c.ppkA != "":
					suite += "-without-ppk"
				}
				if got := p.tunnel().IKE.Suite; got != suite {
					t.Errorf("suite %s, want %s", got, suite)
				}
				theirs, err := p.b.swanctl(t.Context(), "--list-sas", "--raw")
				must(t, err)
				if strings.Contains(theirs, "ppk=yes") != both {
					t.Errorf("strongSwan has a PPK, or has none: %s", theirs)
				}
			})
		}
	}
}

// TestStrongSwanPPKRequired: no side comes up without a PPK that it requires.
func TestStrongSwanPPKRequired(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]swanAuth{
		"of vpngw": {psk: true, ppkA: "required"}, "of strongSwan": {psk: true, ppkB: "required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newAuthPair(t, c)
			must(t, p.a.WaitStatus(t.Context(), upTimeout, func(s daemon.Status) error {
				if why := s.Tunnels[0].Reason; !strings.Contains(fmt.Sprint(why), "PPK") && c.ppkA != "" || fmt.Sprint(why) == "" {
					return fmt.Errorf("the reason is %v", why)
				}
				return nil
			}))
			if status(t, p.a).Tunnels[0].Up() {
				t.Error("the tunnel is up")
			}
			if r := ping(t, lab.Ping{From: p.A.Host, To: p.B.Host4, Count: 3}); r.Received > 0 {
				t.Error("a ping went through")
			}
		})
	}
}

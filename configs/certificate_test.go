package configs

import (
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/keys"
	"vpngw/crypto/keys/testpki"
)

const certificateFile = `version: 1
gateway:
  id: C=CH, O=Example, CN=gw-a
  key_file: gw.key
  certificate_file: gw.pem
tunnels:
  b:
    peer: {id: gw-b.example, ca_file: ca.pem, ppk_file: c.psk, ppk_id: ppk-b, ppk_required: false}
    local_subnets: [10.1.0.0/16]
    remote_subnets: [10.2.0.0/16]
  c:
    peer: {id: "keyid:c", psk_file: c.psk, ppk_file: long.ppk, ppk_id: ppk-c}
    local_subnets: [10.1.0.0/16]
    remote_subnets: [10.3.0.0/16]
`

// loadCertificates loads certificateFile with a chain of two; change may alter our certificate.
func loadCertificates(t *testing.T, change func(*x509.Certificate)) *File {
	t.Helper()
	key := directory(t)
	root := testpki.Root(t, "root", key.Signer())
	other, err := keys.Generate(strings.NewReader(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	chain := root.Sub(t, "sub", other.Signer()).Issue(t, "gw-a", key.Signer().Public(), change)
	write(t, "gw.pem", testpki.PEM(chain...), 0o644)
	write(t, "ca.pem", testpki.PEM(root.Cert.Raw), 0o644)
	write(t, "long.ppk", strings.Repeat("p", 32), 0o600)
	write(t, "vpngw.yaml", certificateFile, 0o640)
	f, err := Load("vpngw.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLoadCertificates(t *testing.T) {
	f := loadCertificates(t, nil)
	if len(f.Gateway.Certificates) != 2 || f.Gateway.Certificates[0].Subject.CommonName != "gw-a" || f.Gateway.ID != "C=CH, O=Example, CN=gw-a" {
		t.Errorf("gateway: %v", f.Gateway.Certificates)
	}
	b, c := f.Tunnels[0].Peer, f.Tunnels[1].Peer
	if !b.HasCA || b.HasKey || b.HasPSK || len(b.CAs) != 1 || b.CAs[0].Subject.CommonName != "root" {
		t.Errorf("peer b: %d authorities", len(b.CAs))
	}
	if !b.HasPPK || b.PPKID != "ppk-b" || b.PPKRequired || string(b.PPK.Bytes()) != goodPSK {
		t.Errorf("PPK of b: %q, required %v", b.PPKID, b.PPKRequired)
	}
	if !c.HasPSK || c.HasCA || !c.HasPPK || !c.PPKRequired || c.ID != "keyid:c" {
		t.Errorf("peer c: %+v", c)
	}
}

// TestWarnings moves the clock past a certificate's life.
func TestWarnings(t *testing.T) {
	end := time.Date(2030, 6, 1, 12, 0, 0, 0, time.UTC)
	f := loadCertificates(t, func(c *x509.Certificate) { c.NotAfter = end })
	short := "tunnels.b.peer.ppk_file has 21 bytes: against a quantum computer, at least 32 are recommended"
	for _, tt := range []struct {
		now  time.Time
		says []string
	}{
		{end.AddDate(0, -2, 0), []string{short}},
		{end.AddDate(0, 0, -29), []string{"gateway.certificate_file: certificate number 1, of C=CH, O=Example, CN=gw-a, expires on 2030-06-01 12:00:00", short}},
		{end.Add(time.Second), []string{"gateway.certificate_file: certificate number 1, of C=CH, O=Example, CN=gw-a, expired on 2030-06-01 12:00:00", short}},
		{testpki.NotBefore.Add(-time.Hour), []string{
			"gateway.certificate_file: certificate number 1, of C=CH, O=Example, CN=gw-a, is not valid before 2020-01-01 00:00:00",
			"gateway.certificate_file: certificate number 2, of C=CH, O=Example, CN=sub, is not valid before 2020-01-01 00:00:00",
			"tunnels.b.peer.ca_file: authority, of C=CH, O=Example, CN=root, is not valid before 2020-01-01 00:00:00", short}},
	} {
		if got := strings.Join(f.Warnings(tt.now), "\n"); got != strings.Join(tt.says, "\n") {
			t.Errorf("at %v:\n%s\nwant\n%s", tt.now, got, strings.Join(tt.says, "\n"))
		}
	}
}

// TestExpiredCertificateLoads: the clock may be wrong, and other tunnels need no certificate.
func TestExpiredCertificateLoads(t *testing.T) {
	f := loadCertificates(t, func(c *x509.Certificate) { c.NotAfter = testpki.NotBefore.AddDate(1, 0, 0) })
	if w := f.Warnings(time.Now()); len(w) != 2 || !strings.Contains(w[0], "expired on 2021-01-01") {
		t.Errorf("%q", w)
	}
	if err := os.Remove("ca.pem"); err != nil {
		t.Fatal(err)
	}
	if _, err := Load("vpngw.yaml"); err == nil {
		t.Error("loads without the authority")
	}
}

// Package testpki makes authorities and certificates for tests.
package testpki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// Certificates are valid between these times unless their template says otherwise.
var (
	NotBefore = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	NotAfter  = time.Date(2080, 1, 1, 0, 0, 0, 0, time.UTC)
)

// CA is an authority.
type CA struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	Up   [][]byte // DER of this authority and those over it, without the root
}

// Root makes an authority that nobody stands over.
func Root(t testing.TB, name string, key crypto.Signer) *CA {
	t.Helper()
	template := authority(name)
	return &CA{Cert: parse(t, sign(t, template, template, key.Public(), key)), Key: key}
}

// Sub makes an authority under ca.
func (ca *CA) Sub(t testing.TB, name string, key crypto.Signer) *CA {
	t.Helper()
	der := sign(t, authority(name), ca.Cert, key.Public(), ca.Key)
	return &CA{Cert: parse(t, der), Key: key, Up: append([][]byte{der}, ca.Up...)}
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{Country: []string{"CH"}, Organization: []string{"Example"}, CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: NotBefore, NotAfter: NotAfter, KeyUsage: x509.KeyUsageCertSign,
	}
}

// Issue makes the certificate of a key for a gateway: an IP address, a domain name or an
// e-mail address in subjectAltName, and C=CH, O=Example, CN=name as the subject. change,
// if not nil, has the last word on the template. It returns the chain to send.
func (ca *CA) Issue(t testing.TB, name string, key crypto.PublicKey, change func(*x509.Certificate)) [][]byte {
	t.Helper()
	template := &x509.Certificate{
		Subject:   pkix.Name{Country: []string{"CH"}, Organization: []string{"Example"}, CommonName: name},
		NotBefore: NotBefore, NotAfter: NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	ip := net.ParseIP(name)
	switch {
	case ip != nil:
		template.IPAddresses = []net.IP{ip}
	case strings.Contains(name, "@"):
		template.EmailAddresses = []string{name}
	default:
		template.DNSNames = []string{name}
	}
	if change != nil {
		change(template)
	}
	return append([][]byte{sign(t, template, ca.Cert, key, ca.Key)}, ca.Up...)
}

// sign makes a certificate. Its serial number is of no matter here.
func sign(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) []byte {
	t.Helper()
	template.SerialNumber = big.NewInt(1)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// PEM writes certificates as files have them.
func PEM(chain ...[]byte) string {
	var b strings.Builder
	for _, der := range chain {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return b.String()
}

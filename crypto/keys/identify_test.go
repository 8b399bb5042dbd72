package keys

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
)

func pemOf(blockType string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der}))
}

func TestWrongKeys(t *testing.T) {
	must := func(der []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	xKey, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := testKey(t)
	public := k.Public()
	raw := public.Key().(ed25519.PublicKey)
	base64Of := base64.StdEncoding.EncodeToString
	urlKey := base64.URLEncoding.EncodeToString([]byte(strings.Repeat("\xfb\xff", 16)))

	// private, public: what the error of ParsePrivate and ParsePublic must say;
	// empty where it is the right kind.
	for _, c := range []struct{ name, data, private, public string }{
		{"nothing", "", "nothing", "nothing"},
		{"blank", " \n\n", "nothing", "nothing"},
		{"our private key", string(k.MarshalPEM()), "", "an Ed25519 private key"},
		{"our public key", string(public.MarshalPEM()), "an Ed25519 public key", ""},
		{"public line", public.String() + "\n", "32 bytes in base64, as public keys", ""},
		{"two lines", public.String() + "\n" + public.String(), "several lines", "several lines"},
		{"line cut in two", public.String()[:20] + "\n" + public.String()[20:], "several lines", "several lines"},
		{"two private keys", string(k.MarshalPEM()) + string(k.MarshalPEM()), "more than one PEM block", "an Ed25519 private key"},
		{"two public keys", string(public.MarshalPEM()) + string(public.MarshalPEM()), "an Ed25519 public key", "more than one PEM block"},
		{"short base64", base64Of(raw[:31]), "31 bytes in base64", "31 bytes in base64"},
		{"long base64", base64Of(append(raw[:32:32], 0)), "33 bytes in base64", "33 bytes in base64"},
		{"no padding", strings.TrimRight(public.String(), "="), "base64 without its padding", "base64 without its padding"},
		{"URL-safe", urlKey, "URL-safe base64", "URL-safe base64"},
		{"URL-safe, no padding", strings.TrimRight(urlKey, "="), "URL-safe base64 without", "URL-safe base64 without"},
		{"hex", hex.EncodeToString(raw[:]), "32 bytes in hexadecimal", "32 bytes in hexadecimal"},
		{"words", "not a key!", "neither PEM nor base64", "neither PEM nor base64"},
		{"RSA PKCS#8", pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(rsaKey))), "an RSA private key", "an RSA private key"},
		{"RSA PKCS#1", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), "an RSA private key", "an RSA private key"},
		{"RSA public", pemOf("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(rsaKey.Public()))), "an RSA public key", "an RSA public key"},
		{"ECDSA PKCS#8", pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(ecKey))), "an ECDSA private key on P-521", "an ECDSA private key"},
		{"ECDSA SEC 1", pemOf("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ecKey))), "SEC 1", "SEC 1"},
		{"ECDSA public", pemOf("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(ecKey.Public()))), "an ECDSA public key", "an ECDSA public key on P-521"},
		{"X25519", pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(xKey))), "an X25519 private key, which cannot sign", "an X25519 private key"},
		{"X25519 public", pemOf("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(xKey.Public()))), "an X25519 public key", "an X25519 public key, which cannot verify"},
		{"OpenSSH private", pemOf("OPENSSH PRIVATE KEY", []byte("openssh-key-v1\x00")), "looks like an OpenSSH private key", "looks like an OpenSSH private key"},
		{"OpenSSH public", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 a@b", "looks like an OpenSSH public key", "looks like an OpenSSH public key"},
		{"PuTTY", "PuTTY-User-Key-File-3: ssh-ed25519\n", "looks like a PuTTY key", "looks like a PuTTY key"},
		{"encrypted", pemOf("ENCRYPTED PRIVATE KEY", []byte{0x30}), "encrypted with a passphrase", "encrypted with a passphrase"},
		{"certificate", pemOf("CERTIFICATE", []byte{0x30}), "a certificate", "a certificate"},
		{"other PEM", pemOf("X509 CRL", []byte{0x30}), "a PEM block of another type", "a PEM block of another type"},
		{"damaged private", pemOf("PRIVATE KEY", []byte{0x30, 1}), "cannot be decoded", "a private key"},
		{"damaged public", pemOf("PUBLIC KEY", []byte{0x30, 1}), "a public key", "cannot be decoded"},
		{"cut off", string(k.MarshalPEM()[:60]), "cut off or damaged", "cut off or damaged"},
		{"DER private", string(must(x509.MarshalPKCS8PrivateKey(k.Signer()))), "binary DER", "binary DER"},
		{"DER public", string(must(x509.MarshalPKIXPublicKey(raw))), "binary DER", "binary DER"},
		{"DER RSA", string(x509.MarshalPKCS1PrivateKey(rsaKey)), "binary DER", "binary DER"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, privateErr := ParsePrivate([]byte(c.data))
			_, publicErr := ParsePublic(c.data)
			for _, r := range []struct {
				err         error
				found, need string
			}{{privateErr, c.private, "need an Ed25519, ECDSA P-256 or P-384 private key in PKCS#8 PEM"}, {publicErr, c.public, "need an Ed25519, ECDSA P-256 or P-384 public key"}} {
				if r.found == "" {
					if r.err != nil {
						t.Error(r.err)
					}
					continue
				}
				wantError(t, r.err, r.found, r.need)
				var format *FormatError
				if !errors.As(r.err, &format) {
					t.Errorf("%v is not a FormatError", r.err)
				}
			}
		})
	}
	path := writeFile(t, public.MarshalPEM(), 0o600)
	_, err = LoadPrivate(path)
	wantError(t, err, path, "found an Ed25519 public key, need an Ed25519, ECDSA")
}

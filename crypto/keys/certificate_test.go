package keys_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vpngw/crypto/keys"
	"vpngw/crypto/keys/testpki"
)

func rootOf(t testing.TB) (*testpki.CA, keys.PrivateKey) {
	t.Helper()
	k, err := keys.Generate(strings.NewReader(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return testpki.Root(t, "root", k.Signer()), k
}

func TestLoadCertificates(t *testing.T) {
	root, key := rootOf(t)
	chain := append(root.Issue(t, "gw", key.Signer().Public(), nil), root.Cert.Raw)
	path := filepath.Join(t.TempDir(), "gw.pem")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	write("Certificate: as openssl x509 -text has it\n"+testpki.PEM(chain...), 0o644)
	list, err := keys.LoadCertificates(path)
	if err != nil || len(list) != 2 || string(list[0].Raw) != string(chain[0]) || string(list[1].Raw) != string(chain[1]) {
		t.Errorf("%d certificates, %v", len(list), err)
	}
	for text, want := range map[string]string{
		"":                                 "found nothing",
		"hello":                            "neither PEM nor base64",
		string(key.MarshalPEM()):           "found an Ed25519 private key",
		testpki.PEM(chain[0][:50]):         "number 1) that cannot be decoded",
		testpki.PEM(chain[0], []byte("x")): "number 2) that cannot be decoded",
		strings.Repeat(testpki.PEM(chain[0]), 65):          "more than 64 certificates",
		testpki.PEM(chain[0]) + strings.Repeat("x", 1<<20): "more than 1048576 bytes",
	} {
		write(text, 0o644)
		if _, err := keys.LoadCertificates(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	for _, mode := range []os.FileMode{0o664, 0o646, 0o666} {
		write(testpki.PEM(chain...), mode)
		var writable *keys.WritableError
		if _, err := keys.LoadCertificates(path); !errors.As(err, &writable) || writable.Mode != mode {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if _, err := keys.LoadCertificates(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := keys.LoadCertificates(t.TempDir()); err == nil {
		t.Error("a directory holds certificates")
	}
}

func FuzzParseCertificates(f *testing.F) {
	root, _ := rootOf(f)
	f.Add([]byte(testpki.PEM(root.Cert.Raw)))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := keys.ParseCertificates(data)
		var format *keys.FormatError
		if err != nil && !errors.As(err, &format) || (err == nil) != (len(list) > 0) {
			t.Fatalf("%d certificates, %v", len(list), err)
		}
	})
}

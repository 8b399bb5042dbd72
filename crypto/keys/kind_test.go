package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
)

var allKinds = []Kind{Ed25519, ECDSAP256, ECDSAP384}

func TestKinds(t *testing.T) {
	for _, kind := range allKinds {
		if got, err := ParseKind(kind.String()); err != nil || got != kind {
			t.Errorf("%v is read as %v, %v", kind, got, err)
		}
		k, err := GenerateKind(kind, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if other, err := GenerateKind(kind, rand.Reader); err != nil || other.Equal(k) || !k.Equal(k) || k.Equal(PrivateKey{}) {
			t.Errorf("%v: two keys made are equal, or one is not itself (%v)", kind, err)
		}
		if k.Public().Kind() != kind {
			t.Errorf("%v made a key of kind %v", kind, k.Public().Kind())
		}
		if again, err := ParsePrivate(k.MarshalPEM()); err != nil || !again.Equal(k) {
			t.Errorf("%v: private key read back: %v", kind, err)
		}
		line := k.Public().String()
		for _, text := range []string{line, " " + line + "\n", string(k.Public().MarshalPEM())} {
			if p, err := ParsePublic(text); err != nil || p != k.Public() {
				t.Errorf("%v: public key %q read as %v, %v", kind, text, p, err)
			}
		}
		if strings.ContainsAny(line, "\n ") {
			t.Errorf("%v: %q is not one line", kind, line)
		}
		if _, err := GenerateKind(kind, bytes.NewReader(make([]byte, 20))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v of 20 random bytes: %v", kind, err)
		}
	}
	if _, err := GenerateKind(ECDSAP256, bytes.NewReader(make([]byte, 1000))); err == nil || !strings.Contains(err.Error(), "random source") {
		t.Errorf("a key of zeros: %v", err)
	}
	for _, bad := range []string{"", "none", "rsa", "ED25519", "unknown"} {
		if k, err := ParseKind(bad); err == nil {
			t.Errorf("%q is %v", bad, k)
		}
	}
	if (PublicKey{}).Kind() != 0 || (PublicKey{}).Key() != nil {
		t.Error("no key is one")
	}
}

// TestSPKILine: a line may be the SubjectPublicKeyInfo of an Ed25519 key too, and is the same key.
func TestSPKILine(t *testing.T) {
	k := testKey(t).Public()
	if p, err := ParsePublic(base64.StdEncoding.EncodeToString([]byte(k.spki))); err != nil || p != k {
		t.Errorf("%v, %v", p, err)
	}
}

// TestOpenSSLECDSA: openssl reads our ECDSA keys, we read its, and each verifies what the other signed.
func TestOpenSSLECDSA(t *testing.T) {
	for kind, curve := range map[Kind]string{ECDSAP256: "P-256", ECDSAP384: "P-384"} {
		made := openssl(t, nil, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+curve)
		theirs, err := ParsePrivate(made)
		if err != nil || theirs.Public().Kind() != kind {
			t.Fatalf("openssl's key on %s: %v, %v", curve, theirs.Public().Kind(), err)
		}
		ours, err := GenerateKind(kind, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		private, public := writeFile(t, ours.MarshalPEM(), 0o600), writeFile(t, ours.Public().MarshalPEM(), 0o644)
		if got := openssl(t, nil, "pkey", "-in", private, "-pubout"); !bytes.Equal(got, ours.Public().MarshalPEM()) {
			t.Errorf("openssl derives the public key\n%s", got)
		}
		message := writeFile(t, []byte("message"), 0o644)
		sum := sha256.Sum256([]byte("message"))
		signature := openssl(t, nil, "dgst", "-sha256", "-sign", private, message)
		if !ecdsa.VerifyASN1(ours.Public().Key().(*ecdsa.PublicKey), sum[:], signature) {
			t.Error("openssl's signature does not verify")
		}
		signed, err := ours.Signer().Sign(nil, sum[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		openssl(t, nil, "dgst", "-sha256", "-verify", public, "-signature", writeFile(t, signed, 0o644), message)
	}
}

func TestPPKFile(t *testing.T) {
	if ppk, err := LoadPPK(writeFile(t, []byte("0123456789abcdef\n"), 0o600)); err != nil || string(ppk.Bytes()) != "0123456789abcdef" {
		t.Errorf("%v", err)
	}
	_, err := LoadPPK(writeFile(t, []byte("short"), 0o600))
	wantError(t, err, "PPK", "under 128 bits")
	_, err = LoadPPK(writeFile(t, []byte("0123456789abcdef"), 0o640))
	var open *PermissionError
	if !errors.As(err, &open) {
		t.Errorf("a PPK that others read: %v", err)
	}
}

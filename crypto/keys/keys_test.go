package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// testKey returns the key of RFC 8032 §7.1, test 1.
func testKey(t testing.TB) PrivateKey {
	t.Helper()
	seed, err := hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	if err != nil {
		t.Fatal(err)
	}
	k, err := Generate(bytes.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// raw are the bytes of an Ed25519 key.
func raw(k PublicKey) ed25519.PublicKey { return k.Key().(ed25519.PublicKey) }

func TestGenerate(t *testing.T) {
	const want = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
	if got := hex.EncodeToString(raw(testKey(t).Public())); got != want {
		t.Errorf("public key %s, RFC 8032 has %s", got, want)
	}
	a, _ := Generate(rand.Reader)
	b, err := Generate(rand.Reader)
	if err != nil || a.Equal(b) || !a.Equal(a) {
		t.Errorf("two keys made: error %v, equal %v", err, a.Equal(b))
	}
	_, err = Generate(bytes.NewReader(make([]byte, 31)))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("31 random bytes: %v, want io.ErrUnexpectedEOF", err)
	}
}

// RFC 8410 §10.3 and §10.1 have a key pair as PEM.
func TestRFC8410(t *testing.T) {
	const private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n"
	const public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
	k, err := ParsePrivate([]byte(private))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(k.MarshalPEM()); got != private {
		t.Errorf("private key written as\n%s", got)
	}
	if got := string(k.Public().MarshalPEM()); got != public {
		t.Errorf("public key written as\n%s", got)
	}
	if p, err := ParsePublic(public); err != nil || p != k.Public() {
		t.Errorf("public key read as %v, %v", p, err)
	}
}

func TestLoadPrivate(t *testing.T) {
	want := testKey(t)
	path := filepath.Join(t.TempDir(), "gw.key")
	if err := WriteSecret(path, want.MarshalPEM()); err != nil {
		t.Fatal(err)
	}
	got, err := LoadPrivate(path)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(want) || got.Public() != want.Public() {
		t.Error("read another key than was written")
	}
	signature := ed25519.Sign(got.Signer().(ed25519.PrivateKey), []byte("message"))
	if !ed25519.Verify(raw(want.Public()), []byte("message"), signature) {
		t.Error("a signature of the key read does not verify")
	}
}

func TestZeroKeys(t *testing.T) {
	var k PrivateKey
	if !k.IsZero() || k.Signer() != nil || !k.Public().IsZero() || k.MarshalPEM() != nil || !k.Equal(PrivateKey{}) || k.Equal(testKey(t)) {
		t.Error("the zero PrivateKey acts as a key")
	}
	if !(PSK{}).IsZero() || testKey(t).IsZero() || testKey(t).Public().IsZero() {
		t.Error("IsZero")
	}
}

func TestPublicText(t *testing.T) {
	want := testKey(t).Public()
	line := want.String()
	if len(line) != 44 || line != base64.StdEncoding.EncodeToString(raw(want)) {
		t.Fatalf("String gives %s", line)
	}
	for _, s := range []string{line, line + "\n", "  " + line + "\r\n", string(want.MarshalPEM()), "\n" + string(want.MarshalPEM()) + "\n"} {
		if got, err := ParsePublic(s); err != nil || got != want {
			t.Errorf("ParsePublic(%q) = %v, %v", s, got, err)
		}
	}
	var fromJSON struct{ Key PublicKey }
	encoded, err := json.Marshal(struct{ Key PublicKey }{want})
	if err != nil || string(encoded) != `{"Key":"`+line+`"}` {
		t.Errorf("JSON %s, %v", encoded, err)
	}
	if err := json.Unmarshal(encoded, &fromJSON); err != nil || fromJSON.Key != want {
		t.Errorf("from JSON: %v, %v", fromJSON.Key, err)
	}
	wantError(t, json.Unmarshal([]byte(`{"Key":"oops"}`), &fromJSON), "public key: found")
}

// For a point of order 8 or less, a signature made of the identity and the
// scalar 0 verifies for every eighth message or more. That must be so for each
// entry of the table.
func TestSmallOrder(t *testing.T) {
	forged := make([]byte, ed25519.SignatureSize)
	forged[0] = 1
	for _, y := range smallOrderY {
		for _, sign := range []byte{0, 0x80} {
			k := y
			k[31] |= sign
			_, err := ParsePublic(base64.StdEncoding.EncodeToString(k[:]))
			wantError(t, err, "small order")
			verifies := false
			for i := range 200 {
				verifies = verifies || ed25519.Verify(k[:], []byte{byte(i)}, forged)
			}
			if !verifies {
				t.Errorf("%x is not of small order", k[:])
			}
		}
	}
	if smallOrder([32]byte(raw(testKey(t).Public()))) {
		t.Error("an ordinary key is taken for one of small order")
	}
}

func TestPSK(t *testing.T) {
	load := func(content string) (PSK, error) { return LoadPSK(writeFile(t, []byte(content), 0o600)) }
	for content, want := range map[string]string{
		"0123456789abcdef":        "0123456789abcdef",
		"0123456789abcdef\n":      "0123456789abcdef",
		"0123456789abcdef\n\n":    "0123456789abcdef\n",
		"0123456789abcdef\r\n":    "0123456789abcdef\r",
		" 0123456789abcdef \n":    " 0123456789abcdef ",
		"\n0123456789\x00bcdef\n": "\n0123456789\x00bcdef",
	} {
		if psk, err := load(content); err != nil || string(psk.Bytes()) != want || psk.IsZero() {
			t.Errorf("%q read as %q, %v", content, psk.Bytes(), err)
		}
	}
	for _, content := range []string{"", "\n", "0123456789abcde", "0123456789abcde\n"} {
		_, err := load(content)
		wantError(t, err, "under 128 bits", "vpngw genpsk")
		if content != "" && content != "\n" && strings.Contains(err.Error(), strings.TrimSpace(content)) {
			t.Errorf("the error shows the PSK: %v", err)
		}
	}
}

func TestGeneratePSK(t *testing.T) {
	text, err := GeneratePSK(bytes.NewReader(bytes.Repeat([]byte{0xfb}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := base64.StdEncoding.DecodeString(text); err != nil || !bytes.Equal(b, bytes.Repeat([]byte{0xfb}, 32)) {
		t.Errorf("made %q", text)
	}
	path := filepath.Join(t.TempDir(), "psk")
	if err := WriteSecret(path, []byte(text+"\n")); err != nil {
		t.Fatal(err)
	}
	if psk, err := LoadPSK(path); err != nil || string(psk.Bytes()) != text {
		t.Errorf("read back: %v", err)
	}
	if _, err := GeneratePSK(bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("no random bytes: %v, want io.EOF", err)
	}
}

func openssl(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, stderr.String())
	}
	return output
}

func TestOpenSSL(t *testing.T) {
	k := testKey(t)
	private := writeFile(t, k.MarshalPEM(), 0o600)
	public := writeFile(t, k.Public().MarshalPEM(), 0o644)

	if got := openssl(t, nil, "pkey", "-in", private, "-pubout"); !bytes.Equal(got, k.Public().MarshalPEM()) {
		t.Errorf("openssl derives the public key\n%s", got)
	}
	// Each verifies what the other signed.
	message := writeFile(t, []byte("message"), 0o644)
	signature := openssl(t, nil, "pkeyutl", "-sign", "-inkey", private, "-rawin", "-in", message)
	if !ed25519.Verify(raw(k.Public()), []byte("message"), signature) {
		t.Error("openssl's signature does not verify")
	}
	ours := writeFile(t, ed25519.Sign(k.Signer().(ed25519.PrivateKey), []byte("message")), 0o644)
	openssl(t, nil, "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", message, "-sigfile", ours)

	made := openssl(t, nil, "genpkey", "-algorithm", "ed25519")
	theirs, err := LoadPrivate(writeFile(t, made, 0o600))
	if err != nil {
		t.Fatalf("openssl's key: %v", err)
	}
	p, err := ParsePublic(string(openssl(t, made, "pkey", "-pubout")))
	if err != nil || p != theirs.Public() {
		t.Errorf("openssl's public key read as %v, %v", p, err)
	}
}

func FuzzParsePublic(f *testing.F) {
	k := testKey(f)
	f.Add(k.Public().String())
	f.Add(string(k.Public().MarshalPEM()))
	f.Add(string(k.MarshalPEM()))
	for _, kind := range []Kind{ECDSAP256, ECDSAP384} {
		k, err := GenerateKind(kind, rand.Reader)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(k.Public().String())
	}
	f.Add("ssh-ed25519 AAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePublic(s)
		var format *FormatError
		if err != nil {
			if !errors.As(err, &format) || !p.IsZero() {
				t.Fatalf("key %v, error %v", p, err)
			}
			return
		}
		if again, err := ParsePublic(p.String()); err != nil || again != p {
			t.Fatalf("%v read back as %v, %v", p, again, err)
		}
	})
}

func FuzzParsePrivate(f *testing.F) {
	k := testKey(f)
	f.Add(k.MarshalPEM())
	f.Add(k.Public().MarshalPEM())
	der, err := x509.MarshalPKCS8PrivateKey(k.Signer())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParsePrivate(data)
		var format *FormatError
		if err != nil {
			if !errors.As(err, &format) || !k.IsZero() {
				t.Fatalf("error %v", err)
			}
			return
		}
		if again, err := ParsePrivate(k.MarshalPEM()); err != nil || !again.Equal(k) {
			t.Fatalf("read back differs: %v", err)
		}
	})
}

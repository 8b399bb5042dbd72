package configs

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vpngw/crypto/keys"
	"vpngw/crypto/keys/testpki"
)

// examples lists the example files.
func examples(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(names) < 4 {
		t.Fatalf("%v %v", names, err)
	}
	return names
}

var (
	secretNames = regexp.MustCompile(`(\w+)_file: (\S+)`)
	gatewayID   = regexp.MustCompile(`(?m)^gateway:.*\n  id: (\S+)`)
)

// TestExamples loads every example beside keys made for it.
func TestExamples(t *testing.T) {
	for _, name := range examples(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		directory := t.TempDir()
		key, err := keys.Generate(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		root := testpki.Root(t, "root", key.Signer())
		for _, match := range secretNames.FindAllStringSubmatch(string(data), -1) {
			text := goodPSK
			switch match[1] {
			case "key":
				text = string(key.MarshalPEM())
			case "certificate":
				text = testpki.PEM(root.Issue(t, gatewayID.FindStringSubmatch(string(data))[1], key.Signer().Public(), nil)...)
			case "ca":
				text = testpki.PEM(root.Cert.Raw)
			}
			write(t, filepath.Join(directory, match[2]), text, 0o600)
		}
		copied := filepath.Join(directory, filepath.Base(name))
		write(t, copied, string(data), 0o640)
		f, err := Load(copied)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if !strings.HasPrefix(string(data), "# ") {
			t.Errorf("%s does not say what it is", name)
		}
		if f.Gateway.ID == "" || len(f.Tunnels) != len(regexp.MustCompile(`(?m)^    peer:`).FindAllString(string(data), -1)) {
			t.Errorf("%s: %d tunnels", name, len(f.Tunnels))
		}
	}
}

// TestStrongSwanExample wants the two files of the strongSwan example to be each other's counterpart.
func TestStrongSwanExample(t *testing.T) {
	ours, err := os.ReadFile("examples/strongswan-peer.yaml")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile("examples/strongswan-peer.swanctl.conf")
	if err != nil {
		t.Fatal(err)
	}
	value := func(text []byte, pattern string) string {
		m := regexp.MustCompile(pattern).FindSubmatch(text)
		if m == nil {
			t.Fatalf("nothing matches %s", pattern)
		}
		return string(m[1])
	}
	for _, pair := range [][2]string{
		{`gateway:\n  id: (\S+)`, `remote \{[^}]*id = (\S+)`},
		{`      id: (\S+)`, `local \{[^}]*id = (\S+)`},
		{`      address: (\S+)`, `local_addrs = (\S+)`},
		{`local_subnets: \[(\S+)\]`, `remote_ts = (\S+)`},
		{`remote_subnets: \[(\S+)\]`, `local_ts = (\S+)`},
		{`ciphers: \[(\S+)\]`, `esp_proposals = (\w+)16-`},
		{`groups: \[(\S+)\]`, `esp_proposals = \w+-(\S+)`},
	} {
		if a, b := value(ours, pair[0]), value(theirs, pair[1]); a != b {
			t.Errorf("%s is %s here and %s there", pair[0], a, b)
		}
	}
}

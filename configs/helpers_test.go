package configs

import (
	"crypto/rand"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vpngw/crypto/keys"
)

var update = flag.Bool("update", false, "write the golden files anew")

// good is a file without mistakes. The tests of mistakes change some of its lines.
const good = `version: 1
gateway:
  id: gw-a.example
  key_file: gw.key
  port: 4500
  interface: vpn0
  addresses: [10.99.0.1/24]
  mtu: 0
  uplink: {rate: 950Mbit}
  control_socket: /run/vpngw/a.sock
  offload: {tso: true}
  fairness: {memory: 32MiB}
defaults:
  dpd: {interval: 10s}
tunnels:
  branch-b:
    peer:
      address: 192.0.2.2
      id: gw-b.example
      public_key: 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
    local_subnets: [10.1.0.0/16]
    remote_subnets: [10.2.0.0/16]
    weight: 1
    rate: 100Mbit
    crypto: {ciphers: [aes256gcm], esn: true}
    rekey: {time: 1h}
  branch-c:
    peer:
      id: gw-c.example
      psk_file: c.psk
    local_subnets: [10.1.0.0/16]
    remote_subnets:
      - 10.3.0.0/16
      - 2001:db8:3::/48
`

const goodPSK = "sixteen bytes or more"

// directory makes a directory with gw.key and c.psk, makes it the working directory, and gives the key.
func directory(t *testing.T) keys.PrivateKey {
	t.Helper()
	t.Chdir(t.TempDir())
	key, err := keys.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	write(t, "gw.key", string(key.MarshalPEM()), 0o600)
	write(t, "c.psk", goodPSK+"\n", 0o600)
	return key
}

// write makes a file with just these permissions.
func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

// problemsOf loads text as the file vpngw.yaml and gives its mistakes.
func problemsOf(t *testing.T, text string) Problems {
	t.Helper()
	write(t, "vpngw.yaml", text, 0o640)
	file, err := Load("vpngw.yaml")
	if err == nil {
		return nil
	}
	if file != nil {
		t.Error("both a file and an error")
	}
	return err.(Problems)
}

// with changes one line of good; a change that changes nothing is a mistake of the test.
func with(t *testing.T, pairs ...string) string {
	t.Helper()
	text := good
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.Count(text, pairs[i]) < 1 {
			t.Fatalf("%q is not in the good file", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

package configs

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vpngw/crypto/keys"
	"vpngw/crypto/keys/testpki"
)

// mistakes are changes of the good file, pairs of old and new text; testdata/mistakes.golden has what comes of each.
var mistakes = []struct {
	name  string
	edits []string
}{
	{"unknown key", []string{"      address:", "      adress:"}},
	{"unknown key swapped letters", []string{"weight: 1", "wieght: 1"}},
	{"unknown key in the wrong place", []string{"    weight: 1", "    mtu: 1400"}},
	{"unknown key like none", []string{"  dpd: {interval: 10s}", "  lifetime: 3"}},
	{"misspelt required key is one mistake", []string{"    local_subnets: [10.1.0.0/16]\n    remote_subnets: [", "    local_subnet: [10.1.0.0/16]\n    remote_subnets: ["}},
	{"misspelt public key is one mistake", []string{"public_key:", "publickey:"}},
	{"key twice", []string{"  port: 4500", "  port: 4500\n  id: gw-x.example"}},
	{"tunnel twice", []string{"  branch-c:", "  branch-b:"}},
	{"odd key", []string{"weight: 1", "\"we\\eight\": 1"}},
	{"version", []string{"version: 1", "version: 2"}},
	{"version as text", []string{"version: 1", "version: \"1\""}},
	{"version missing", []string{"version: 1\n", ""}},
	{"gateway missing", []string{good[strings.Index(good, "gateway:"):strings.Index(good, "defaults:")], "", "public_key: 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "psk_file: c.psk"}},
	{"id missing", []string{"  id: gw-a.example\n", ""}},
	{"peer missing", []string{"    peer:\n      id: gw-c.example\n      psk_file: c.psk\n", ""}},
	{"subnets missing", []string{"    remote_subnets: [10.2.0.0/16]\n", ""}},
	{"no tunnels", []string{good[strings.Index(good, "tunnels:"):], "tunnels:\n"}},
	{"no tunnels either", []string{good[strings.Index(good, "tunnels:"):], "tunnels: {}\n"}},
	{"tunnels as list", []string{good[strings.Index(good, "tunnels:"):], "tunnels:\n  - name: b\n"}},
	{"tunnel name", []string{"  branch-b:", "  Branch_B:"}},
	{"tunnel name with a path", []string{"  branch-b:", "  ../b:"}},
	{"tunnel name too long", []string{"branch-b:", strings.Repeat("b", 64) + ":"}},

	{"mapping wanted", []string{"uplink: {rate: 950Mbit}", "uplink: 950Mbit"}},
	{"scalar wanted", []string{"weight: 1", "weight: {of: 1}"}},
	{"scalar not list", []string{"port: 4500", "port: [4500]"}},
	{"list wanted", []string{"remote_subnets: [10.2.0.0/16]", "remote_subnets: 10.2.0.0/16"}},
	{"list with no value", []string{"remote_subnets: [10.2.0.0/16]", "remote_subnets:"}},
	{"list empty", []string{"remote_subnets: [10.2.0.0/16]", "remote_subnets: []"}},
	{"list item twice", []string{"remote_subnets: [10.2.0.0/16]", "remote_subnets: [10.2.0.0/16, 10.2.0.0/16]"}},
	{"list too long", []string{"[aes256gcm]", "[aes256gcm, chacha20poly1305, aes128gcm, aes256gcm]"}},
	{"no value", []string{"port: 4500", "port:"}},
	{"null", []string{"port: 4500", "port: ~"}},
	{"boolean yes", []string{"esn: true", "esn: yes"}},
	{"boolean in quotes", []string{"esn: true", "esn: \"false\""}},
	{"boolean number", []string{"esn: true", "esn: 2"}},
	{"text is a boolean", []string{"id: gw-b.example", "id: true"}},
	{"number in quotes", []string{"weight: 1", "weight: '1'"}},
	{"number with a leading zero", []string{"port: 4500", "port: 04500"}},
	{"number in hexadecimal", []string{"port: 4500", "port: 0x1194"}},
	{"number with a fraction", []string{"weight: 1", "weight: 1.5"}},
	{"number negative", []string{"weight: 1", "weight: -1"}},
	{"number enormous", []string{"weight: 1", "weight: 123456789012345678901234567890"}},
	{"weight 0", []string{"weight: 1", "weight: 0"}},
	{"port 0", []string{"port: 4500", "port: 0"}},
	{"port too large", []string{"port: 4500", "port: 65536"}},
	{"mtu", []string{"mtu: 0", "mtu: 100"}},
	{"mtu too little for IPv6", []string{"mtu: 0", "mtu: 1279"}},
	{"mtu too little for an IPv6 address", []string{"mtu: 0", "mtu: 1000", "[10.99.0.1/24]", "[10.99.0.1/24, \"fd00::1/64\"]", "\n      - 2001:db8:3::/48", ""}},

	{"rate without unit", []string{"rate: 100Mbit", "rate: 100000000"}},
	{"rate in another case", []string{"rate: 100Mbit", "rate: 100mbit"}},
	{"rate as others write it", []string{"rate: 100Mbit", "rate: 100 Mbps"}},
	{"rate in bytes", []string{"rate: 100Mbit", "rate: 100MiB"}},
	{"rate not whole", []string{"rate: 100Mbit", "rate: 8000.5bit"}},
	{"rate two dots", []string{"rate: 100Mbit", "rate: 1.2.3Mbit"}},
	{"rate no number", []string{"rate: 100Mbit", "rate: fast"}},
	{"rate too low", []string{"rate: 100Mbit", "rate: 1kbit"}},
	{"rate too high", []string{"rate: 100Mbit", "rate: 99999999999Gbit"}},
	{"rate beyond 64 bits", []string{"rate: 100Mbit", "rate: 999999999999999999Gbit"}},
	{"rate too many digits", []string{"rate: 100Mbit", "rate: 1.0000000000000000000000000Gbit"}},
	{"size unit", []string{"memory: 32MiB", "memory: 32M"}},
	{"size out of range", []string{"memory: 32MiB", "memory: 32kB"}},
	{"tunnel_memory above memory", []string{"memory: 32MiB", "memory: 2MiB, tunnel_memory: 4MiB"}},
	{"tunnel_memory above the default of memory", []string{"memory: 32MiB", "tunnel_memory: 128MiB"}},
	{"queue in the buffers", []string{"fairness: {memory: 32MiB}", "buffers: {queue: 32MiB, tunnel_queue: 4MiB}"}},
	{"queue unknown", []string{"{memory: 32MiB}", "{queue: fq_codel}"}},
	{"queue as others write it", []string{"{memory: 32MiB}", "{queue: pfifo}"}},
	{"ecn as a word", []string{"{memory: 32MiB}", "{ecn: off}"}},
	{"target too short", []string{"{memory: 32MiB}", "{target: 0s}"}},
	{"target in microseconds", []string{"{memory: 32MiB}", "{target: 5000us}"}},
	{"overhead too large", []string{"{rate: 950Mbit}", "{rate: 950Mbit, overhead: 257}"}},
	{"overhead negative", []string{"{rate: 950Mbit}", "{overhead: -4}"}},
	{"overhead with a unit", []string{"{rate: 950Mbit}", "{overhead: 14B}"}},
	{"uplinks for uplink", []string{"uplink: {rate: 950Mbit}", "uplinks: {rate: 950Mbit}"}},
	{"uplinks for uplinks of one", []string{"uplink: {rate: 950Mbit}", "uplink: {eth1: {rate: 100Mbit}}"}},
	{"uplinks empty", []string{"uplink: {rate: 950Mbit}", "uplinks: {}"}},
	{"uplinks as list", []string{"uplink: {rate: 950Mbit}", "uplinks: [eth0]"}},
	{"uplink name", []string{"uplink: {rate: 950Mbit}", "uplinks: {eth/1: {rate: 100Mbit}}"}},
	{"uplink twice", []string{"uplink: {rate: 950Mbit}", "uplinks: {eth1: {rate: 1Mbit}, eth1: {rate: 2Mbit}}"}},
	{"uplink key", []string{"uplink: {rate: 950Mbit}", "uplinks: {eth1: {speed: 1Mbit}}"}},
	{"uplink is the TUN device", []string{"uplink: {rate: 950Mbit}", "uplinks: {vpn0: {rate: 100Mbit}}"}},
	{"dscp at the gateway", []string{"uplink: {rate: 950Mbit}", "dscp: copy"}},
	{"dscp unknown", []string{"weight: 1", "dscp: keep"}},
	{"duration without unit", []string{"time: 1h", "time: 3600"}},
	{"duration negative", []string{"time: 1h", "time: -1h"}},
	{"duration in days", []string{"time: 1h", "time: 1d"}},
	{"duration too short", []string{"time: 1h", "time: 1s"}},
	{"dpd in the defaults", []string{"{interval: 10s}", "{interval: 30s}"}},
	{"dpd over the defaults", []string{"rekey: {time: 1h}", "dpd: {timeout: 10s}"}},

	{"host bits", []string{"[10.2.0.0/16]", "[10.2.3.4/16]"}},
	{"host bits IPv6", []string{"2001:db8:3::/48", "2001:db8:3::1/48"}},
	{"prefix length missing", []string{"[10.2.0.0/16]", "[10.2.0.1]"}},
	{"prefix length too large", []string{"[10.2.0.0/16]", "[10.2.0.0/33]"}},
	{"prefix length no number", []string{"[10.2.0.0/16]", "[10.2.0.0/255.255.0.0]"}},
	{"prefix no address", []string{"[10.2.0.0/16]", "[10.2.0.300/16]"}},
	{"prefix IPv4 as IPv6", []string{"[10.2.0.0/16]", "[\"::ffff:10.2.0.0/112\"]"}},
	{"prefix multicast", []string{"[10.2.0.0/16]", "[224.0.0.0/8]"}},
	{"interface address", []string{"[10.99.0.1/24]", "[10.99.0.1]"}},
	{"interface address unspecified", []string{"[10.99.0.1/24]", "[0.0.0.0/0]"}},

	{"address IPv4", []string{"address: 192.0.2.2", "address: 192.0.2.256"}},
	{"address IPv6 unbracketed", []string{"address: 192.0.2.2", "address: 2001:db8::2:g"}},
	{"address brackets", []string{"address: 192.0.2.2", "address: \"[2001:db8::2\""}},
	{"address IPv4 in brackets", []string{"address: 192.0.2.2", "address: \"[192.0.2.2]:4500\""}},
	{"address port", []string{"address: 192.0.2.2", "address: 192.0.2.2:65536"}},
	{"address port 0", []string{"address: 192.0.2.2", "address: gw-b.example:0"}},
	{"address port empty", []string{"address: 192.0.2.2", "address: \"192.0.2.2:\""}},
	{"address scheme", []string{"address: 192.0.2.2", "address: udp://192.0.2.2"}},
	{"address prefix", []string{"address: 192.0.2.2", "address: 192.0.2.0/24"}},
	{"address name", []string{"address: 192.0.2.2", "address: gw b.example"}},
	{"address unspecified", []string{"address: 192.0.2.2", "address: 0.0.0.0"}},
	{"address in own remote subnet", []string{"address: 192.0.2.2", "address: 10.2.0.2"}},

	{"id empty", []string{"id: gw-b.example", "id: \"\""}},
	{"id distinguished name, unknown attribute", []string{"id: gw-b.example", "id: C=CH, XN=gw-b"}},
	{"id distinguished name, no value", []string{"id: gw-b.example", "id: C=CH, CN="}},
	{"id distinguished name, quotes", []string{"id: gw-b.example", "id: 'C=CH, CN=\"gw-b\"'"}},
	{"id key id empty", []string{"id: gw-b.example", "id: 'keyid:'"}},
	{"id of two tunnels, distinguished name", []string{"id: gw-b.example", "id: C=CH, CN=gw-b", "id: gw-c.example", "id: c=ch,cn=GW-B"}},
	{"id with at", []string{"id: gw-b.example", "id: \"@gw-b.example\""}},
	{"id address", []string{"id: gw-b.example", "id: 192.0.2.300"}},
	{"id wildcard", []string{"id: gw-b.example", "id: \"*\""}},
	{"id too long", []string{"id: gw-b.example", "id: " + strings.Repeat("x", 256)}},
	{"id our own", []string{"id: gw-b.example", "id: gw-a.example"}},
	{"id of two tunnels", []string{"id: gw-c.example", "id: gw-b.example"}},
	{"id of two tunnels, address", []string{"id: gw-b.example", "id: 2001:db8::1", "id: gw-c.example", "id: 2001:db8:0::1"}},

	{"interface too long", []string{"interface: vpn0", "interface: vpn-to-the-branch"}},
	{"interface slash", []string{"interface: vpn0", "interface: vpn/0"}},
	{"interface pattern", []string{"interface: vpn0", "interface: vpn%d"}},
	{"interface dot", []string{"interface: vpn0", "interface: \"..\""}},
	{"control socket relative", []string{"/run/vpngw/a.sock", "a.sock"}},
	{"control socket too long", []string{"/run/vpngw/a.sock", "/" + strings.Repeat("x", 107)}},
	{"cipher", []string{"[aes256gcm]", "[aes-256-gcm]"}},
	{"cipher of strongSwan", []string{"[aes256gcm]", "[aes128gcm16]"}},
	{"cipher unknown", []string{"[aes256gcm]", "[3des]"}},

	{"neither key nor PSK", []string{"      psk_file: c.psk\n", ""}},
	{"both key and PSK", []string{"      id: gw-b.example", "      id: gw-b.example\n      psk_file: c.psk"}},
	{"public key", []string{"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "11qYAYKxCrfVS"}},
	{"public key of ssh", []string{"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA b@gw"}},
	{"public key in lines", []string{"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "|\n        a\n        b"}},
	{"public key that anybody has", []string{"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", strings.Repeat("A", 43) + "="}},
	{"key file not named", []string{"  key_file: gw.key\n", ""}},
	{"key file misspelt", []string{"  key_file: gw.key", "  keyfile: gw.key"}},
	{"key file missing", []string{"key_file: gw.key", "key_file: other.key"}},
	{"key file of another kind", []string{"key_file: gw.key", "key_file: c.psk"}},
	{"key file a directory", []string{"key_file: gw.key", "key_file: ."}},
	{"key file empty name", []string{"key_file: gw.key", "key_file: ''"}},
	{"key file open", []string{"key_file: gw.key", "key_file: open.key"}},
	{"PSK file missing", []string{"psk_file: c.psk", "psk_file: keys/c.psk"}},
	{"PSK file open", []string{"psk_file: c.psk", "psk_file: open.psk"}},
	{"PSK too short", []string{"psk_file: c.psk", "psk_file: short.psk"}},

	{"all three kinds", []string{"psk_file: c.psk", "psk_file: c.psk\n      ca_file: ca.pem", "  key_file: gw.key", "  key_file: gw.key\n  certificate_file: gw.pem"}},
	{"CA and no certificate", []string{"psk_file: c.psk", "ca_file: ca.pem"}},
	{"CA and key id", []string{"psk_file: c.psk", "ca_file: ca.pem", "id: gw-c.example", "id: keyid:c", "  key_file: gw.key", "  key_file: gw.key\n  certificate_file: gw.pem"}},
	{"CA misspelt", []string{"psk_file: c.psk", "ca_fil: ca.pem"}},
	{"CA file missing", []string{"psk_file: c.psk", "ca_file: none.pem", "  key_file: gw.key", "  key_file: gw.key\n  certificate_file: gw.pem"}},
	{"CA file of another kind", []string{"psk_file: c.psk", "ca_file: gw.key", "  key_file: gw.key", "  key_file: gw.key\n  certificate_file: gw.pem"}},
	{"CA file that others write", []string{"psk_file: c.psk", "ca_file: open.pem", "  key_file: gw.key", "  key_file: gw.key\n  certificate_file: gw.pem"}},
	{"CA that is none", []string{"psk_file: c.psk", "ca_file: gw.pem", "  key_file: gw.key", "  key_file: gw.key\n  certificate_file: gw.pem"}},
	{"certificate without key", []string{"  key_file: gw.key\n", "  certificate_file: gw.pem\n", "public_key: 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "psk_file: c.psk"}},
	{"certificate of another key", []string{"  key_file: gw.key", "  key_file: gw.key\n  certificate_file: other.pem"}},
	{"certificate of another gateway", []string{"  id: gw-a.example", "  id: gw-x.example", "  key_file: gw.key", "  key_file: gw.key\n  certificate_file: gw.pem"}},
	{"certificate of another subject", []string{"  id: gw-a.example", "  id: C=CH, CN=x", "  key_file: gw.key", "  key_file: gw.key\n  certificate_file: gw.pem"}},
	{"certificate that may not sign", []string{"  key_file: gw.key", "  key_file: gw.key\n  certificate_file: usage.pem"}},
	{"certificates out of order", []string{"  key_file: gw.key", "  key_file: gw.key\n  certificate_file: order.pem"}},
	{"certificates too many", []string{"  key_file: gw.key", "  key_file: gw.key\n  certificate_file: many.pem"}},
	{"certificate damaged", []string{"  key_file: gw.key", "  key_file: gw.key\n  certificate_file: damaged.pem"}},

	{"PPK without id", []string{"psk_file: c.psk", "psk_file: c.psk\n      ppk_file: c.ppk"}},
	{"PPK id without file", []string{"psk_file: c.psk", "psk_file: c.psk\n      ppk_id: ppk-c"}},
	{"PPK required without file", []string{"psk_file: c.psk", "psk_file: c.psk\n      ppk_required: true"}},
	{"PPK id with a space", []string{"psk_file: c.psk", "psk_file: c.psk\n      ppk_file: c.ppk\n      ppk_id: ppk c"}},
	{"PPK file missing", []string{"psk_file: c.psk", "psk_file: c.psk\n      ppk_file: none.ppk\n      ppk_id: c"}},
	{"PPK file open", []string{"psk_file: c.psk", "psk_file: c.psk\n      ppk_file: open.psk\n      ppk_id: c"}},
	{"PPK too short", []string{"psk_file: c.psk", "psk_file: c.psk\n      ppk_file: short.psk\n      ppk_id: c"}},

	{"remote subnets equal", []string{"10.3.0.0/16", "10.2.0.0/16"}},
	{"remote subnets nested", []string{"10.3.0.0/16", "10.2.128.0/17"}},
	{"remote subnets nested the other way", []string{"10.3.0.0/16", "10.0.0.0/8", "local_subnets: [10.1.0.0/16]", "local_subnets: [172.16.0.0/12]", "local_subnets: [10.1.0.0/16]", "local_subnets: [172.16.0.0/12]"}},
	{"local and remote", []string{"[10.2.0.0/16]", "[10.1.2.0/24]"}},

	{"anchor and alias", []string{"[10.1.0.0/16]", "&lan [10.1.0.0/16]", "local_subnets: [10.1.0.0/16]", "local_subnets: *lan"}},
	{"merge key", []string{"    weight: 1", "    <<: {weight: 1}"}},
	{"tag", []string{"weight: 1", "weight: !!int 1"}},
	{"key that is a list", []string{"weight: 1", "? [weight]\n    : 1"}},
	{"two documents", []string{"defaults:", "---\ndefaults:"}},

	{"syntax tab", []string{"    weight: 1", "\tweight: 1"}},
	{"syntax indentation", []string{"    weight: 1", "     weight: 1"}},
	{"syntax open bracket", []string{"[10.1.0.0/16]", "[10.1.0.0/16"}},
	{"syntax open quote", []string{"id: gw-c.example", "id: \"gw-c.example"}},
	{"syntax colon", []string{"rate: 100Mbit", "rate: 100: Mbit"}},
	{"syntax no colon", []string{"rate: 100Mbit", "rate"}},
	{"syntax at sign", []string{"id: gw-b.example", "id: @gw-b.example"}},
	{"unknown alias", []string{"weight: 1", "weight: *w"}},
	{"deep", []string{"weight: 1", "weight: " + strings.Repeat("[", 100) + strings.Repeat("]", 100)}},
	{"control character", []string{"weight: 1", "weight: 1 # \x1b[31m"}},
	{"not UTF-8", []string{"id: gw-b.example", "id: gw-b\xff.example"}},
	{"line separator", []string{"weight: 1", "weight: 1 # a\u2028b"}},
	{"paragraph separator", []string{"weight: 1", "weight: 1 # a\u2029b"}},
	{"syntax in a second document", []string{"    weight: 1", "    weight: 1\n---\nb: {"}},
	{"caret behind tabs and umlauts", []string{"uplink: {rate: 950Mbit}", "uplink: {\t\"räte\": 950Mbit}"}},
	{"caret in a long line", []string{"    weight: 1", "    crypto:   {" + strings.Repeat(" ", 300) + "esm: true}" + strings.Repeat(" ", 300), "    crypto: {ciphers: [aes256gcm], esn: true}\n", ""}},
}

func TestMistakes(t *testing.T) {
	golden, err := filepath.Abs("testdata/mistakes.golden")
	if err != nil {
		t.Fatal(err)
	}
	key := directory(t)
	write(t, "open.key", string(key.MarshalPEM()), 0o640)
	write(t, "open.psk", goodPSK, 0o604)
	write(t, "short.psk", "fifteen bytes !\n", 0o600)

	write(t, "c.ppk", strings.Repeat("p", 32), 0o600)
	root := testpki.Root(t, "root", key.Signer())
	sub := root.Sub(t, "sub", key.Signer())
	gw := root.Issue(t, "gw-a.example", key.Signer().Public(), nil)
	other, err := keys.Generate(strings.NewReader(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	for name, chain := range map[string][][]byte{
		"ca": {root.Cert.Raw}, "gw": gw,
		"other": root.Issue(t, "gw-a.example", other.Signer().Public(), nil),
		"usage": root.Issue(t, "gw-a.example", key.Signer().Public(), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }),
		"order": {gw[0], sub.Cert.Raw},
		"many":  append(slices.Clone(gw), slices.Repeat([][]byte{root.Cert.Raw}, 8)...),
	} {
		write(t, name+".pem", testpki.PEM(chain...), 0o644)
	}
	write(t, "damaged.pem", testpki.PEM(gw[0][:100]), 0o644)
	write(t, "open.pem", testpki.PEM(root.Cert.Raw), 0o664)

	var got strings.Builder
	names := map[string]bool{}
	for _, m := range mistakes {
		if names[m.name] {
			t.Errorf("two cases are called %q", m.name)
		}
		names[m.name] = true
		problems := problemsOf(t, with(t, m.edits...))
		if len(problems) == 0 {
			t.Errorf("%s: no mistake found", m.name)
		}
		fmt.Fprintf(&got, "### %s\n%v\n\n", m.name, problems)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, got.String(), string(want))
}

// compare shows the cases that differ.
func compare(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "### "), strings.Split(want, "### ")
	for i := range max(len(g), len(w)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("got:\n%s\nwant:\n%s", a, b)
		}
	}
}

package identity

import (
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"testing"
)

func mustParse(t testing.TB, s string) Identity {
	t.Helper()
	id, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		in   string
		kind Type
		back string // "": as in
	}{
		{"gw-a.example", FQDN, ""}, {"192.0.2.1", IPv4, ""}, {"::ffff:192.0.2.1", IPv4, "192.0.2.1"}, {"2001:DB8::1", IPv6, "2001:db8::1"},
		{"gw@site.example", Email, ""}, {"keyid:gw-a", KeyID, ""}, {"keyid:C=CH", KeyID, ""}, {"keyid:192.0.2.1", KeyID, ""},
		{"C=CH, O=Example, CN=gw-a", DN, ""}, {"c=CH,o=Example,cn=gw-a", DN, "C=CH, O=Example, CN=gw-a"},
		{`CN=a\, b`, DN, ""}, {`CN=\ a\ `, DN, ""}, {`CN=a\20b`, DN, "CN=a b"}, {`CN=\C3\A4`, DN, "CN=ä"}, {"CN=x@y", DN, ""},
		{"CN=a+OU=b, C=CH", DN, ""}, {"OU=bb+CN=a", DN, "CN=a+OU=bb"}, {"emailAddress=a@b, DC=example", DN, "E=a@b, DC=example"}, {"1.2.3.4=x", DN, ""},
	} {
		id, err := Parse(tt.in)
		if err != nil || id.Type != tt.kind {
			t.Errorf("%q: %v of type %d, %v", tt.in, id, id.Type, err)
			continue
		}
		want := tt.back
		if want == "" {
			want = tt.in
		}
		if id.String() != want {
			t.Errorf("%q prints as %q, want %q", tt.in, id, want)
		}
		if again := mustParse(t, id.String()); again != id {
			t.Errorf("%q comes back as %x, not %x", tt.in, again.Data, id.Data)
		}
	}
	for _, bad := range []string{"", "a b", "a\x00", "a\tb", "a\xff", "keyid:", "keyid:a b", strings.Repeat("x", 256),
		"=x", "CN=", "CN=a,", "CN=a, b", "CN=a,,C=CH", "XN=a", "CN=\"a\"", "CN=a\\", "CN=a=b", "CN=#30", "CN=\\FF", "3.1=x", "1.40=x", "1.=x", "01.2=x", "CN=a;b"} {
		if id, err := Parse(bad); err == nil || !id.IsZero() {
			t.Errorf("%q is read as %v", bad, id)
		}
	}
}

// TestEncode compares with what openssl req -subj /C=CH/O=Example/CN=gw-a -nameopt … makes
// of printable values, and with RFC 5280's types for the others.
func TestEncode(t *testing.T) {
	for in, want := range map[string]string{
		"C=CH, O=Example, CN=gw-a": "302e310b30090603550406130243483110300e060355040a13074578616d706c65310d300b0603550403130467772d61",
		"CN=ä":                     "300d310b300906035504030c02c3a4",
		"DC=x":                     "30133111300f060a0992268993f22c640119160178",
	} {
		if got := hex.EncodeToString([]byte(mustParse(t, in).Data)); got != want {
			t.Errorf("%s is encoded as %s, want %s", in, got, want)
		}
	}
}

// name builds a Name of one attribute by hand.
func dnOf(t testing.TB, tag int, value string) Identity {
	t.Helper()
	type pair struct {
		OID   asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	type set []pair
	inner, err := asn1.MarshalWithParams(set{{asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.RawValue{Tag: tag, Bytes: []byte(value)}}}, "set")
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal([]asn1.RawValue{{FullBytes: inner}})
	if err != nil {
		t.Fatal(err)
	}
	return Identity{DN, string(der)}
}

// TestEqual: names are the same whatever their string types, case and runs of spaces.
func TestEqual(t *testing.T) {
	a := mustParse(t, "CN=Gateway A")
	for tag, value := range map[int]string{
		asn1.TagUTF8String: "gateway a", asn1.TagPrintableString: " Gateway   A ", asn1.TagT61String: "GATEWAY A", asn1.TagIA5String: "Gateway A",
		asn1.TagBMPString: "\x00G\x00a\x00t\x00e\x00w\x00a\x00y\x00 \x00A",
	} {
		if id := dnOf(t, tag, value); !id.Equal(a) || !a.Equal(id) || id.Key() != a.Key() {
			t.Errorf("%v, string type %d, is not %v", id, tag, a)
		}
	}
	for _, other := range []Identity{
		mustParse(t, "CN=GatewayA"), mustParse(t, "CN=Gateway B"), mustParse(t, "OU=Gateway A"), mustParse(t, "CN=Gateway A, C=CH"),
		dnOf(t, asn1.TagOctetString, "Gateway A"), dnOf(t, asn1.TagBMPString, "Gateway A"), {FQDN, a.Data}, {KeyID, a.Data}, {DN, "x"}, {DN, ""}, {},
	} {
		if other.Equal(a) || a.Equal(other) || other.Key() == a.Key() {
			t.Errorf("%v is taken for %v", other, a)
		}
		if !other.Equal(other) {
			t.Errorf("%v is not itself", other)
		}
	}
	if !mustParse(t, "CN=a+OU=b").Equal(mustParse(t, "OU=B+CN=A")) || mustParse(t, "C=CH, CN=a").Equal(mustParse(t, "CN=a, C=CH")) {
		t.Error("the order matters between RDNs, not in one")
	}
	if a.Key().Equal(a) || a.Key().Key() == a.Key() {
		t.Error("who sends the Key of a name is taken for its owner")
	}
}

// TestHostile: what comes from the wire prints bounded and escaped.
func TestHostile(t *testing.T) {
	for _, id := range []Identity{
		dnOf(t, asn1.TagUTF8String, "a\n\x1b[31m\u202eb"), dnOf(t, asn1.TagT61String, "\x00\x85\xff"), dnOf(t, asn1.TagOctetString, "\x1b"),
		dnOf(t, asn1.TagUTF8String, strings.Repeat("\x01", 3000)), dnOf(t, asn1.TagUTF8String, strings.Repeat("ä", 3000)),
		dnOf(t, asn1.TagUTF8String, strings.Repeat("x", 60000)), {DN, strings.Repeat("\x30", 300)}, {DN, "\x1b"}, {KeyID, "\x1b\x00"}, {FQDN, "\n"}, {99, "\n"},
		{IPv4, "\x1b"}, {DN, strings.Repeat("x", 65535)}, {KeyID, strings.Repeat("\x00", 255)},
	} {
		s := id.String()
		if len(s) > 4*Max+16 || strings.ContainsAny(s, "\n\x1b\x00\u202e\u0085") {
			t.Errorf("type %d with %d bytes prints as %d bytes: %.100q", id.Type, len(id.Data), len(s), s)
		}
		id.Key()
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"gw-a.example", "keyid:x", "C=CH, O=Example, CN=gw-a", `CN=a\, b+OU=\20`, "2001:db8::1", "a@b", "CN=\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		if err != nil {
			if !id.IsZero() {
				t.Fatalf("%v and %v", id, err)
			}
			return
		}
		text := id.String()
		if len(text) > Max || id.Type != DN && strings.Contains(text, "\\") {
			return // escaped: only for the eye
		}
		again, err := Parse(text)
		if err != nil || !again.Equal(id) {
			t.Fatalf("%q prints as %q, which is read as %v, %v", s, text, again, err)
		}
	})
}

func FuzzDN(f *testing.F) {
	f.Add([]byte(mustParse(f, "C=CH, O=Example, CN=gw-a").Data))
	f.Add([]byte(mustParse(f, "CN=a+OU=b").Data))
	f.Add([]byte(dnOf(f, asn1.TagBMPString, "\x00a\xd8\x00").Data))
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		id := Identity{DN, string(der)}
		if s := id.String(); len(s) > 4*Max+16 {
			t.Fatalf("%d bytes print as %d", len(der), len(s))
		}
		if same := (Identity{DN, string(der)}); !id.Equal(same) || id.Key() != same.Key() {
			t.Fatal("not itself")
		}
		n, err := decodeDN(der)
		if err != nil {
			return
		}
		for _, rdn := range n {
			for _, a := range rdn {
				if a.raw || a.value == "" {
					return
				}
			}
		}
		// What is read and printed whole is the same name when it is read back.
		text := n.String()
		if again, err := Parse(text); err == nil && len(text) <= Max && again.Type == DN && !again.Equal(id) {
			t.Fatalf("%x prints as %q, which is %x", der, text, again.Data)
		}
	})
}

package message

import (
	"net/netip"
	"strings"
	"testing"
)

func FuzzTSi(f *testing.F) { fuzzBody(f, PayloadTSi, "\x01\x00\x00\x00\x09\x00\x00\x04") }
func FuzzTSr(f *testing.F) { fuzzBody(f, PayloadTSr, "\x01\x00\x00\x00\x09\x00\x00\x04") }

func TestSelectorsMalformed(t *testing.T) {
	const ok = "\x07\x00\x00\x10\x00\x00\xff\xff\x0a\x00\x00\x00\x0a\x00\x00\xff"
	bad := []badBody{
		{"empty", "", 0, "needs 1 bytes"},
		{"none", "\x00\x00\x00\x00", 4, "no traffic selector"},
		{"count 0 before one", "\x00\x00\x00\x00" + ok, 4, "no traffic selector"},
		{"one too few", "\x02\x00\x00\x00" + ok, 20, "needs 1 bytes"},
		{"one too many", "\x01\x00\x00\x00" + ok + ok, 20, "16 bytes behind"},
		{"IPv4 of length 15", "\x01\x00\x00\x00\x07\x00\x00\x0f" + ok[4:], 4, "type 7 with length 15"},
		{"IPv4 of length 40", "\x01\x00\x00\x00\x07\x00\x00\x28" + ok[4:], 4, "type 7 with length 40"},
		{"IPv6 of length 16", "\x01\x00\x00\x00\x08\x00\x00\x10" + ok[4:], 4, "type 8 with length 16"},
		{"unknown of length 0", "\x01\x00\x00\x00\x09\x00\x00\x00", 4, "type 9 with length 0"},
		{"unknown of length 3", "\x01\x00\x00\x00\x09\x00\x00\x03", 4, "type 9 with length 3"},
		{"unknown over the end", "\x01\x00\x00\x00\x09\x00\x00\x05", 8, "needs 1 bytes"},
		{"addresses reversed", "\x01\x00\x00\x00\x07\x00\x00\x10\x00\x00\xff\xff\x0a\x00\x00\xff\x0a\x00\x00\xfe", 4, "from 10.0.0.255 down to 10.0.0.254"},
		{"ports reversed", "\x01\x00\x00\x00\x07\x00\x00\x10\x00\x02\x00\x01\x0a\x00\x00\x00\x0a\x00\x00\x00", 4, "port range from 2 down to 1"},
	}
	checkBad(t, PayloadTSi, bad)
	checkBad(t, PayloadTSr, bad)
}

func TestSelectorsUnsendable(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")
	for name, s := range map[string]TrafficSelector{
		"IPv6 addresses under IPv4": {Type: TSIPv4AddrRange, First: v6, Last: v6},
		"IPv4 addresses under IPv6": {Type: TSIPv6AddrRange, First: v4, Last: v4},
		"mixed":                     {Type: TSIPv4AddrRange, First: v4, Last: v6},
		"no addresses":              {Type: TSIPv4AddrRange},
		"zone":                      {Type: TSIPv6AddrRange, First: v6.WithZone("eth0"), Last: v6.WithZone("eth0")},
		"addresses reversed":        {Type: TSIPv4AddrRange, First: v4, Last: v4.Prev()},
		"ports reversed":            {Type: TSIPv4AddrRange, First: v4, Last: v4, StartPort: 2, EndPort: 1},
	} {
		checkUnsendable(t, name, &TSi{TrafficSelectors{Selectors: []TrafficSelector{s}}})
	}
	checkUnsendable(t, "none", &TSr{})
	checkUnsendable(t, "256", &TSr{TrafficSelectors{Selectors: make([]TrafficSelector, MaxSelectors+1)}})
}

func TestSelectorString(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.0"), netip.MustParseAddr("10.0.0.255")
	for want, s := range map[string]TrafficSelector{
		"10.0.0.0-10.0.0.255":                          {Type: TSIPv4AddrRange, EndPort: 65535, First: a, Last: b},
		"10.0.0.0-10.0.0.255 protocol 6 ports 80-80":   {Type: TSIPv4AddrRange, Proto: 6, StartPort: 80, EndPort: 80, First: a, Last: b},
		"10.0.0.0-10.0.0.255 protocol 6 ports opaque":  {Type: TSIPv4AddrRange, Proto: 6, StartPort: 65535, First: a, Last: b},
		"selector of type 10, 5 bytes":                 {Type: TSSecLabel, Raw: []byte("label")},
		"invalid IP-invalid IP protocol 1 ports 1-256": {Type: TSIPv6AddrRange, Proto: 1, StartPort: 1, EndPort: 256},
	} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestSelectorCount puts as many selectors into one payload as its count
// octet can say.
func TestSelectorCount(t *testing.T) {
	const s = "\x0a\x00\x00\x04"
	m, err := Parse(one(PayloadTSi, 0, "\xff\x00\x00\x00"+strings.Repeat(s, MaxSelectors)))
	if err != nil || len(m.Payloads[0].(*TSi).Selectors) != MaxSelectors {
		t.Fatal(err)
	}
}

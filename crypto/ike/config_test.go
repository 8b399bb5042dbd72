package ike

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vpngw/crypto/identity"
)

func TestParseIdentity(t *testing.T) {
	tests := []struct {
		in   string
		kind IDType
		len  int
	}{
		{"gw-a.example", IDFQDN, 12}, {"192.0.2.1", IDIPv4, 4}, {"2001:db8::1", IDIPv6, 16},
		{"::ffff:192.0.2.1", IDIPv4, 4}, {"a@b", IDEmail, 3}, {"192.0.2.1/32", IDFQDN, 12}, {"fe80::1%eth0", IDFQDN, 12},
		{"", 0, 0}, {"two words", 0, 0}, {"a\nb", 0, 0}, {"a\x00", 0, 0}, {strings.Repeat("x", 256), 0, 0},
	}
	for _, tt := range tests {
		id, err := ParseIdentity(tt.in)
		if (err == nil) != (tt.kind != 0) || id.Type != tt.kind || len(id.Data) != tt.len {
			t.Errorf("%q: %v %d bytes, %v", tt.in, id.Type, len(id.Data), err)
		}
		if back, err := ParseIdentity(id.String()); tt.kind != 0 && (err != nil || back != id) {
			t.Errorf("%q does not come back from %q", tt.in, id)
		}
	}
	if s := (Identity{Type: IDFQDN, Data: "a\n\x1b[31m"}).String(); strings.ContainsAny(s, "\n\x1b") {
		t.Errorf("a wire identity prints as %q", s)
	}
}

func TestPeerValidate(t *testing.T) {
	keyA, _ := keyAuths()
	tests := []struct {
		name, says string
		change     func(p *Peer)
	}{
		{"good", "", func(p *Peer) {}},
		{"keys", "", func(p *Peer) { p.Auth = keyA }},
		{"16-byte PSK", "", func(p *Peer) { p.Auth.PSK = make([]byte, 16) }},
		{"short PSK", "128 bits", func(p *Peer) { p.Auth.PSK = make([]byte, 15) }},
		{"empty PSK", "128 bits", func(p *Peer) { p.Auth.PSK = []byte{} }},
		{"no secret", "neither", func(p *Peer) { p.Auth = Auth{} }},
		{"no public key", "public key", func(p *Peer) { p.Auth = keyA; p.Auth.PeerPublic = nil }},
		{"no local identity", "local identity", func(p *Peer) { p.LocalID = Identity{} }},
		{"no remote identity", "remote identity", func(p *Peer) { p.RemoteID = Identity{} }},
		{"same identity", "both ends", func(p *Peer) { p.RemoteID = p.LocalID }},
		{"no port", "no port", func(p *Peer) { p.Remote = netip.AddrPortFrom(p.Remote.Addr(), 0) }},
		{"no selectors", "none given", func(p *Peer) { p.Local = nil }},
		{"reversed selector", "no range", func(p *Peer) { s := &p.Remotes[0]; s.First, s.Last = s.Last, s.First }},
		{"mixed selector", "no range", func(p *Peer) { p.Remotes[0].Last = netip.MustParseAddr("::1") }},
		{"too many selectors", "at most", func(p *Peer) { p.Local = make([]Selector, MaxSelectors+1) }},
		{"unknown cipher", "cipher 9", func(p *Peer) { p.Ciphers = []Cipher{9} }},
		{"unknown group", "group 9", func(p *Peer) { p.Groups = []Group{9} }},
		{"unknown PRF", "PRF 9", func(p *Peer) { p.PRFs = []PRF{9} }},
		{"negative time", "negative", func(p *Peer) { p.DPD.Timeout = -time.Second }},
	}
	for _, tt := range tests {
		p, _ := pairConfig()
		tt.change(&p)
		err := p.Validate()
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
		acts := New(Config{}).Step(time.Unix(0, 0), AddPeer{p})
		if err == nil != (len(acts) == 0) {
			t.Errorf("%s: AddPeer gives %v", tt.name, acts)
		}
		if err != nil && acts[0].(Down).Reason.Code != ReasonConfig {
			t.Errorf("%s: AddPeer gives %v", tt.name, acts)
		}
	}
}

func TestSelectorOf(t *testing.T) {
	for in, last := range map[string]string{
		"10.1.2.3/16": "10.1.255.255", "0.0.0.0/0": "255.255.255.255", "192.0.2.1/32": "192.0.2.1", "10.0.0.0/9": "10.127.255.255",
		"2001:db8::/33": "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", "::/0": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	} {
		p := netip.MustParsePrefix(in)
		s := SelectorOf(p)
		if s.First != p.Masked().Addr() || s.Last.String() != last || s.String() != p.Masked().String() {
			t.Errorf("%s: %v-%v, prints %v", in, s.First, s.Last, s)
		}
	}
	s := Selector{Proto: 6, StartPort: 80, EndPort: 81, First: netip.MustParseAddr("10.0.0.1"), Last: netip.MustParseAddr("10.0.0.6")}
	if s.String() != "10.0.0.1-10.0.0.6[6/80-81]" {
		t.Errorf("%v", s)
	}
}

// TestNarrowProperty compares narrow with asking packet by packet.
func TestNarrowProperty(t *testing.T) {
	sel := rapid.Custom(func(r *rapid.T) Selector {
		lo := rapid.IntRange(0, 15).Draw(r, "lo")
		hi := rapid.IntRange(lo, 15).Draw(r, "hi")
		p := rapid.IntRange(0, 3).Draw(r, "port")
		base := [2]netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(lo)}), netip.AddrFrom4([4]byte{10, 0, 0, byte(hi)})}
		if rapid.Bool().Draw(r, "v6") {
			base[0], base[1] = netip.AddrFrom16([16]byte{15: byte(lo)}), netip.AddrFrom16([16]byte{15: byte(hi)})
		}
		return Selector{Proto: uint8(rapid.IntRange(0, 2).Draw(r, "proto")), StartPort: uint16(p),
			EndPort: uint16(rapid.IntRange(p, 3).Draw(r, "end")), First: base[0], Last: base[1]}
	})
	rapid.Check(t, func(r *rapid.T) {
		offered, allowed := rapid.SliceOfN(sel, 1, 4).Draw(r, "offered"), rapid.SliceOfN(sel, 1, 4).Draw(r, "allowed")
		got := narrow(offered, allowed)
		if len(got) > 16 {
			r.Fatalf("%d selectors", len(got))
		}
		for i, s := range got {
			if covers(append(append([]Selector{}, got[:i]...), got[i+1:]...), s) {
				r.Fatalf("%v stands twice in %v", s, got)
			}
		}
		for host := range byte(16) {
			for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, host}), netip.AddrFrom16([16]byte{15: host})} {
				for port := range uint16(4) {
					for proto := uint8(1); proto < 3; proto++ {
						one := Selector{proto, port, port, a, a}
						if covers(got, one) != (covers(offered, one) && covers(allowed, one)) {
							r.Fatalf("%v: %v, offered %v, allowed %v", one, got, offered, allowed)
						}
					}
				}
			}
		}
	})
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for r := range RejectCount {
		if seen[r.String()] || r.String() == "" || r.String() == "unknown" {
			t.Errorf("reject reason %d prints %q", r, r)
		}
		seen[r.String()] = true
	}
	for c := ReasonConfig; c < reasonCount; c++ {
		if c.String() == "" || c.String() == "unknown" {
			t.Errorf("reason %d prints %q", c, c)
		}
	}
	if RejectCount.String() != "unknown" || reasonCount.String() != "unknown" || State(200).String() != "unknown" {
		t.Error("values without a name have one")
	}
	if got := (Reason{ReasonAuth, "why"}).Error(); got != "authentication failed: why" {
		t.Errorf("%q", got)
	}
}

func TestTimers(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var ts timers
		all := make([]timer, 8)
		base := time.Unix(1000, 0)
		for range 40 {
			x := &all[rapid.IntRange(0, 7).Draw(r, "timer")]
			if rapid.Bool().Draw(r, "set") {
				ts.set(x, base.Add(time.Duration(rapid.IntRange(0, 9).Draw(r, "at"))))
			} else {
				ts.stop(x)
			}
			want, n := time.Time{}, 0
			for i := range all {
				if all[i].isSet() {
					n++
					if want.IsZero() || all[i].at.Before(want) {
						want = all[i].at
					}
				}
			}
			if !ts.next().Equal(want) || ts.Len() != n {
				r.Fatalf("next %v of %d, want %v of %d", ts.next(), ts.Len(), want, n)
			}
		}
		last := base
		for x := ts.due(base.Add(time.Hour)); x != nil; x = ts.due(base.Add(time.Hour)) {
			if x.at.Before(last) || x.isSet() {
				r.Fatalf("%v fires after %v", x.at, last)
			}
			last = x.at
		}
	})
}

// TestLongIdentityIsNotPrinted: whoever finishes IKE_SA_INIT chooses what is logged of
// its identity.
func TestLongIdentityIsNotPrinted(t *testing.T) {
	for _, kind := range []IDType{IDIPv4, IDFQDN, IDEmail, IDIPv6, 9, 11, 255} {
		for _, n := range []int{0, 1, identity.Max, identity.Max + 1, 65535} {
			if s := (Identity{Type: kind, Data: strings.Repeat("\x00", n)}).String(); len(s) > 4*identity.Max+16 {
				t.Errorf("type %d, %d bytes: %d bytes are printed", kind, n, len(s))
			}
		}
	}
}

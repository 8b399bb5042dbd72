package ike

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMatrix sets up a tunnel with every cipher, group and PRF and both kinds of
// authentication, and rekeys its child.
func TestMatrix(t *testing.T) {
	seed := uint64(0)
	for _, c := range allCiphers {
		for _, g := range allGroups {
			for _, f := range allPRFs {
				for _, keys := range []bool{false, true} {
					seed++
					name := fmt.Sprintf("%v-%v-%v-keys=%v", c, f, g, keys)
					w := newWorld(t, seed)
					a, b := pair(w, func(a, b *Peer) {
						if keys {
							a.Auth, b.Auth = keyAuths()
						}
						for _, p := range []*Peer{a, b} {
							p.Ciphers, p.Groups, p.PRFs = []Cipher{c}, []Group{g}, []PRF{f}
							p.PFS, p.ESN = true, seed%2 == 0
						}
					})
					a.connect()
					w.until(time.Second, name, func() bool { return a.ready() && b.ready() })
					w.quiet()
					first := a.using[1]
					a.soft()
					w.run(10 * time.Second)
					w.quiet()
					if a.using[1] == first {
						w.failf("%s: no rekey", name)
					}
					want := suite{cipher: c, prf: f, group: g}.String()
					if got := a.m.Status(1).Suite; got != want {
						w.failf("suite %s, want %s", got, want)
					}
					if got := a.children[a.using[1]].Inbound.ESN; got != (seed%2 == 0) {
						w.failf("%s: ESN is %v", name, got)
					}
				}
			}
		}
	}
}

// TestESNOnlyWhereBothHaveIt covers a peer without extended sequence numbers, as
// strongSwan with kernel-libipsec is one.
func TestESNOnlyWhereBothHaveIt(t *testing.T) {
	for _, who := range []string{"a", "b"} {
		w := newWorld(t, 1)
		a, _ := pair(w, func(a, b *Peer) { a.ESN, b.ESN = who == "a", who == "b" })
		a.connect()
		w.run(time.Second)
		w.quiet()
		if a.children[a.using[1]].Outbound.ESN {
			t.Errorf("only %s has ESN, and it was negotiated", who)
		}
	}
}

// TestRefusals checks that what cannot work ends with a typed reason naming the
// values, with no SA on either side.
func TestRefusals(t *testing.T) {
	keyA, keyB := keyAuths()
	other := selectors("10.9.0.0/16")
	tests := []struct {
		name   string
		change func(a, b *Peer)
		code   ReasonCode
		says   []string
		reject RejectReason // at b
	}{
		{"wrong PSK", func(a, b *Peer) { b.Auth.PSK = []byte("another battery staple, 128 bits") },
			ReasonAuth, []string{"AUTHENTICATION_FAILED", "gw-a.example", "psk"}, RejectAuth},
		{"wrong key", func(a, b *Peer) { a.Auth, b.Auth = keyA, keyB; a.Auth.Private = keyB.Private },
			ReasonAuth, []string{"AUTHENTICATION_FAILED", "ed25519"}, RejectAuth},
		{"responder has the wrong key", func(a, b *Peer) { a.Auth, b.Auth = keyA, keyB; a.Auth.PeerPublic = keyB.PeerPublic },
			ReasonAuth, []string{"gw-b.example", "does not verify"}, RejectCount},
		{"PSK here, key there", func(a, b *Peer) { b.Auth = keyB },
			ReasonAuth, []string{"AUTHENTICATION_FAILED"}, RejectAuth},
		{"key here, PSK there", func(a, b *Peer) { a.Auth = keyA },
			ReasonAuth, []string{"AUTHENTICATION_FAILED"}, RejectAuth},
		{"unknown identity", func(a, b *Peer) { a.LocalID = mustID("stranger.example") },
			ReasonAuth, []string{"AUTHENTICATION_FAILED", "stranger.example"}, RejectAuth},
		{"another identity wanted", func(a, b *Peer) { a.RemoteID = mustID("gw-c.example") },
			ReasonAuth, []string{"AUTHENTICATION_FAILED", "gw-c.example"}, RejectAuth},
		{"no common selector", func(a, b *Peer) { b.Remotes = other },
			ReasonSelectors, []string{"TS_UNACCEPTABLE", "10.1.0.0/16", "10.2.0.0/16"}, RejectSelectors},
		{"no common cipher", func(a, b *Peer) {
			a.Ciphers, b.Ciphers = []Cipher{AES256GCM}, []Cipher{AES128GCM, ChaCha20Poly1305}
		}, ReasonProposal, []string{"NO_PROPOSAL_CHOSEN", "ENCR_AES_GCM_16/256"}, RejectProposal},
		{"no common group", func(a, b *Peer) { a.Groups, b.Groups = []Group{P256}, []Group{P384} },
			ReasonProposal, []string{"NO_PROPOSAL_CHOSEN", "KE_ECP_256"}, RejectProposal},
		{"no common PRF", func(a, b *Peer) { a.PRFs, b.PRFs = []PRF{PRFSHA256}, []PRF{PRFSHA512} },
			ReasonProposal, []string{"NO_PROPOSAL_CHOSEN"}, RejectProposal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 1)
			a, b := pair(w, tt.change)
			a.connect()
			w.until(10*time.Second, "Down", func() bool { return len(a.downs) > 0 })
			why := a.downs[0].Reason
			if why.Code != tt.code {
				w.failf("reason is %v", why)
			}
			for _, s := range tt.says {
				if !strings.Contains(why.String(), s) {
					t.Errorf("%q does not say %q", why, s)
				}
			}
			if st := a.m.Status(1); st.State == StateUp || st.Reason.Code != tt.code {
				t.Errorf("status is %v, %v", st.State, st.Reason)
			}
			w.run(12 * time.Second) // and several more attempts
			if len(a.downs) < 2 {
				t.Errorf("%d attempts in 12 s", len(a.downs))
			}
			if tt.reject < RejectCount && b.m.strangers.Rejected[tt.reject]+b.m.Status(7).Counters.Rejected[tt.reject] == 0 {
				t.Errorf("b counted nothing as %v: %v", tt.reject, b.m.strangers)
			}
			if a.ups+b.ups > 0 && tt.code != ReasonAuth {
				t.Errorf("somebody was up")
			}
			if len(a.children) != 0 {
				t.Errorf("a has children %v", a.children)
			}
			a.step(RemovePeer{1})
			w.run(30 * time.Second)
			if len(a.m.sas)+len(b.m.sas)+len(b.children) != 0 || b.m.halfOpen.open != 0 {
				w.failf("left over: %d and %d SAs, %d children", len(a.m.sas), len(b.m.sas), len(b.children))
			}
		})
	}
}

// TestUnknownLooksLikeWrong holds the responder to the same answer for an identity it
// does not know as for an AUTH that is wrong.
func TestUnknownLooksLikeWrong(t *testing.T) {
	answers := map[string]int{}
	for _, change := range []func(a, b *Peer){
		func(a, b *Peer) { b.Auth.PSK = []byte("another battery staple, 128 bits") },
		func(a, b *Peer) { b.RemoteID = mustID("gw-c.example") },
		func(a, b *Peer) {
			b.Auth.PSK, b.Remotes = []byte("another battery staple, 128 bits"), selectors("10.9.0.0/16")
		},
		func(a, b *Peer) { a.RemoteID = mustID("gw-z.example") },
	} {
		w := newWorld(t, 1)
		w.delayMax = w.delayMin
		var got string
		w.filter = func(p *packet) bool {
			if p.from.String() == addrB && p.ike[18] == 35 {
				got = fmt.Sprintf("%v: %s", w.now.Sub(w.start), headline(p.ike))
			}
			return true
		}
		a, _ := pair(w, change)
		a.connect()
		w.run(400 * time.Millisecond)
		answers[got]++
	}
	if len(answers) != 1 || answers[""] != 0 {
		t.Errorf("answers differ: %v", answers)
	}
}

// TestNarrowing is the intersection of what both ends want.
func TestNarrowing(t *testing.T) {
	tests := []struct{ aLocal, bRemote, want string }{
		{"10.1.0.0/16", "10.1.0.0/16", "10.1.0.0/16"},
		{"10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16"},
		{"10.1.0.0/16", "0.0.0.0/0", "10.1.0.0/16"},
		{"10.1.0.0/16 2001:db8::/32", "10.1.4.0/24 2001:db8:7::/48 10.1.9.0/24", "10.1.4.0/24 10.1.9.0/24 2001:db8:7::/48"},
		{"10.1.0.0/16 2001:db8::/32", "2001:db8::/32 192.0.2.0/24", "2001:db8::/32"},
		{"10.1.0.0/16 10.1.2.0/24", "10.1.0.0/16", "10.1.0.0/16"},
	}
	for _, tt := range tests {
		w := newWorld(t, 1)
		a, _ := pair(w, func(a, b *Peer) {
			a.Local, b.Remotes = selectors(strings.Fields(tt.aLocal)...), selectors(strings.Fields(tt.bRemote)...)
		})
		a.connect()
		w.run(time.Second)
		w.quiet()
		if got := selectorText(a.children[a.using[1]].Local); got != tt.want {
			t.Errorf("%s and %s give %s, want %s", tt.aLocal, tt.bRemote, got, tt.want)
		}
	}
}

// TestInvalidKE lets the responder ask for another group, in IKE_SA_INIT and in a
// rekey.
func TestInvalidKE(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) {
		b.Groups = []Group{P384, P256, X25519}
		a.PFS = true
	})
	a.connect()
	w.run(time.Second)
	w.quiet()
	if got := a.m.Status(1).Suite; !strings.HasSuffix(got, "ecp384") {
		t.Errorf("suite %s", got)
	}
	if n := b.m.strangers.Rejected[RejectKE]; n != 1 {
		t.Errorf("%d INVALID_KE_PAYLOAD in IKE_SA_INIT", n)
	}
	first := a.using[1]
	a.soft()
	w.run(10 * time.Second)
	w.quiet()
	if n := b.m.Status(7).Counters.Rejected[RejectKE]; n != 1 || a.using[1] == first {
		t.Errorf("%d INVALID_KE_PAYLOAD in the rekey", n)
	}
}

// TestCookie lets the responder demand a cookie while others are half-open.
func TestCookie(t *testing.T) {
	w := newWorld(t, 1)
	pa, pb := pairConfig()
	b := &node{w: w, name: "b", addr: netip.MustParseAddrPort(addrB), peers: []Peer{pb}, limits: Limits{CookieFrom: 2, HalfOpenPerAddr: 100}}
	w.nodes = append(w.nodes, b)
	b.boot()
	a := w.add("a", addrA, pa)
	var init []byte
	w.filter = func(p *packet) bool {
		if init == nil && p.from == a.addr {
			init = p.ike
		}
		return true
	}
	a.connect()
	w.run(time.Millisecond)
	for i := range 2 { // two of other nodes that go no further
		other := slices.Clone(init)
		other[0] ^= byte(i + 1)
		b.step(Datagram{Local: b.addr, Remote: netip.AddrPortFrom(netip.MustParseAddr("203.0.113.9"), uint16(i+1)), Bytes: other})
	}
	w.run(2 * time.Second)
	if !a.ready() || !b.ready() {
		w.failf("not up")
	}
	if n := b.m.strangers.Rejected[RejectCookie]; n != 1 {
		t.Errorf("%d cookies demanded", n)
	}
	w.run(10 * time.Second)
	w.quiet()
}

// TestBothAtOnce starts both ends at every offset of a handshake.
func TestBothAtOnce(t *testing.T) {
	for ms := range 80 {
		w := newWorld(t, uint64(ms+1))
		w.delayMax = 20 * time.Millisecond
		a, b := pair(w, nil)
		a.traffic, b.traffic = ms%2 == 0, ms%3 == 0
		a.connect()
		w.run(time.Duration(ms) * time.Millisecond)
		b.connect()
		w.run(12 * time.Second) // a half-open SA that lost lasts ten
		w.quiet()
		if len(a.downs)+len(b.downs) != 0 {
			w.failf("somebody was down")
		}
	}
}

package ike

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
	"vpngw/crypto/keys/testpki"
)

// TestManyAuthoritiesDoNotAmplify: a CERTREQ makes the answer to IKE_SA_INIT longer than
// the request, so a cookie is demanded first; the tunnel comes up all the same.
func TestManyAuthoritiesDoNotAmplify(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) {
		certAuths(t, "ed25519", a, b)
		for i := range maxRequested - 1 {
			key := testKey(t, "ed25519", string(rune('A'+i)))
			b.Auth.PeerCAs = append(b.Auth.PeerCAs, testpki.Root(t, fmt.Sprintf("root %d", i), key).Cert)
		}
	})
	request, cookies := 0, 0
	w.filter = func(p *packet) bool {
		if p.ike == nil || p.ike[18] != byte(message.ExchangeIKESAInit) {
			return true
		}
		if p.from == a.addr {
			if request = len(p.ike); strings.Contains(string(p.ike), "\x40\x06") { // COOKIE, 16390
				cookies++
			}
			return true
		}
		if cookies == 0 && len(p.ike) > request {
			t.Errorf("%d bytes answer %d of an unproven address", len(p.ike), request)
		}
		return true
	}
	a.connect()
	w.until(5*time.Second, "up", func() bool { return a.ready() && b.ready() })
	if cookies == 0 {
		t.Error("no cookie was demanded")
	}
	w.run(time.Second)
	w.quiet()
	if n := len(b.m.authorities.sorted()); n != maxRequested {
		t.Errorf("%d authorities", n)
	}
}

// TestAuthoritiesGoWithTheirPeer: nobody is asked for certificates of a peer that is gone.
func TestAuthoritiesGoWithTheirPeer(t *testing.T) {
	w := newWorld(t, 1)
	a, _ := pair(w, func(a, b *Peer) {
		certAuths(t, "ed25519", a, b)
		a.PPK, b.PPK = ppkOf(requiredPPK, "p", "s"), ppkOf(requiredPPK, "p", "s")
	})
	if len(certificateRequest(a.m.authorities.sorted())) != 1 || !a.m.hasPPK() {
		t.Error("no CERTREQ or no USE_PPK for who comes")
	}
	a.step(RemovePeer{ID: 1})
	if len(certificateRequest(a.m.authorities.sorted())) != 0 || a.m.hasPPK() {
		t.Error("a CERTREQ or USE_PPK after the peer is gone")
	}
}

// TestAuthValidate refuses what cannot work before anything is sent.
func TestAuthValidate(t *testing.T) {
	raw, _ := rawAuths(t, "ecdsa-p256", "ecdsa-p384")
	var a, b Peer
	certAuths(t, "ed25519", &a, &b)
	id, peer := mustID("gw-a.example"), mustID("gw-b.example")
	for _, tt := range []struct {
		name, says string
		auth       Auth
		id, peer   Identity
	}{
		{"raw", "", raw, id, peer},
		{"certificates", "", a.Auth, id, peer},
		{"PSK and key", "a PSK and keys too", Auth{PSK: testPSK, PeerPublic: raw.PeerPublic}, id, peer},
		{"key and CA", "authorities of the peer too", Auth{Private: raw.Private, PeerPublic: raw.PeerPublic, PeerCAs: a.Auth.PeerCAs}, id, peer},
		{"P-521", "neither Ed25519 nor ECDSA", Auth{Private: testKey(t, "ecdsa-p521", ""), PeerPublic: raw.PeerPublic}, id, peer},
		{"their P-521", "no public key of the peer", Auth{Private: raw.Private, PeerPublic: testKey(t, "ecdsa-p521", "").Public()}, id, peer},
		{"no authority", "no authority", Auth{Private: a.Auth.Private, Chain: a.Auth.Chain, PeerCAs: []*x509.Certificate{}}, id, peer},
		{"no chain", "0 certificates", Auth{Private: a.Auth.Private, PeerCAs: a.Auth.PeerCAs}, id, peer},
		{"garbage", "our certificate", Auth{Private: a.Auth.Private, PeerCAs: a.Auth.PeerCAs, Chain: [][]byte{{1}}}, id, peer},
		{"another key", "not that of our private key", Auth{Private: raw.Private, PeerCAs: a.Auth.PeerCAs, Chain: a.Auth.Chain}, id, peer},
		{"another identity", "gw-x.example is not in", a.Auth, mustID("gw-x.example"), peer},
		{"key id", "stands in no certificate", a.Auth, id, mustID("keyid:b")},
	} {
		err := tt.auth.validate(tt.id, tt.peer)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}

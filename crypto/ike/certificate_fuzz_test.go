package ike

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
	"vpngw/crypto/keys/testpki"
)

// FuzzCertificates gives arbitrary certificates, AUTH payloads and identities to the
// verification. Nothing of it is signed by the authority, so nothing may pass, and what
// is said of it is bounded and printable.
func FuzzCertificates(f *testing.F) {
	root := testpki.Root(f, "root", testKey(f, "ed25519", "r"))
	other := testpki.Root(f, "root", testKey(f, "ed25519", "e"))
	for _, kind := range rawKinds {
		key := testKey(f, kind, "b")
		auth, err := signOctets(key, allHashes, []byte("octets"))
		if err != nil {
			f.Fatal(err)
		}
		sub := other.Sub(f, "sub", testKey(f, kind, "s"))
		chain := sub.Issue(f, "gw-b.example", key.Public(), nil)
		f.Add(chain[0], chain[1], byte(auth.Method), auth.Data, byte(IDFQDN), "gw-b.example")
		f.Add(chain[0], []byte{}, byte(auth.Method), auth.Data, byte(IDDN), "C=CH, CN=gw-b.example")
	}
	f.Fuzz(func(t *testing.T, leaf, more []byte, method byte, data []byte, kind byte, name string) {
		id := Identity{Type: IDType(kind), Data: name}
		ps := []message.Payload{&message.CERT{Encoding: message.CertX509Signature, Data: leaf}, &message.CERT{Encoding: message.CertX509Signature, Data: more}}
		if len(more) == 0 {
			ps = ps[:1]
		}
		c := &claim{id, &message.AUTH{Method: message.AuthMethod(method), Data: data}, ps, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		err := verifyCertificate([]*x509.Certificate{root.Cert}, c, []byte("octets"))
		if err == nil {
			t.Fatal("a certificate that the authority did not issue passes")
		}
		if s := err.Error(); len(s) > 8000 || strings.ContainsAny(s, "\n\x1b\x00") {
			t.Fatalf("%d bytes are said: %.200q", len(s), s)
		}
	})
}

// TestCertificatesReplay holds the machine to the same trace with the kinds that could
// draw randomness of their own.
func TestCertificatesReplay(t *testing.T) {
	var a, b Peer
	certAuths(t, "ecdsa-p256", &a, &b)
	raw := func(pa, pb *Peer) { pa.Auth, pb.Auth = rawAuths(t, "ecdsa-p256", "ecdsa-p384") }
	certs := func(pa, pb *Peer) {
		pa.Auth, pb.Auth = a.Auth, b.Auth
		pa.PPK, pb.PPK = ppkOf(optionalPPK, "p", "s"), ppkOf(optionalPPK, "p", "s")
	}
	for name, change := range map[string]func(pa, pb *Peer){"raw": raw, "certificates": certs} {
		var first []byte
		for range 3 {
			w := newWorld(t, 3)
			x, _ := pair(w, change)
			var sent []byte
			w.filter = func(p *packet) bool { sent = append(sent, p.ike...); return true }
			x.connect()
			w.run(time.Second)
			w.quiet()
			if first == nil {
				first = sent
			}
			if string(first) != string(sent) {
				t.Errorf("%s: the same seed sent other bytes", name)
			}
		}
	}
}

// TestExpensiveChains: of what a stranger sends, only so much is worth a signature check.
func TestExpensiveChains(t *testing.T) {
	sub := testpki.Root(t, "sub", testKey(t, "ed25519", "s")).Cert
	if got := usableIssuers([]*x509.Certificate{sub, sub, sub}); len(got) != 1 {
		t.Errorf("%d certificates of one key are tried", len(got))
	}
	two := testpki.Root(t, "sub", testKey(t, "ed25519", "t")).Cert
	if got := usableIssuers([]*x509.Certificate{sub, two}); len(got) != 2 {
		t.Errorf("%d certificates of two keys are tried", len(got))
	}
}

// TestAuthorities holds the list for strangers: each authority once, in one order, gone
// with its last peer.
func TestAuthorities(t *testing.T) {
	one, two := testpki.Root(t, "one", testKey(t, "ed25519", "1")).Cert, testpki.Root(t, "two", testKey(t, "ed25519", "2")).Cert
	var a, b authorities
	a.add([]*x509.Certificate{one, two})
	a.add([]*x509.Certificate{one})
	b.add([]*x509.Certificate{two, one})
	if len(a.all()) != 2 || a.all()[0] != b.all()[0] || a.all()[1] != b.all()[1] {
		t.Error("the order depends on that of the peers")
	}
	a.remove([]*x509.Certificate{one, two})
	if got := a.all(); len(got) != 1 || got[0] != one {
		t.Errorf("%d left", len(got))
	}
	a.remove([]*x509.Certificate{one})
	if certificateRequest(a.sorted()) != nil {
		t.Error("asks for certificates of nobody")
	}
	many := make([]authorityHash, maxRequested+1)
	if r := certificateRequest(many)[0].(*message.CERTREQ); len(r.Authorities) != 0 {
		t.Errorf("%d bytes of authorities", len(r.Authorities))
	}
	if r := certificateRequest(many[1:])[0].(*message.CERTREQ); len(r.Authorities) != 20*maxRequested {
		t.Errorf("%d bytes of authorities", len(r.Authorities))
	}
}

package ike

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
	"vpngw/crypto/keys/testpki"
)

// testKey makes a key out of a letter: the same letter gives the same key.
func testKey(t testing.TB, kind, letter string) crypto.Signer {
	t.Helper()
	curve := elliptic.P256()
	switch kind {
	case "ed25519":
		return ed25519.NewKeyFromSeed([]byte(strings.Repeat(letter, ed25519.SeedSize)))
	case "ecdsa-p384":
		curve = elliptic.P384()
	case "ecdsa-p521":
		k, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k, err := ecdsa.ParseRawPrivateKey(curve, []byte(strings.Repeat(letter, curve.Params().BitSize/8)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var rawKinds = []string{"ed25519", "ecdsa-p256", "ecdsa-p384"}

// rawAuths are two ends with raw public keys.
func rawAuths(t testing.TB, kindA, kindB string) (a, b Auth) {
	ka, kb := testKey(t, kindA, "c"), testKey(t, kindB, "d")
	return Auth{Private: ka, PeerPublic: kb.Public()}, Auth{Private: kb, PeerPublic: ka.Public()}
}

// certAuths are two ends with certificates: a's stands under an intermediate authority,
// b's right under the root.
func certAuths(t testing.TB, kind string, a, b *Peer) {
	root := testpki.Root(t, "root", testKey(t, kind, "r"))
	sub := root.Sub(t, "sub", testKey(t, kind, "s"))
	ka, kb := testKey(t, kind, "a"), testKey(t, kind, "b")
	a.Auth = Auth{Private: ka, Chain: sub.Issue(t, "gw-a.example", ka.Public(), nil), PeerCAs: []*x509.Certificate{root.Cert}}
	b.Auth = Auth{Private: kb, Chain: root.Issue(t, "gw-b.example", kb.Public(), nil), PeerCAs: []*x509.Certificate{root.Cert}}
}

// upBothWays brings a pair up, from each side in turn.
func upBothWays(t *testing.T, change func(a, b *Peer)) {
	t.Helper()
	for _, from := range []string{"a", "b"} {
		w := newWorld(t, 1)
		a, b := pair(w, change)
		first := a
		if from == "b" {
			first = b
		}
		first.connect()
		w.until(5*time.Second, "up from "+from, func() bool { return a.ready() && b.ready() })
		w.run(time.Second)
		w.quiet()
	}
}

func TestRawKeys(t *testing.T) {
	for _, kindA := range rawKinds {
		for _, kindB := range rawKinds {
			upBothWays(t, func(a, b *Peer) { a.Auth, b.Auth = rawAuths(t, kindA, kindB) })
		}
	}
}

func TestCertificates(t *testing.T) {
	for _, kind := range rawKinds {
		upBothWays(t, func(a, b *Peer) { certAuths(t, kind, a, b) })
	}
}

// TestCertificateIdentities has an identity of every kind that a certificate can hold.
func TestCertificateIdentities(t *testing.T) {
	for _, name := range []string{"gw-b.example", "192.0.2.2", "2001:db8::2", "gw@b.example", "C=CH, O=Example, CN=gw-b", "c=ch,o=EXAMPLE,cn=GW-B"} {
		upBothWays(t, func(a, b *Peer) {
			certAuths(t, "ed25519", a, b)
			root := testpki.Root(t, "root", testKey(t, "ed25519", "r"))
			in := name
			if strings.Contains(strings.ToUpper(name), "CN=GW-B") {
				in = "gw-b"
			}
			b.Auth.Chain = root.Issue(t, in, b.Auth.Private.Public(), nil)
			b.LocalID, a.RemoteID = mustID(name), mustID(name)
			if in == "gw-b" {
				a.RemoteID = mustID("C=CH, O=Example, CN=gw-b")
				b.LocalID = a.RemoteID
			}
		})
	}
}

// TestDNInAnotherEncoding: what a peer sends as its name is its certificate's subject, in
// the string types that its authority chose.
func TestDNInAnotherEncoding(t *testing.T) {
	upBothWays(t, func(a, b *Peer) {
		certAuths(t, "ecdsa-p256", a, b)
		root := testpki.Root(t, "root", testKey(t, "ecdsa-p256", "r"))
		utf8 := func(s string) asn1.RawValue { return asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(s)} }
		subject, err := asn1.Marshal(pkix.RDNSequence{
			{{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: utf8("CH")}},
			{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: utf8("Gateway  B")}}})
		if err != nil {
			t.Fatal(err)
		}
		b.Auth.Chain = root.Issue(t, "gw-b", b.Auth.Private.Public(), func(c *x509.Certificate) { c.RawSubject = subject })
		a.RemoteID = mustID("C=CH, CN=gateway b")
		b.LocalID = a.RemoteID
	})
}

func TestKeyIDAndDNWithoutCertificates(t *testing.T) {
	for _, ids := range [][2]string{{"keyid:gw-a", "keyid:gw-b"}, {"C=CH, CN=a", "CN=b+OU=x, C=CH"}, {"192.0.2.1", "2001:db8::2"}, {"a@example", "keyid:b@example"}} {
		upBothWays(t, func(a, b *Peer) {
			a.LocalID, a.RemoteID = mustID(ids[0]), mustID(ids[1])
			b.LocalID, b.RemoteID = a.RemoteID, a.LocalID
		})
	}
}

// TestCertificateRefusals gives b a certificate that a must not take, and looks for the
// reason at a, on either side of the exchange.
func TestCertificateRefusals(t *testing.T) {
	issue := func(change func(c *x509.Certificate)) func(t *testing.T, root *testpki.CA, a, b *Peer) {
		return func(t *testing.T, root *testpki.CA, a, b *Peer) {
			b.Auth.Chain = root.Issue(t, "gw-b.example", b.Auth.Private.Public(), change)
		}
	}
	tests := []struct {
		name   string
		says   string
		change func(t *testing.T, root *testpki.CA, a, b *Peer)
	}{
		{"expired", "expired on 2025-12-31 23:00:00", issue(func(c *x509.Certificate) { c.NotAfter = time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC) })},
		{"not yet valid", "is not valid before 2026-06-01", issue(func(c *x509.Certificate) { c.NotBefore = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) })},
		{"key usage", "no digitalSignature", issue(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement })},
		{"another CA", "unknown CA C=CH, O=Example, CN=elsewhere", func(t *testing.T, _ *testpki.CA, a, b *Peer) {
			b.Auth.Chain = testpki.Root(t, "elsewhere", testKey(t, "ed25519", "e")).Issue(t, "gw-b.example", b.Auth.Private.Public(), nil)
		}},
		{"a CA of the same name", "did not sign it", func(t *testing.T, _ *testpki.CA, a, b *Peer) {
			b.Auth.Chain = testpki.Root(t, "root", testKey(t, "ed25519", "e")).Issue(t, "gw-b.example", b.Auth.Private.Public(), nil)
		}},
		{"intermediate not sent", "unknown CA C=CH, O=Example, CN=sub", func(t *testing.T, root *testpki.CA, a, b *Peer) {
			b.Auth.Chain = root.Sub(t, "sub", testKey(t, "ed25519", "s")).Issue(t, "gw-b.example", b.Auth.Private.Public(), nil)[:1]
		}},
		{"intermediate that is no CA", "which is no authority", func(t *testing.T, root *testpki.CA, a, b *Peer) {
			key := testKey(t, "ed25519", "s")
			leaf := root.Issue(t, "gw-c.example", key.Public(), nil)
			cert, err := x509.ParseCertificate(leaf[0])
			if err != nil {
				t.Fatal(err)
			}
			rogue := testpki.CA{Cert: cert, Key: key, Up: leaf}
			b.Auth.Chain = rogue.Issue(t, "gw-b.example", b.Auth.Private.Public(), nil)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, from := range []string{"a", "b"} {
				refused(t, from, tt.says, func(a, b *Peer) {
					certAuths(t, "ed25519", a, b)
					tt.change(t, testpki.Root(t, "root", testKey(t, "ed25519", "r")), a, b)
				}, nil)
			}
		})
	}
}

// refused wants a to refuse b with a reason; from is who initiates. spoil, if not nil,
// changes b's machine after its configuration was checked.
func refused(t *testing.T, from, says string, change func(a, b *Peer), spoil func(b *peer)) {
	t.Helper()
	w := newWorld(t, 1)
	a, b := pair(w, change)
	if spoil != nil {
		spoil(b.m.peers[7])
	}
	first := a
	if from == "b" {
		first = b
	}
	first.connect()
	w.run(4 * time.Second)
	why := a.m.Status(1).Reason
	if a.ready() || b.ready() || why.Code != ReasonAuth || !strings.Contains(why.Detail, says) {
		w.failf("from %s: reason %v does not say %q", from, why, says)
	}
	if theirs := b.m.Status(7).Reason; from == "b" && (theirs.Code != ReasonAuth || !strings.Contains(theirs.Detail, "AUTHENTICATION_FAILED")) {
		w.failf("b says %v", theirs)
	}
}

// TestHostileCertificates has b send what its configuration would refuse.
func TestHostileCertificates(t *testing.T) {
	root := testpki.Root(t, "root", testKey(t, "ed25519", "r"))
	tests := []struct {
		name, says string
		spoil      func(b *peer)
	}{
		{"another subjectAltName", "identity gw-b.example is not in the certificate's subjectAltName gw-x.example", func(b *peer) {
			b.Auth.Chain = root.Issue(t, "gw-x.example", b.Auth.Private.Public(), nil)
		}},
		{"no subjectAltName", "(which is empty)", func(b *peer) {
			b.Auth.Chain = root.Issue(t, "gw-b.example", b.Auth.Private.Public(), func(c *x509.Certificate) { c.DNSNames = nil })
		}},
		{"wildcard", "subjectAltName *.example", func(b *peer) {
			b.Auth.Chain = root.Issue(t, "*.example", b.Auth.Private.Public(), nil)
		}},
		{"somebody else's certificate", "ed25519 does not verify", func(b *peer) {
			b.Auth.Chain = root.Issue(t, "gw-b.example", testKey(t, "ed25519", "x").Public(), nil)
		}},
		{"none", "sent no certificate", func(b *peer) { b.Auth.Chain = nil }},
		{"too many", "sent more than 8 certificates", func(b *peer) {
			for len(b.Auth.Chain) < 9 {
				b.Auth.Chain = append(b.Auth.Chain, root.Cert.Raw)
			}
		}},
		{"too long", "sent a certificate of 9000 bytes", func(b *peer) { b.Auth.Chain = append(b.Auth.Chain, make([]byte, 9000)) }},
		{"garbage", "certificate number 1 cannot be read", func(b *peer) { b.Auth.Chain = [][]byte{[]byte("\x1b[31m")} }},
		{"P-521", "P-521: only P-256 and P-384", func(b *peer) {
			b.Auth.Chain = root.Issue(t, "gw-b.example", testKey(t, "ecdsa-p521", "").Public(), nil)
		}},
		{"RSA too short", "1024 bits", func(b *peer) {
			t.Setenv("GODEBUG", "rsa1024min=0")
			k, err := rsa.GenerateKey(rand.Reader, 1024)
			if err != nil {
				t.Fatal(err)
			}
			b.Auth.Chain = root.Issue(t, "gw-b.example", k.Public(), nil)
		}},
		{"raw key in place of a certificate", "sent no certificate", func(b *peer) { b.Auth.PeerCAs, b.Auth.PeerPublic = nil, testKey(t, "ed25519", "a").Public() }},
		{"PSK in place of a certificate", "sent no certificate", func(b *peer) { b.Auth = Auth{PSK: testPSK} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			refused(t, "b", tt.says, func(a, b *Peer) { certAuths(t, "ed25519", a, b) }, tt.spoil)
		})
	}
}

// TestExtraCertificates: more than needed, in any order behind the first, is no harm.
func TestExtraCertificates(t *testing.T) {
	root := testpki.Root(t, "root", testKey(t, "ed25519", "r"))
	other := testpki.Root(t, "other", testKey(t, "ed25519", "o"))
	upBothWays(t, func(a, b *Peer) {
		certAuths(t, "ed25519", a, b)
		a.Auth.Chain = append(a.Auth.Chain[:1:1], other.Cert.Raw, root.Cert.Raw, a.Auth.Chain[1], a.Auth.Chain[0])
		a.Auth.PeerCAs = append(a.Auth.PeerCAs, other.Cert)
	})
}

// TestSelfSignedCertificate pins a peer's own certificate in place of an authority's.
func TestSelfSignedCertificate(t *testing.T) {
	upBothWays(t, func(a, b *Peer) {
		certAuths(t, "ecdsa-p384", a, b)
		key := b.Auth.Private
		self := testpki.Root(t, "self", key)
		self.Cert.RawSubject = nil
		der := self.Issue(t, "gw-b.example", key.Public(), func(c *x509.Certificate) { c.Subject = self.Cert.Subject })
		cert, err := x509.ParseCertificate(der[0])
		if err != nil {
			t.Fatal(err)
		}
		b.Auth.Chain, a.Auth.PeerCAs = der, []*x509.Certificate{cert}
	})
}

// TestMixedKinds refuses a peer that proves itself in another way than configured.
func TestMixedKinds(t *testing.T) {
	kinds := map[string]func(a, b *Peer){
		"psk":         func(a, b *Peer) {},
		"ed25519":     func(a, b *Peer) { a.Auth, b.Auth = rawAuths(t, "ed25519", "ed25519") },
		"ecdsa-p256":  func(a, b *Peer) { a.Auth, b.Auth = rawAuths(t, "ecdsa-p256", "ecdsa-p256") },
		"ecdsa-p384":  func(a, b *Peer) { a.Auth, b.Auth = rawAuths(t, "ecdsa-p384", "ecdsa-p384") },
		"certificate": func(a, b *Peer) { certAuths(t, "ed25519", a, b) },
	}
	for nameA, makeA := range kinds {
		for nameB, makeB := range kinds {
			if nameA == nameB {
				continue
			}
			says := "expected " + nameA
			switch {
			case nameA == "certificate":
				says = "sent no certificate"
			case nameA == "ed25519" && nameB == "certificate":
				says = "does not verify" // both sign with Ed25519
			case strings.HasPrefix(nameA, "ecdsa") && strings.HasPrefix(nameB, "ecdsa"):
				says = "does not verify" // the algorithm does not name the curve
			}
			mixed := func(a, b *Peer) {
				otherA, otherB := *a, *b
				makeA(a, &otherB)
				makeB(&otherA, b)
			}
			refused(t, "b", says, mixed, nil)
			refused(t, "a", "AUTHENTICATION_FAILED", mixed, nil)
		}
	}
}

// TestHashChoice wants the hash that suits the curve among those that a peer announced,
// and RFC 4754 where it announced none.
func TestHashChoice(t *testing.T) {
	set := func(hs ...message.HashAlgorithm) (out hashSet) {
		return announced([]message.Payload{&message.Notify{Type: message.NotifySignatureHashAlgorithms, Data: message.MarshalHashAlgorithms(hs...)}})
	}
	for _, tt := range []struct {
		kind      string
		known     hashSet
		method    message.AuthMethod
		algorithm string
	}{
		{"ecdsa-p256", set(message.HashSHA256, message.HashSHA384, message.HashSHA512, message.HashIdentity), message.AuthDigitalSignature, message.AlgorithmECDSAWithSHA256},
		{"ecdsa-p384", set(message.HashSHA256, message.HashSHA384, message.HashSHA512), message.AuthDigitalSignature, message.AlgorithmECDSAWithSHA384},
		{"ecdsa-p256", set(message.HashSHA512, message.HashSHA384), message.AuthDigitalSignature, message.AlgorithmECDSAWithSHA384},
		{"ecdsa-p384", set(message.HashSHA512, message.HashSHA256), message.AuthDigitalSignature, message.AlgorithmECDSAWithSHA512},
		{"ecdsa-p384", set(message.HashSHA256), message.AuthDigitalSignature, message.AlgorithmECDSAWithSHA256},
		{"ecdsa-p256", 0, message.AuthECDSA256, ""},
		{"ecdsa-p384", set(message.HashSHA1, 4711), message.AuthECDSA384, ""},
		{"ed25519", 0, message.AuthDigitalSignature, message.AlgorithmEd25519},
	} {
		key := testKey(t, tt.kind, "k")
		auth, err := signOctets(key, tt.known, []byte("octets"))
		if err != nil || auth.Method != tt.method {
			t.Errorf("%s with %b: %v, %v", tt.kind, tt.known, auth, err)
			continue
		}
		if algorithm, _, _ := message.SplitSignature(auth.Data); tt.algorithm != "" && algorithm != tt.algorithm {
			t.Errorf("%s with %b: %x", tt.kind, tt.known, algorithm)
		}
		again, err := signOctets(key, tt.known, []byte("octets"))
		if err != nil || string(again.Data) != string(auth.Data) {
			t.Errorf("%s signs in another way each time", tt.kind)
		}
		if err := verifySignature(key.Public(), auth, []byte("octets")); err != nil {
			t.Errorf("%s with %b: %v", tt.kind, tt.known, err)
		}
		if verifySignature(key.Public(), auth, []byte("octetz")) == nil || verifySignature(testKey(t, tt.kind, "l").Public(), auth, []byte("octets")) == nil {
			t.Errorf("%s with %b: verifies for other octets or another key", tt.kind, tt.known)
		}
	}
}

// TestPlainECDSA runs the exchange of RFC 4754 between two of us that announce no hashes.
func TestPlainECDSA(t *testing.T) {
	for _, kind := range []string{"ecdsa-p256", "ecdsa-p384"} {
		w := newWorld(t, 1)
		a, b := pair(w, func(a, b *Peer) { a.Auth, b.Auth = rawAuths(t, kind, kind) })
		a.connect()
		w.until(time.Second, "IKE_SA_INIT", func() bool { return only(b) != nil })
		only(b).hs.hashes = 0
		w.until(5*time.Second, "up", a.ready)
		w.quiet()
	}
}

// TestRSA verifies what RSA keys of certificates sign.
func TestRSA(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	octets := []byte("octets")
	// RFC 7427 appendix A.1.2 and A.4.3.
	pkcs1 := unhex("300d06092a864886f70d01010b0500")
	pss := unhex("304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120")
	pssSHA1 := unhex("300d06092a864886f70d01010a3000")
	sha1 := unhex("300d06092a864886f70d0101050500")
	plain, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, digest(crypto.SHA256, octets))
	if err != nil {
		t.Fatal(err)
	}
	salted, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, digest(crypto.SHA256, octets), &rsa.PSSOptions{SaltLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name                 string
		algorithm, signature []byte
		good                 bool
	}{
		{"PKCS #1", pkcs1, plain, true}, {"PSS", pss, salted, true},
		{"PSS said, PKCS #1 made", pss, plain, false}, {"PKCS #1 said, PSS made", pkcs1, salted, false},
		{"SHA-1", sha1, plain, false}, {"PSS with SHA-1", pssSHA1, salted, false}, {"no algorithm", []byte{5, 0}, plain, false},
	} {
		data, err := message.JoinSignature(string(tt.algorithm), tt.signature)
		if err != nil {
			t.Fatal(err)
		}
		auth := &message.AUTH{Method: message.AuthDigitalSignature, Data: data}
		if err := verifySignature(k.Public(), auth, octets); (err == nil) != tt.good {
			t.Errorf("%s: %v", tt.name, err)
		}
		if verifySignature(k.Public(), auth, []byte("octetz")) == nil {
			t.Errorf("%s: other octets verify", tt.name)
		}
	}
}

// TestStrangersAreChecked: an unknown identity with a certificate costs what a known one
// does, and is refused.
func TestStrangersAreChecked(t *testing.T) {
	for _, kind := range append(rawKinds, "certificate", "psk") {
		w := newWorld(t, 1)
		a, b := pair(w, func(a, b *Peer) {
			switch kind {
			case "psk":
			case "certificate":
				certAuths(t, "ed25519", a, b)
			default:
				a.Auth, b.Auth = rawAuths(t, kind, kind)
			}
			b.RemoteID = mustID("gw-z.example")
		})
		a.connect()
		w.run(2 * time.Second)
		if a.ready() || b.ready() || !strings.Contains(a.m.Status(1).Reason.Detail, "AUTHENTICATION_FAILED") {
			w.failf("%s: a says %v", kind, a.m.Status(1).Reason)
		}
	}
}

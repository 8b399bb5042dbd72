package ike

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

const (
	requiredPPK = "required"
	optionalPPK = "optional"
	noPPK       = "none"
)

// ppkOf makes the PPK of one side.
func ppkOf(how, id, secret string) PPK {
	if how == noPPK {
		return PPK{}
	}
	return PPK{ID: id, Secret: []byte(strings.Repeat(secret, 32)), Required: how == requiredPPK}
}

// TestPPK has every mixture of PPKs that are there or not, required or not, the same or
// not: what comes up must be protected whenever both have it.
func TestPPK(t *testing.T) {
	for _, howA := range []string{requiredPPK, optionalPPK, noPPK} {
		for _, howB := range []string{requiredPPK, optionalPPK, noPPK} {
			for _, theirs := range []string{"same", "id", "secret"} {
				for _, kind := range []string{"psk", "ecdsa-p256", "certificate"} {
					t.Run(strings.Join([]string{howA, howB, theirs, kind}, "/"), func(t *testing.T) { ppkCase(t, howA, howB, theirs, kind) })
				}
			}
		}
	}
}

func ppkCase(t *testing.T, howA, howB, theirs, kind string) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) {
		switch kind {
		case "psk":
		case "certificate":
			certAuths(t, "ed25519", a, b)
		default:
			a.Auth, b.Auth = rawAuths(t, kind, kind)
		}
		a.PPK, b.PPK = ppkOf(howA, "ppk-1", "s"), ppkOf(howB, "ppk-1", "s")
		switch {
		case theirs == "id" && howB != noPPK:
			b.PPK.ID = "ppk-2"
		case theirs == "secret" && howB != noPPK:
			b.PPK.Secret = []byte(strings.Repeat("t", 32))
		}
	})
	both := howA != noPPK && howB != noPPK
	up := both || howA != requiredPPK && howB != requiredPPK
	mixed := both
	if both && theirs == "id" { // b knows no such PPK: only both sides' leave may do without
		up, mixed = howA == optionalPPK && howB == optionalPPK, false
	}
	if both && theirs == "secret" { // nothing tells b that it has another one than a
		up, mixed = false, false
	}
	a.connect()
	w.run(4 * time.Second)
	if a.ready() != up || b.ready() != up {
		w.failf("up: %v at a, %v at b, want %v; %v and %v", a.ready(), b.ready(), up, a.m.Status(1).Reason, b.m.Status(7).Reason)
	}
	if !up {
		why := a.m.Status(1).Reason
		if why.Code != ReasonAuth && why.Code != ReasonNoResponse {
			w.failf("reason at a: %v", why)
		}
		if (howA == requiredPPK || both) && !strings.Contains(why.Detail, `PPK "ppk-1"`) {
			w.failf("the reason at a does not name its PPK: %v", why)
		}
		if b.m.peers[7].PPK.Required && howA != requiredPPK && !strings.Contains(b.m.Status(7).Reason.Detail, "PPK") {
			w.failf("the reason at b does not name its PPK: %v", b.m.Status(7).Reason)
		}
		return
	}
	w.quiet()
	for _, n := range []*node{a, b} {
		suffix := ""
		if has := n.peers[0].PPK.isSet(); mixed {
			suffix = "-ppk"
		} else if has {
			suffix = "-without-ppk"
		}
		if suite := n.m.Status(n.peers[0].ID).Suite; suite != "aes256gcm16-prfsha256-x25519"+suffix {
			w.failf("%s shows suite %s", n.name, suite)
		}
	}
	keys := func(n *node) ikeKeys { return n.m.peers[n.peers[0].ID].sas[0].keys }
	if !bytes.Equal(keys(a).d, keys(b).d) {
		w.failf("SK_d differs")
	}
	a.soft()
	w.run(10 * time.Second)
	w.quiet()
}

// TestMixPPK compares with RFC 8784 §3 spelt out: SK_d = prf+ (PPK, SK_d') and likewise
// SK_pi and SK_pr; nothing else changes.
func TestMixPPK(t *testing.T) {
	k := ikeKeys{d: []byte("SK_d"), ei: []byte("SK_ei"), er: []byte("SK_er"), pi: []byte("SK_pi"), pr: []byte("SK_pr")}
	ppk := []byte("post-quantum pre-shared key")
	mixed := k.mix(PRFSHA256, ppk)
	for _, c := range []struct{ got, from []byte }{{mixed.d, k.d}, {mixed.pi, k.pi}, {mixed.pr, k.pr}} {
		h := hmac.New(sha256.New, ppk)
		h.Write(c.from)
		h.Write([]byte{1})
		if !bytes.Equal(c.got, h.Sum(nil)) {
			t.Errorf("%s gives %x", c.from, c.got)
		}
	}
	if !bytes.Equal(mixed.ei, k.ei) || !bytes.Equal(mixed.er, k.er) || string(k.d) != "SK_d" {
		t.Error("other keys changed")
	}
}

// TestPPKReasons has what only a peer that breaks RFC 8784 does, and the words for it.
func TestPPKReasons(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) { a.PPK, b.PPK = ppkOf(requiredPPK, "ours", "s"), ppkOf(requiredPPK, "theirs", "s") })
	a.connect()
	w.run(2 * time.Second)
	if why := b.m.Status(7).Reason.Detail; !strings.Contains(why, `names the PPK "ours", but PPK "theirs" is required`) {
		t.Errorf("b says %q", why)
	}
	// The responder answers without the PPK, by whatever AUTH.
	s := &sa{ppk: true, peer: a.m.peers[1], hs: &handshake{plain: ikeKeys{d: []byte("plain")}}}
	if why := s.finishPPK(nil); why.Code != ReasonAuth || !s.ppk || !strings.Contains(why.Detail, "answers without PPK") {
		t.Errorf("an answer without the required PPK: %v", why)
	}
	s.peer.PPK.Required = false
	if why := s.finishPPK(nil); why.Code != ReasonNone || s.ppk || string(s.keys.d) != "plain" {
		t.Errorf("an answer without the optional PPK: %v", why)
	}
}

// TestPPKPayloads looks at what goes over the wire.
func TestPPKPayloads(t *testing.T) {
	p := PPK{ID: "ppk-1", Secret: make([]byte, 32)}
	if n := p.identity(); !bytes.Equal(n.Data, []byte("\x02ppk-1")) || !p.isNamed(n) {
		t.Errorf("PPK_IDENTITY is %x", n.Data)
	}
	for _, data := range []string{"", "\x02", "\x01ppk-1", "\x02ppk-1\x00", "\x02ppk-2", "ppk-1"} {
		if p.isNamed(&message.Notify{Data: []byte(data)}) {
			t.Errorf("%q names the PPK", data)
		}
	}
	if (&PPK{}).isNamed(&message.Notify{Data: []byte{2}}) {
		t.Error("no PPK has the empty name")
	}
	for n := range 70 {
		if s := ppkName(&message.Notify{Data: bytes.Repeat([]byte{2}, n*1000)}); len(s) > 1200 {
			t.Errorf("%d bytes are printed as %d", n*1000, len(s))
		}
	}
}

func TestPPKValidate(t *testing.T) {
	good := make([]byte, 32)
	for _, tt := range []struct {
		ppk  PPK
		says string
	}{
		{PPK{}, ""}, {PPK{ID: "x", Secret: good, Required: true}, ""}, {PPK{ID: "x", Secret: good[:16]}, ""},
		{PPK{ID: "x", Secret: good[:15]}, "under 128 bits"}, {PPK{Secret: good}, "id has 0 bytes"},
		{PPK{ID: strings.Repeat("x", 256), Secret: good}, "id has 256 bytes"}, {PPK{ID: "x"}, "no secret"}, {PPK{Required: true}, "no secret"},
	} {
		err := tt.ppk.validate()
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v with %d bytes: %v", tt.ppk, len(tt.ppk.Secret), err)
		}
		if strings.Contains(fmt.Sprintf("%v%+v%#v", tt.ppk, tt.ppk, tt.ppk), "0 0 0") {
			t.Errorf("the secret is printed: %#v", tt.ppk)
		}
	}
}

// TestPPKStripped: who removes USE_PPK on the way gains nothing where the PPK is required,
// and is found out by AUTH where it is not.
func TestPPKStripped(t *testing.T) {
	for _, how := range []string{requiredPPK, optionalPPK} {
		w := newWorld(t, 1)
		a, b := pair(w, func(a, b *Peer) { a.PPK, b.PPK = ppkOf(how, "p", "s"), ppkOf(how, "p", "s") })
		use, err := message.Marshal(&message.Message{Header: message.Header{Version: message.Version2}, Payloads: []message.Payload{usePPKNotify()}})
		if err != nil {
			t.Fatal(err)
		}
		use = use[28+4:] // behind the payload's generic header
		stripped := 0
		w.filter = func(p *packet) bool {
			if p.ike != nil && p.ike[18] == byte(message.ExchangeIKESAInit) {
				// Another type of notify, which means nothing.
				if i := bytes.Index(p.ike, use); i >= 0 {
					p.ike = bytes.Clone(p.ike)
					p.ike[i+2] = 0xf0
					stripped++
				}
			}
			return true
		}
		a.connect()
		w.run(5 * time.Second)
		if stripped == 0 || a.ready() || b.ready() {
			w.failf("%s: %d stripped, up %v and %v", how, stripped, a.ready(), b.ready())
		}
	}
}

package ike

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"

	"vpngw/crypto/ike/message"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// TestGroupVectors are RFC 5903 §8.1 and §8.2, and RFC 7748 §6.1.
func TestGroupVectors(t *testing.T) {
	tests := []struct {
		group                Group
		i, gi, r, gr, secret string
	}{
		{P256,
			"C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
			"DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180 5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
			"C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
			"D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63 56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
			"D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"},
		{P384,
			"099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
			"667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95F41AA 9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DAE69B4C634573A81C",
			"41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942E0308312916B8ED2960E4BD55A7448FC",
			"E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571 DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
			"11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746"},
		{X25519,
			"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
			"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
			"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
			"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	}
	for _, tt := range tests {
		i, err := tt.group.newPrivate(bytes.NewReader(unhex(tt.i)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := tt.group.newPrivate(bytes.NewReader(unhex(tt.r)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(publicValue(i), unhex(tt.gi)) || !bytes.Equal(publicValue(r), unhex(tt.gr)) {
			t.Errorf("%v: wrong public value", tt.group)
		}
		for _, half := range []struct {
			k    *ecdh.PrivateKey
			peer string
		}{{i, tt.gr}, {r, tt.gi}} {
			got, err := tt.group.shared(half.k, unhex(half.peer))
			if err != nil || !bytes.Equal(got, unhex(tt.secret)) {
				t.Errorf("%v: secret %x, %v", tt.group, got, err)
			}
		}
	}
}

// TestGroupWycheproof gives shared the vectors' public values in the form that IKE has,
// and others that it must refuse.
func TestGroupWycheproof(t *testing.T) {
	for file, g := range map[string]Group{
		"x25519_test.json": X25519, "ecdh_secp256r1_ecpoint_test.json": P256, "ecdh_secp384r1_ecpoint_test.json": P384,
	} {
		b, err := fs.ReadFile(wycheproof.TestVectors, file)
		if err != nil {
			t.Fatal(err)
		}
		var list struct {
			TestGroups []struct {
				Tests []struct {
					TCID                            int `json:"tcId"`
					Public, Private, Shared, Result string
				}
			}
		}
		if err := json.Unmarshal(b, &list); err != nil {
			t.Fatal(err)
		}
		good, bad := 0, 0
		for _, group := range list.TestGroups {
			for _, v := range group.Tests {
				private, public := unhex(v.Private), unhex(v.Public)
				if g != X25519 {
					if len(public) == 0 || public[0] != pointPrefix {
						continue // compressed points have no form in IKE
					}
					public = public[1:]
					private = append(make([]byte, 64), private...)
					private = private[len(private)-g.privateLen():]
				}
				k, err := g.curve().NewPrivateKey(private)
				if err != nil {
					t.Fatalf("%s %d: %v", file, v.TCID, err)
				}
				secret, err := g.shared(k, public)
				switch {
				case err == nil && v.Result != "invalid":
					good++
					if !bytes.Equal(secret, unhex(v.Shared)) {
						t.Errorf("%s %d: secret %x", file, v.TCID, secret)
					}
				case err == nil:
					t.Errorf("%s %d: accepted", file, v.TCID)
				case v.Result == "valid":
					t.Errorf("%s %d: %v", file, v.TCID, err)
				default:
					bad++
				}
			}
		}
		if good < 100 || bad == 0 {
			t.Errorf("%s: only %d good and %d bad vectors", file, good, bad)
		}
	}
}

// TestSeedGivesKey holds the groups to using the bytes of Rand and no others.
func TestSeedGivesKey(t *testing.T) {
	for _, g := range allGroups {
		seed := bytes.Repeat([]byte{7}, g.privateLen())
		a, errA := g.newPrivate(bytes.NewReader(seed))
		b, errB := g.newPrivate(bytes.NewReader(seed))
		if errA != nil || errB != nil || !bytes.Equal(publicValue(a), publicValue(b)) {
			t.Errorf("%v: %v %v, keys differ", g, errA, errB)
		}
		if _, err := g.newPrivate(bytes.NewReader(seed[1:])); err == nil {
			t.Errorf("%v: a key of too few bytes", g)
		}
	}
	for _, g := range []Group{P256, P384} {
		if _, err := g.newPrivate(bytes.NewReader(make([]byte, 8*48))); err == nil {
			t.Errorf("%v: a key of zeros", g)
		}
	}
}

// TestPRFPlus compares with RFC 5869's HKDF-Expand, which is prf+ under another name.
func TestPRFPlus(t *testing.T) {
	prk := unhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
	okm := unhex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
	if got := PRFSHA256.expand(prk, 42, unhex("f0f1f2f3f4"), unhex("f5f6f7f8f9")); !bytes.Equal(got, okm) {
		t.Errorf("RFC 5869 A.1: %x", got)
	}
	for _, f := range allPRFs {
		for _, n := range []int{0, 1, 31, 32, 33, 64, 200, 255 * f.size()} {
			want, err := hkdf.Expand(f.hash(), prk, "seed", n)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.expand(prk, n, []byte("se"), []byte("ed")); !bytes.Equal(got, want) {
				t.Errorf("%v, %d bytes: differs from HKDF", f, n)
			}
		}
	}
}

// TestPSKAuth spells RFC 7296 §2.15 out with nothing but HMAC.
func TestPSKAuth(t *testing.T) {
	mac := func(key []byte, data ...[]byte) []byte {
		h := hmac.New(sha256.New, key)
		for _, d := range data {
			h.Write(d)
		}
		return h.Sum(nil)
	}
	init, nonce, skp, id := []byte("message"), []byte("nonce"), []byte("SK_pi"), []byte{2, 0, 0, 0, 'x'}
	want := mac(mac(testPSK, []byte("Key Pad for IKEv2")), init, nonce, mac(skp, id))
	octets := signedOctets(PRFSHA256, init, nonce, skp, id)
	a := Auth{PSK: testPSK}
	got, err := a.sign(PRFSHA256, 0, octets)
	if err != nil || got.Method != message.AuthSharedKey || !bytes.Equal(got.Data, want) {
		t.Errorf("AUTH %x, %v", got.Data, err)
	}
	if err := a.verify(PRFSHA256, &claim{auth: got}, octets); err != nil {
		t.Error(err)
	}
}

const allHashes hashSet = 0xff

// TestAuthVerify changes every byte of AUTH and of what it covers.
func TestAuthVerify(t *testing.T) {
	keyA, keyB := keyAuths()
	for _, ends := range [][2]Auth{{{PSK: testPSK}, {PSK: testPSK}}, {keyA, keyB}} {
		octets := []byte("octets")
		auth, err := ends[0].sign(PRFSHA256, allHashes, octets)
		if err != nil {
			t.Fatal(err)
		}
		if err := ends[1].verify(PRFSHA256, &claim{auth: auth}, octets); err != nil {
			t.Fatalf("%v: %v", ends[0], err)
		}
		for i := range auth.Data {
			bad := &message.AUTH{Method: auth.Method, Data: bytes.Clone(auth.Data)}
			bad.Data[i] ^= 1
			if ends[1].verify(PRFSHA256, &claim{auth: bad}, octets) == nil {
				t.Errorf("%v: byte %d does not matter", ends[0], i)
			}
			if ends[1].verify(PRFSHA256, &claim{auth: &message.AUTH{Method: auth.Method, Data: auth.Data[:i]}}, octets) == nil {
				t.Errorf("%v: %d bytes are enough", ends[0], i)
			}
		}
		for m := range 256 {
			bad := &message.AUTH{Method: message.AuthMethod(m), Data: auth.Data}
			if bad.Method != auth.Method && ends[1].verify(PRFSHA256, &claim{auth: bad}, octets) == nil {
				t.Errorf("method %d accepted", m)
			}
		}
		if ends[1].verify(PRFSHA256, &claim{auth: auth}, []byte("octetz")) == nil {
			t.Error("other octets accepted")
		}
	}
}

// TestRawPublicKey compares with crypto/x509's SubjectPublicKeyInfo.
func TestRawPublicKey(t *testing.T) {
	a, _ := keyAuths()
	public := a.Private.Public().(ed25519.PublicKey)
	want, err := x509.MarshalPKIXPublicKey(public)
	if err != nil || !bytes.Equal(rawPublicKey(public), want) {
		t.Errorf("%x, want %x (%v)", rawPublicKey(public), want, err)
	}
	sent := func(k []byte, e message.CertEncoding) []message.Payload {
		return []message.Payload{&message.CERT{Encoding: e, Data: k}}
	}
	if err := a.sentKeys(sent(rawPublicKey(a.PeerPublic), message.CertRawPublicKey)); err != nil {
		t.Error(err)
	}
	if a.sentKeys(sent(rawPublicKey(public), message.CertRawPublicKey)) == nil {
		t.Error("another key was sent, and accepted")
	}
	if err := a.sentKeys(sent([]byte("certificate"), message.CertX509Signature)); err != nil {
		t.Errorf("what is not a raw key is to be ignored: %v", err)
	}
}

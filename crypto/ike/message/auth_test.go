package message

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
	"testing"
)

func FuzzAUTH(f *testing.F) {
	fuzzBody(f, PayloadAUTH, "\x0e\x00\x00\x00\x07"+AlgorithmEd25519+"signature")
}

func TestAuthMalformed(t *testing.T) {
	checkBad(t, PayloadAUTH, []badBody{
		{"empty", "", 0, "needs 1 bytes"},
		{"no data", "\x02\x00\x00\x00", 4, "no authentication data"},
	})
	checkUnsendable(t, "no data", &AUTH{Method: AuthSharedKey})
}

func TestSignature(t *testing.T) {
	data, err := JoinSignature(AlgorithmEd25519, []byte("signature"))
	if want := "\x07" + AlgorithmEd25519 + "signature"; err != nil || string(data) != want {
		t.Fatalf("got %x, %v, want %x", data, err, want)
	}
	alg, sig, err := SplitSignature(data)
	if err != nil || alg != AlgorithmEd25519 || string(sig) != "signature" {
		t.Errorf("got %x, %q, %v", alg, sig, err)
	}
	for n := range 1 + len(AlgorithmEd25519) + 1 {
		var e *Error
		if _, _, err := SplitSignature(data[:n]); !errors.As(err, &e) || e.Payload != PayloadAUTH {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, _, err := SplitSignature([]byte("\x00signature")); err == nil {
		t.Error("no algorithm identifier, but no error")
	}
	for _, alg := range []string{"", strings.Repeat("x", 256)} {
		if _, err := JoinSignature(alg, []byte("signature")); err == nil {
			t.Errorf("algorithm identifier of %d bytes was joined", len(alg))
		}
	}
}

// TestAlgorithmIdentifiers compares the constants with what encoding/asn1
// makes of the object identifiers.
func TestAlgorithmIdentifiers(t *testing.T) {
	for want, oid := range map[string]asn1.ObjectIdentifier{
		AlgorithmEd25519:         {1, 3, 101, 112},
		AlgorithmEd448:           {1, 3, 101, 113},
		AlgorithmECDSAWithSHA256: {1, 2, 840, 10045, 4, 3, 2},
		AlgorithmECDSAWithSHA384: {1, 2, 840, 10045, 4, 3, 3},
		AlgorithmECDSAWithSHA512: {1, 2, 840, 10045, 4, 3, 4},
	} {
		got, err := asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: oid})
		if err != nil || !bytes.Equal(got, []byte(want)) {
			t.Errorf("%v: %x, %v, want %x", oid, got, err, want)
		}
	}
}

func TestHashAlgorithms(t *testing.T) {
	b := MarshalHashAlgorithms(HashSHA256, HashIdentity)
	if !bytes.Equal(b, []byte{0, 2, 0, 5}) {
		t.Errorf("got %x", b)
	}
	hs, err := ParseHashAlgorithms(b)
	if err != nil || !slices.Equal(hs, []HashAlgorithm{HashSHA256, HashIdentity}) {
		t.Errorf("got %v, %v", hs, err)
	}
	if hs, err := ParseHashAlgorithms(b[:3]); err == nil {
		t.Errorf("three bytes gave %v", hs)
	}
}

package message

import "testing"

func FuzzKE(f *testing.F) {
	fuzzBody(f, PayloadKE, "\x00\x1f\x00\x00"+"0123456789abcdef0123456789abcdef")
}

func TestKEMalformed(t *testing.T) {
	checkBad(t, PayloadKE, []badBody{
		{"empty", "", 0, "needs 2 bytes"},
		{"group only", "\x00\x1f", 2, "needs 2 bytes"},
		{"no data", "\x00\x1f\x00\x00", 4, "no key exchange data"},
	})
	checkUnsendable(t, "no data", &KE{Group: KECurve25519})
}

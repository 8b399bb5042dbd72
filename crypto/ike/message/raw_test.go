package message

import "testing"

func FuzzVendorID(f *testing.F) { fuzzBody(f, PayloadVendorID, "") }
func FuzzCP(f *testing.F)       { fuzzBody(f, PayloadCP, "") }
func FuzzEAP(f *testing.F)      { fuzzBody(f, PayloadEAP, "") }
func FuzzUnknown(f *testing.F)  { fuzzBody(f, 200, "") }

func TestRawUnsendable(t *testing.T) {
	checkUnsendable(t, "type 0", &Raw{Type: PayloadNone})
	checkUnsendable(t, "SK", &Raw{Type: PayloadSK, Body: []byte("iv, text and icv")})
	checkUnsendable(t, "SKF", &Raw{Type: PayloadSKF, Body: []byte("\x00\x01\x00\x01")})
}

package message

import "testing"

func FuzzCERT(f *testing.F)    { fuzzBody(f, PayloadCERT, "\x04") }
func FuzzCERTREQ(f *testing.F) { fuzzBody(f, PayloadCERTREQ, "\x0f") }

func TestCertMalformed(t *testing.T) {
	checkBad(t, PayloadCERT, []badBody{{"empty", "", 0, "needs 1 bytes"}})
	checkBad(t, PayloadCERTREQ, []badBody{{"empty", "", 0, "needs 1 bytes"}})
}

package message

import (
	"strings"
	"testing"
)

func FuzzNonce(f *testing.F) { fuzzBody(f, PayloadNonce, strings.Repeat("n", MaxNonce), "short") }

func TestNonceLength(t *testing.T) {
	for n := range 300 {
		body := strings.Repeat("n", n)
		if n >= 16 && n <= 256 {
			if _, err := Parse(one(PayloadNonce, 0, body)); err != nil {
				t.Errorf("%d bytes: %v", n, err)
			}
			continue
		}
		checkBad(t, PayloadNonce, []badBody{{"length", body, 0, "not 16 to 256"}})
		checkUnsendable(t, "length", &Nonce{Data: []byte(body)})
	}
}

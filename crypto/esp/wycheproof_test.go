package esp

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
)

// The vectors run through newSA, as an SA's own AEAD is made. The key takes the
// first bytes of each nonce as its salt.
func TestWycheproof(t *testing.T) {
	for _, file := range []struct {
		name    string
		suites  map[int]Suite // by key bits
		atLeast int           // vectors run, so that a filter gone wrong shows
	}{
		{"aes_gcm_test.json", map[int]Suite{128: AES128GCM, 256: AES256GCM}, 120},
		{"chacha20_poly1305_test.json", map[int]Suite{256: ChaCha20Poly1305}, 300},
	} {
		t.Run(file.name, func(t *testing.T) {
			data, err := fs.ReadFile(wycheproof.TestVectors, file.name)
			if err != nil {
				t.Fatal(err)
			}
			var vectors struct {
				TestGroups []struct {
					IVSize, KeySize, TagSize int
					Tests                    []wycheproofTest
				}
			}
			if err := json.Unmarshal(data, &vectors); err != nil {
				t.Fatal(err)
			}
			ran := 0
			for _, group := range vectors.TestGroups {
				suite, ok := file.suites[group.KeySize]
				if !ok || group.IVSize != 8*nonceLen || group.TagSize != 8*ICVLen {
					continue
				}
				for _, test := range group.Tests {
					ran++
					test.run(t, suite)
				}
			}
			if ran < file.atLeast {
				t.Fatalf("ran %d vectors, expected at least %d", ran, file.atLeast)
			}
			t.Logf("%d vectors", ran)
		})
	}
}

type wycheproofTest struct {
	TCID                           int
	Comment, Key, IV, AAD, Msg, CT string
	Tag, Result                    string
}

func (w wycheproofTest) run(t *testing.T, suite Suite) {
	nonce, aad, msg := unhex(t, w.IV), unhex(t, w.AAD), unhex(t, w.Msg)
	sealed := append(unhex(t, w.CT), unhex(t, w.Tag)...)
	a, err := newSA(suite, testSPI, append(unhex(t, w.Key), nonce[:saltLen]...), true)
	if err != nil {
		t.Fatalf("%d: %v", w.TCID, err)
	}
	copy(a.nonce[saltLen:], nonce[saltLen:])
	opened, err := a.aead.Open(nil, a.nonce[:], sealed, aad)
	if valid := w.Result == "valid"; valid != (err == nil) {
		t.Errorf("%d (%s): Open gave error %v, the vector is %s", w.TCID, w.Comment, err, w.Result)
	} else if valid && !bytes.Equal(opened, msg) {
		t.Errorf("%d (%s): opened %x, want %x", w.TCID, w.Comment, opened, msg)
	}
	if got := a.aead.Seal(nil, a.nonce[:], msg, aad); bytes.Equal(got, sealed) != (w.Result == "valid") {
		t.Errorf("%d (%s): sealed %x, the vector's %s result is %x", w.TCID, w.Comment, got, w.Result, sealed)
	}
}

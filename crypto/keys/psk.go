package keys

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
)

const (
	minPSK       = 16 // bytes: 128 bits
	generatedPSK = 32 // random bytes
)

// PSK is a pre-shared key. It prints, logs and marshals as Redacted; Bytes gives
// the key itself. The zero PSK is no key.
type PSK struct{ Secret }

// IsZero reports whether p is no key.
func (p PSK) IsZero() bool { return len(p.Bytes()) == 0 }

// LoadPSK reads a PSK: the text of the file without the final newline, byte for
// byte. It refuses one under 16 bytes and, with a *PermissionError, a file that
// others than its owner may open.
func LoadPSK(path string) (PSK, error) { return loadShared("PSK", path) }

func loadShared(what, path string) (PSK, error) {
	data, err := readSecret(path, "vpngw genpsk")
	if err != nil {
		return PSK{}, fmt.Errorf("%s: %w", what, err)
	}
	text := bytes.TrimSuffix(data, []byte("\n"))
	if len(text) < minPSK {
		return PSK{}, fmt.Errorf("%s %s: got %d bytes, under 128 bits: make one of at least %d bytes with vpngw genpsk",
			what, path, len(text), minPSK)
	}
	return PSK{NewSecret(text)}, nil
}

// GeneratePSK makes a PSK of 32 bytes from rand, normally crypto/rand.Reader,
// written as one line of base64 without a newline.
func GeneratePSK(rand io.Reader) (string, error) {
	b := make([]byte, generatedPSK)
	if _, err := io.ReadFull(rand, b); err != nil {
		return "", fmt.Errorf("cannot read %d random bytes for a PSK: %w", len(b), err)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

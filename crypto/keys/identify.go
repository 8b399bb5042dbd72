package keys

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
)

const (
	wantPrivate = "an Ed25519, ECDSA P-256 or P-384 private key in PKCS#8 PEM (make one with vpngw genkey)"
	wantPublic  = "an Ed25519, ECDSA P-256 or P-384 public key as one line of base64 (as vpngw pubkey prints it) or in SPKI PEM"
)

// FormatError says that what was read is not the kind of key wanted. It never
// holds any of what was read.
type FormatError struct {
	Want  string // what is needed, and how to get it
	Found string // what it looks like
	Err   error  // the decoder's, may be nil
}

func (e *FormatError) Error() string {
	s := fmt.Sprintf("found %s, need %s", e.Found, e.Want)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the decoder's error.
func (e *FormatError) Unwrap() error { return e.Err }

// prefixes are other tools' formats that show at their first bytes.
var prefixes = []struct{ prefix, is string }{
	{"ssh-", "what looks like an OpenSSH public key"},
	{"ecdsa-sha2-", "what looks like an OpenSSH public key"},
	{"PuTTY-User-Key-File", "what looks like a PuTTY key"},
	{"untrusted comment:", "what looks like a minisign or signify key"},
	{"AGE-SECRET-KEY-", "what looks like an age key"},
	// A DER sequence as long as an Ed25519 key, or longer than 127 bytes.
	{"\x30\x2e", "what looks like binary DER, which is not PEM"},
	{"\x30\x2a", "what looks like binary DER, which is not PEM"},
	{"\x30\x81", "what looks like binary DER, which is not PEM"},
	{"\x30\x82", "what looks like binary DER, which is not PEM"},
	{"-----BEGIN ", "a PEM block that is cut off or damaged"},
}

// identify says what data, which is not the key wanted, looks like.
func identify(data []byte) string {
	if block, _ := pem.Decode(data); block != nil {
		return identifyPEM(block)
	}
	text := string(bytes.TrimSpace(data))
	if text == "" {
		return "nothing"
	}
	for _, p := range prefixes {
		if strings.HasPrefix(text, p.prefix) {
			return p.is
		}
	}
	if strings.ContainsAny(text, "\r\n") {
		return "several lines that are not PEM"
	}
	if b, err := hex.DecodeString(text); err == nil {
		return fmt.Sprintf("%d bytes in hexadecimal", len(b))
	}
	for _, encoding := range []struct {
		*base64.Encoding
		name string
	}{
		{base64.StdEncoding.Strict(), "base64"},
		{base64.RawStdEncoding.Strict(), "base64 without its padding"},
		{base64.URLEncoding, "URL-safe base64"},
		{base64.RawURLEncoding, "URL-safe base64 without its padding"},
	} {
		if b, err := encoding.DecodeString(text); err == nil {
			if len(b) == ed25519.PublicKeySize {
				return fmt.Sprintf("%d bytes in %s, as public keys and WireGuard keys are written", len(b), encoding.name)
			}
			return fmt.Sprintf("%d bytes in %s", len(b), encoding.name)
		}
	}
	return "text that is neither PEM nor base64"
}

func identifyPEM(block *pem.Block) string {
	switch block.Type {
	case "OPENSSH PRIVATE KEY":
		return "what looks like an OpenSSH private key"
	case "RSA PRIVATE KEY":
		return "an RSA private key"
	case "RSA PUBLIC KEY":
		return "an RSA public key"
	case "EC PRIVATE KEY", "EC PARAMETERS":
		return "an ECDSA private key in SEC 1 PEM, which is not PKCS#8"
	case "DSA PRIVATE KEY":
		return "a DSA private key"
	case "ENCRYPTED PRIVATE KEY":
		return "a private key encrypted with a passphrase"
	case "CERTIFICATE", "TRUSTED CERTIFICATE":
		return "a certificate"
	case pkcs8Block:
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			return describePrivate(key)
		}
		return "a private key"
	case spkiBlock:
		if key, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			return describePublic(key)
		}
		return "a public key"
	}
	return "a PEM block of another type"
}

func describePrivate(key any) string {
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return "an Ed25519 private key"
	case *rsa.PrivateKey:
		return "an RSA private key"
	case *ecdsa.PrivateKey:
		return "an ECDSA private key on " + key.Params().Name
	case *ecdh.PrivateKey:
		return "an X25519 private key, which cannot sign"
	}
	return "a private key of another kind"
}

func describePublic(key any) string {
	switch key := key.(type) {
	case ed25519.PublicKey:
		return "an Ed25519 public key"
	case *rsa.PublicKey:
		return "an RSA public key"
	case *ecdsa.PublicKey:
		return "an ECDSA public key on " + key.Params().Name
	case *ecdh.PublicKey:
		return "an X25519 public key, which cannot verify"
	}
	return "a public key of another kind"
}

package ike

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"

	"vpngw/crypto/ike/message"
)

// Auth is how the two ends prove who they are: by a PSK, by certificates where PeerCAs
// are given (RFC 4945), or else by raw public keys (RFC 7670).
type Auth struct {
	PSK []byte // ≥ 16 bytes

	// Private signs for us, deterministically: an ed25519.PrivateKey, or an
	// *ecdsa.PrivateKey on P-256 or P-384.
	Private    crypto.Signer
	PeerPublic crypto.PublicKey // ed25519.PublicKey or *ecdsa.PublicKey

	Chain   [][]byte            // our certificates in DER: that of Private, then the intermediates
	PeerCAs []*x509.Certificate // one of them stands at the top of the peer's chain
}

// authKind is how an end authenticates.
type authKind uint8

const (
	authPSK authKind = iota
	authRawKey
	authCertificate
)

func (a *Auth) kind() authKind {
	switch {
	case a.PSK != nil:
		return authPSK
	case a.PeerCAs != nil:
		return authCertificate
	}
	return authRawKey
}

// String shows our own kind of authentication only: psk, ed25519, ecdsa-p256, ecdsa-p384
// or certificate.
func (a Auth) String() string {
	if a.kind() == authRawKey && a.Private != nil {
		return keyName(a.Private.Public())
	}
	return a.expects()
}

// expects is String for the peer's side.
func (a *Auth) expects() string {
	switch a.kind() {
	case authPSK:
		return "psk"
	case authCertificate:
		return "certificate"
	}
	return keyName(a.PeerPublic)
}

// GoString shows the kind of authentication only.
func (a Auth) GoString() string { return a.String() }

// LogValue shows the kind of authentication only.
func (a Auth) LogValue() slog.Value { return slog.StringValue(a.String()) }

// keyPad makes a PSK usable as a PRF key (RFC 7296 §2.15).
const keyPad = "Key Pad for IKEv2"

// signedOctets is what an end signs: its own INIT message, the other's nonce and
// prf(SK_p, its own ID payload body) (RFC 7296 §2.15).
func signedOctets(p PRF, init, otherNonce, skP, idBody []byte) []byte {
	out := make([]byte, 0, len(init)+len(otherNonce)+64)
	out = append(append(out, init...), otherNonce...)
	return append(out, p.sum(skP, idBody)...)
}

// signedOctets is the function of that name, ending with what an IKE_INTERMEDIATE
// exchange adds (RFC 9242 §3.3.2).
func (s *sa) signedOctets(init, otherNonce, skP, idBody []byte) []byte {
	return append(signedOctets(s.suite.prf, init, otherNonce, skP, idBody), s.hs.intAuth...)
}

// pskAuth is the AUTH data of a PSK.
func pskAuth(p PRF, psk, octets []byte) []byte {
	return p.sum(p.sum(psk, []byte(keyPad)), octets)
}

// sign makes the AUTH payload over octets, by a hash that the peer announced.
func (a *Auth) sign(p PRF, known hashSet, octets []byte) (*message.AUTH, error) {
	if a.PSK != nil {
		return &message.AUTH{Method: message.AuthSharedKey, Data: pskAuth(p, a.PSK, octets)}, nil
	}
	return signOctets(a.Private, known, octets)
}

// claim is what an end sent in IKE_AUTH to prove that it is id.
type claim struct {
	id   Identity
	auth *message.AUTH
	ps   []message.Payload // with the CERT payloads
	now  time.Time
}

// verify checks the peer's claim against what is configured for it. Errors are for our
// own log and status: a stranger learns nothing of them.
func (a *Auth) verify(p PRF, c *claim, octets []byte) error {
	switch a.kind() {
	case authPSK:
		if c.auth.Method != message.AuthSharedKey {
			return fmt.Errorf("authenticates by %v, expected psk", c.auth.Method)
		}
		if !hmac.Equal(c.auth.Data, pskAuth(p, a.PSK, octets)) {
			return fmt.Errorf("psk does not verify: is it the same PSK on both sides?")
		}
		return nil
	case authCertificate:
		return verifyCertificate(a.PeerCAs, c, octets)
	}
	if err := verifySignature(a.PeerPublic, c.auth, octets); err != nil {
		return err
	}
	return a.sentKeys(c.ps)
}

// keyName names the kind of a public key.
func keyName(k crypto.PublicKey) string {
	switch k := k.(type) {
	case ed25519.PublicKey:
		return "ed25519"
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return "ecdsa-p256"
		case 384:
			return "ecdsa-p384"
		}
	}
	return "unknown key"
}

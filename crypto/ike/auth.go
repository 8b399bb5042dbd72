package ike

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"errors"
	"io"

	"vpngw/crypto/ike/message"
)

// keyPad makes a PSK usable as a PRF key (RFC 7296 §2.15).
const keyPad = "Key Pad for IKEv2"

// spkiPrefix opens the SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 §4).
var spkiPrefix = []byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}

// errAuth says no more: the caller must not tell a stranger what was wrong.
var errAuth = errors.New("AUTH does not verify")

// signedOctets is what an end signs: its own INIT message, the other's nonce and
// prf(SK_p, its own ID payload body) (RFC 7296 §2.15).
func signedOctets(p PRF, init, otherNonce, skP, idBody []byte) []byte {
	out := make([]byte, 0, len(init)+len(otherNonce)+64)
	out = append(append(out, init...), otherNonce...)
	return append(out, p.sum(skP, idBody)...)
}

// pskAuth is the AUTH data of a PSK.
func pskAuth(p PRF, psk, octets []byte) []byte {
	return p.sum(p.sum(psk, []byte(keyPad)), octets)
}

// sign makes the AUTH payload over octets.
func (a *Auth) sign(p PRF, octets []byte) (*message.AUTH, error) {
	if a.PSK != nil {
		return &message.AUTH{Method: message.AuthSharedKey, Data: pskAuth(p, a.PSK, octets)}, nil
	}
	data, err := message.JoinSignature(message.AlgorithmEd25519, ed25519.Sign(a.Private, octets))
	return &message.AUTH{Method: message.AuthDigitalSignature, Data: data}, err
}

// verify checks the peer's AUTH against what is configured for it.
func (a *Auth) verify(p PRF, auth *message.AUTH, octets []byte) error {
	if auth.Method != a.method() {
		return errAuth
	}
	if a.PSK != nil {
		if !hmac.Equal(auth.Data, pskAuth(p, a.PSK, octets)) {
			return errAuth
		}
		return nil
	}
	algorithm, signature, err := message.SplitSignature(auth.Data)
	if err != nil || algorithm != message.AlgorithmEd25519 || len(a.PeerPublic) != ed25519.PublicKeySize ||
		!ed25519.Verify(a.PeerPublic, octets, signature) {
		return errAuth
	}
	return nil
}

// method is the AUTH method that both ends of the tunnel use.
func (a *Auth) method() message.AuthMethod {
	if a.PSK != nil {
		return message.AuthSharedKey
	}
	return message.AuthDigitalSignature
}

// rawPublicKey is a key as in a CERT payload "Raw Public Key" (RFC 7670 §3).
func rawPublicKey(k ed25519.PublicKey) []byte {
	return append(bytes.Clone(spkiPrefix), k...)
}

// sentKeys tells whether every raw public key that was sent is the configured one.
// Keys and certificates that were sent prove nothing: they are only not to differ.
func (a *Auth) sentKeys(ps []message.Payload) error {
	for c := range message.All[*message.CERT](ps) {
		if c.Encoding == message.CertRawPublicKey && a.PSK == nil &&
			!bytes.Equal(c.Data, rawPublicKey(a.PeerPublic)) {
			return errAuth
		}
	}
	return nil
}

// stranger is what an unknown identity is checked against, so that it takes the same
// path and gets the same answer as a wrong AUTH.
func stranger(rand io.Reader, method message.AuthMethod) (*Auth, error) {
	key := make([]byte, ed25519.PublicKeySize)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, err
	}
	if method == message.AuthSharedKey {
		return &Auth{PSK: key}, nil
	}
	return &Auth{PeerPublic: key}, nil
}

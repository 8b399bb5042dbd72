package ike

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"

	"vpngw/crypto/ike/message"
)

// rawPublicKey is a key as in a CERT payload "Raw Public Key" (RFC 7670 §3): the DER of
// its SubjectPublicKeyInfo; nil for a kind of key that is none of ours.
func rawPublicKey(k crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		return nil
	}
	return der
}

// sentKeys tells whether every raw public key that was sent is the configured one. Keys
// that were sent prove nothing: they are only not to differ.
func (a *Auth) sentKeys(ps []message.Payload) error {
	want := rawPublicKey(a.PeerPublic)
	for c := range message.All[*message.CERT](ps) {
		if c.Encoding == message.CertRawPublicKey && !bytes.Equal(c.Data, want) {
			return errors.New("sent another public key than the one configured")
		}
	}
	return nil
}

// certificates are our raw public key, for a peer that is told to expect it there, or
// our certificates with that of the key first; nothing with a PSK.
func (a *Auth) certificates() []message.Payload {
	switch a.kind() {
	case authPSK:
		return nil
	case authRawKey:
		return []message.Payload{&message.CERT{Encoding: message.CertRawPublicKey, Data: rawPublicKey(a.Private.Public())}}
	}
	var ps []message.Payload
	for _, der := range a.Chain {
		ps = append(ps, &message.CERT{Encoding: message.CertX509Signature, Data: der})
	}
	return ps
}

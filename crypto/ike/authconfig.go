package ike

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"

	"vpngw/crypto/identity"
)

// minPSK is 128 bits.
const minPSK = 16

// validate says what of an Auth cannot work for two identities.
func (a *Auth) validate(local, remote Identity) error {
	switch {
	case a.PSK != nil && (a.PeerPublic != nil || a.PeerCAs != nil):
		return errors.New("a PSK and keys too: give one of them")
	case a.PSK != nil && len(a.PSK) < minPSK:
		return fmt.Errorf("the PSK has %d bytes, under 128 bits: give at least %d", len(a.PSK), minPSK)
	case a.PSK != nil:
		return nil
	case a.Private == nil:
		return errors.New("neither a PSK nor a private key")
	case !isOurs(a.Private.Public()):
		return errors.New("the private key is neither Ed25519 nor ECDSA on P-256 or P-384")
	case a.PeerPublic != nil && a.PeerCAs != nil:
		return errors.New("a public key and authorities of the peer too: give one of them")
	case a.PeerCAs != nil:
		return a.validateChain(local, remote)
	case !isOurs(a.PeerPublic):
		return errors.New("no public key of the peer, Ed25519 or ECDSA on P-256 or P-384")
	}
	return nil
}

// validateChain checks our own certificates and the peer's authorities.
func (a *Auth) validateChain(local, remote Identity) error {
	if len(a.PeerCAs) == 0 {
		return errors.New("no authority of the peer")
	}
	if remote.Type == IDKeyID {
		return fmt.Errorf("the peer's identity %v stands in no certificate", remote)
	}
	if len(a.Chain) == 0 || len(a.Chain) > maxChain {
		return fmt.Errorf("%d certificates of our own: 1 to %d", len(a.Chain), maxChain)
	}
	leaf, err := x509.ParseCertificate(a.Chain[0])
	if err != nil {
		return fmt.Errorf("our certificate: %w", err)
	}
	if !samePublic(leaf.PublicKey, a.Private.Public()) {
		return fmt.Errorf("our certificate %v is not that of our private key", identity.Subject(leaf))
	}
	if err := local.InCertificate(leaf); err != nil {
		return fmt.Errorf("our certificate: %w", err)
	}
	return nil
}

// isOurs tells whether a key is of a kind that raw public keys and our own may have.
func isOurs(key crypto.PublicKey) bool {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return len(k) == ed25519.PublicKeySize
	case *ecdsa.PublicKey:
		return k != nil && (k.Curve == elliptic.P256() || k.Curve == elliptic.P384())
	}
	return false
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// needsIdentityHash tells whether we sign with Ed25519.
func (a *Auth) needsIdentityHash() bool {
	if a.PSK != nil || a.Private == nil {
		return false
	}
	_, ok := a.Private.Public().(ed25519.PublicKey)
	return ok
}

// knowAuth takes a peer's authentication in: its authorities and PPK for the answers to
// strangers, and our name just as our certificate has it.
func (m *Machine) knowAuth(p *peer) {
	m.authorities.add(p.Auth.PeerCAs)
	if p.PPK.isSet() {
		m.ppks++
	}
	if p.LocalID.Type != IDDN || len(p.Auth.Chain) == 0 {
		return
	}
	if leaf, err := x509.ParseCertificate(p.Auth.Chain[0]); err == nil {
		p.LocalID = identity.Subject(leaf)
	}
}

// forgetAuth takes it out again.
func (m *Machine) forgetAuth(p *peer) {
	m.authorities.remove(p.Auth.PeerCAs)
	if p.PPK.isSet() {
		m.ppks--
	}
}

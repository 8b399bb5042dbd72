package ike

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"io"

	"vpngw/crypto/ike/message"
)

// stranger is what an unknown identity is checked against, so that it takes the same
// path and gets the same answer as a wrong AUTH. What comes of the check is ignored.
func (m *Machine) stranger(auth *message.AUTH, ps []message.Payload) (*Auth, error) {
	if auth.Method == message.AuthSharedKey {
		psk := make([]byte, ed25519.PublicKeySize)
		_, err := io.ReadFull(m.cfg.Rand, psk)
		return &Auth{PSK: psk}, err
	}
	for c := range message.All[*message.CERT](ps) {
		if c.Encoding == message.CertX509Signature {
			return &Auth{PeerCAs: m.authorities.all()}, nil
		}
	}
	if k := ecdsaStranger(auth); k != nil {
		return &Auth{PeerPublic: k}, nil
	}
	key := make([]byte, ed25519.PublicKeySize)
	_, err := io.ReadFull(m.cfg.Rand, key)
	return &Auth{PeerPublic: ed25519.PublicKey(key)}, err
}

// ecdsaStranger is an ECDSA key of the kind that AUTH seems to be made with, or nil.
func ecdsaStranger(auth *message.AUTH) crypto.PublicKey {
	const p256Signature = 72 // bytes of DER at most
	curve := elliptic.P256()
	switch auth.Method {
	case message.AuthECDSA256:
	case message.AuthECDSA384:
		curve = elliptic.P384()
	default:
		algorithm, signature, err := message.SplitSignature(auth.Data)
		if err != nil || algorithm != message.AlgorithmECDSAWithSHA256 &&
			algorithm != message.AlgorithmECDSAWithSHA384 && algorithm != message.AlgorithmECDSAWithSHA512 {
			return nil
		}
		if len(signature) > p256Signature {
			curve = elliptic.P384()
		}
	}
	// The base point is as good a key as any.
	p, n := curve.Params(), (curve.Params().BitSize+7)/8
	point := append([]byte{pointPrefix}, make([]byte, 2*n)...)
	p.Gx.FillBytes(point[1 : 1+n])
	p.Gy.FillBytes(point[1+n:])
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil
	}
	return key
}

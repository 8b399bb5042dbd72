package ike

import (
	"crypto"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
)

// Bounds of an RSA key in bits: the upper one bounds what a stranger can make us compute.
const (
	minRSA = 2048
	maxRSA = 8192
)

// rsaAlgorithm is a signature algorithm of RSA keys (RFC 7427 appendix A.1, A.4).
type rsaAlgorithm struct {
	hash crypto.Hash
	pss  bool
	salt int // bytes, of PSS
}

// String names the algorithm.
func (a rsaAlgorithm) String() string {
	if a.pss {
		return "rsa-pss with " + a.hash.String()
	}
	return "rsa with " + a.hash.String()
}

var (
	oidPSS  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}

	rsaHashes = []struct {
		hash      crypto.Hash
		oid, with asn1.ObjectIdentifier // of the hash, and of PKCS #1 v1.5 with it
	}{
		{crypto.SHA256, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}},
		{crypto.SHA384, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}},
		{crypto.SHA512, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}},
	}
)

type algorithmIdentifier struct {
	OID        asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

// pssParameters is RSASSA-PSS-params (RFC 4055 §3.1). Its defaults are SHA-1's, so a hash
// must stand in it.
type pssParameters struct {
	Hash    algorithmIdentifier `asn1:"explicit,tag:0"`
	MGF     algorithmIdentifier `asn1:"explicit,tag:1"`
	Salt    int                 `asn1:"explicit,tag:2"`
	Trailer int                 `asn1:"optional,explicit,tag:3,default:1"`
}

// parseRSA reads an AlgorithmIdentifier with an RSA signature and SHA-256 or better.
func parseRSA(algorithm string) (rsaAlgorithm, error) {
	unknown := errors.New("no RSA signature with SHA-256, SHA-384 or SHA-512")
	var id algorithmIdentifier
	if rest, err := asn1.Unmarshal([]byte(algorithm), &id); err != nil || len(rest) > 0 {
		return rsaAlgorithm{}, unknown
	}
	for _, h := range rsaHashes {
		if id.OID.Equal(h.with) {
			return rsaAlgorithm{hash: h.hash}, nil
		}
	}
	if !id.OID.Equal(oidPSS) {
		return rsaAlgorithm{}, unknown
	}
	var p pssParameters
	var mgf algorithmIdentifier
	if rest, err := asn1.Unmarshal(id.Parameters.FullBytes, &p); err != nil || len(rest) > 0 || p.Trailer != 1 || !p.MGF.OID.Equal(oidMGF1) {
		return rsaAlgorithm{}, unknown
	}
	if rest, err := asn1.Unmarshal(p.MGF.Parameters.FullBytes, &mgf); err != nil || len(rest) > 0 || !mgf.OID.Equal(p.Hash.OID) {
		return rsaAlgorithm{}, unknown
	}
	for _, h := range rsaHashes {
		if p.Hash.OID.Equal(h.oid) && p.Salt == h.hash.Size() {
			return rsaAlgorithm{h.hash, true, p.Salt}, nil
		}
	}
	return rsaAlgorithm{}, unknown
}

// verifyRSA checks a signature of a certificate's RSA key.
func verifyRSA(k *rsa.PublicKey, algorithm string, signature, octets []byte) error {
	a, err := parseRSA(algorithm)
	if err != nil {
		return fmt.Errorf("signs with %x: %w", algorithm, err)
	}
	sum := digest(a.hash, octets)
	if a.pss {
		err = rsa.VerifyPSS(k, a.hash, sum, signature, &rsa.PSSOptions{SaltLength: a.salt, Hash: a.hash})
	} else {
		err = rsa.VerifyPKCS1v15(k, a.hash, sum, signature)
	}
	if err != nil {
		return fmt.Errorf("%v does not verify by the key of its certificate", a)
	}
	return nil
}

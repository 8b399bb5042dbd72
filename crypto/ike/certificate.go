package ike

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"vpngw/crypto/identity"
	"vpngw/crypto/ike/message"
)

// Bounds of what a peer sends.
const (
	maxChain       = 8       // certificates
	maxCertificate = 8 << 10 // bytes of each
)

// verifyCertificate checks a claim by a certificate: the sizes, then the certificate by
// itself, then AUTH, and only then the chain and the identity. So no stranger makes us
// verify more than one signature before it has made one.
func verifyCertificate(authorities []*x509.Certificate, c *claim, octets []byte) error {
	chain, err := sentChain(c.ps)
	if err != nil {
		return err
	}
	leaf := chain[0]
	if err := usableLeaf(leaf); err != nil {
		return err
	}
	if err := verifySignature(leaf.PublicKey, c.auth, octets); err != nil {
		return fmt.Errorf("certificate %v: AUTH %w", identity.Subject(leaf), err)
	}
	if err := verifyChain(authorities, chain, c.now); err != nil {
		return err
	}
	return c.id.InCertificate(leaf)
}

// sentChain reads the certificates of a message: that of the peer's key first
// (RFC 7296 §3.6).
func sentChain(ps []message.Payload) ([]*x509.Certificate, error) {
	var all [][]byte
	for p := range message.All[*message.CERT](ps) {
		if p.Encoding != message.CertX509Signature {
			continue
		}
		if len(all) == maxChain {
			return nil, fmt.Errorf("sent more than %d certificates", maxChain)
		}
		if len(p.Data) > maxCertificate {
			return nil, fmt.Errorf("sent a certificate of %d bytes: at most %d", len(p.Data), maxCertificate)
		}
		all = append(all, p.Data)
	}
	if len(all) == 0 {
		return nil, errors.New("sent no certificate")
	}
	chain := make([]*x509.Certificate, len(all))
	for i, der := range all {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate number %d cannot be read: %.200q", i+1, err.Error())
		}
		chain[i] = cert
	}
	return chain, nil
}

// usableLeaf checks what the certificate of a signing key says of that key
// (RFC 4945 §5.1.3.2).
func usableLeaf(c *x509.Certificate) error {
	const signs = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if c.KeyUsage != 0 && c.KeyUsage&signs == 0 {
		return fmt.Errorf("certificate %v: its key usage has no digitalSignature", identity.Subject(c))
	}
	if err := strongKey(c.PublicKey); err != nil {
		return fmt.Errorf("certificate %v: %w", identity.Subject(c), err)
	}
	return nil
}

// strongKey refuses keys that are too short, or that we do not know.
func strongKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
		return fmt.Errorf("its key is on %s: only P-256 and P-384 are supported", k.Params().Name)
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSA || n > maxRSA {
			return fmt.Errorf("its RSA key has %d bits: %d to %d", n, minRSA, maxRSA)
		}
		return nil
	}
	return errors.New("its key is of a kind that is not supported")
}

// usableIssuers leaves out of what a stranger sent what would make the path expensive to
// look for: RSA keys out of bounds, and of certificates for the same key of the same
// name all but the first.
func usableIssuers(sent []*x509.Certificate) []*x509.Certificate {
	type issuer struct{ subject, key string }
	seen := map[issuer]bool{}
	var out []*x509.Certificate
	for _, c := range sent {
		i := issuer{string(c.RawSubject), string(c.RawSubjectPublicKeyInfo)}
		if k, ok := c.PublicKey.(*rsa.PublicKey); seen[i] || ok && strongKey(k) != nil {
			continue
		}
		seen[i] = true
		out = append(out, c)
	}
	return out
}

// verifyChain builds a path from the first certificate over the others to one of the
// authorities (RFC 5280 §6), as of now.
func verifyChain(authorities, chain []*x509.Certificate, now time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range authorities {
		roots.AddCert(c)
	}
	for _, c := range usableIssuers(chain[1:]) {
		between.AddCert(c)
	}
	leaf := chain[0]
	paths, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return chainError(leaf, chain, now, err)
	}
	for _, path := range paths {
		weak := error(nil)
		for _, c := range path {
			if rsaKey, ok := c.PublicKey.(*rsa.PublicKey); ok && rsaKey.N.BitLen() < minRSA {
				weak = fmt.Errorf("certificate %v: %w", identity.Subject(c), strongKey(rsaKey))
			}
		}
		if weak == nil {
			return nil
		}
		err = weak
	}
	return err
}

// chainError says why there is no path, and of which certificate.
func chainError(leaf *x509.Certificate, chain []*x509.Certificate, now time.Time, err error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) {
		c := invalid.Cert
		if c == nil {
			c = leaf
		}
		if invalid.Reason != x509.Expired {
			return fmt.Errorf("certificate %v: %.200q", identity.Subject(c), invalid.Error())
		}
		return expiry(c, now)
	}
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		return fmt.Errorf("certificate %v: %.200q", identity.Subject(leaf), err.Error())
	}
	// The last one of the path that was sent is whose issuer is missing.
	last := leaf
	for range chain {
		for _, c := range chain[1:] {
			if c == last || string(c.RawSubject) != string(last.RawIssuer) || string(c.RawIssuer) == string(c.RawSubject) {
				continue
			}
			if last = c; !c.IsCA {
				return fmt.Errorf("certificate %v is issued by %v, which is no authority", identity.Subject(leaf), identity.Subject(c))
			}
		}
	}
	return fmt.Errorf("certificate %v: unknown CA %v, or one that did not sign it", identity.Subject(leaf), identity.Issuer(last))
}

// expiry tells when a certificate was or will be valid; nil where it is.
func expiry(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("certificate %v expired on %s", identity.Subject(c), c.NotAfter.UTC().Format(time.DateTime))
	case now.Before(c.NotBefore):
		return fmt.Errorf("certificate %v is not valid before %s", identity.Subject(c), c.NotBefore.UTC().Format(time.DateTime))
	}
	return nil
}

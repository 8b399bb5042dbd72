package identity

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// InCertificate tells whether a certificate is for id: by its subject where id is a
// distinguished name, else by its subjectAltName (RFC 4945 §3.1). The error says what
// the certificate has in its place.
func (id Identity) InCertificate(c *x509.Certificate) error {
	found := false
	switch id.Type {
	case DN:
		if !id.Equal(Subject(c)) {
			return fmt.Errorf("identity %v is not the certificate's subject %v", id, Subject(c))
		}
		return nil
	case KeyID:
		return fmt.Errorf("identity %v: a key id stands in no certificate", id)
	case FQDN:
		found = slices.ContainsFunc(c.DNSNames, func(s string) bool { return strings.EqualFold(s, id.Data) })
	case Email:
		found = slices.ContainsFunc(c.EmailAddresses, func(s string) bool { return strings.EqualFold(s, id.Data) })
	case IPv4, IPv6:
		for _, ip := range c.IPAddresses {
			a, ok := netip.AddrFromSlice(ip)
			found = found || ok && address(a) == id
		}
	}
	if !found {
		return fmt.Errorf("identity %v is not in the certificate's subjectAltName %s", id, altNames(c))
	}
	return nil
}

// Subject is the subject of a certificate, in its encoding.
func Subject(c *x509.Certificate) Identity { return Identity{DN, string(c.RawSubject)} }

// Issuer is the issuer of a certificate, in its encoding.
func Issuer(c *x509.Certificate) Identity { return Identity{DN, string(c.RawIssuer)} }

// altNames lists the first names of a subjectAltName, escaped.
func altNames(c *x509.Certificate) string {
	const most = 4
	var all []string
	for _, s := range c.DNSNames {
		all = append(all, Identity{FQDN, s}.String())
	}
	for _, s := range c.EmailAddresses {
		all = append(all, Identity{Email, s}.String())
	}
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	switch {
	case len(all) == 0:
		return "(which is empty)"
	case len(all) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}

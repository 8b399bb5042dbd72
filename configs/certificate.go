package configs

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"vpngw/crypto/identity"
	"vpngw/crypto/keys"
)

// certificates loads our own certificates and compares them with our key and identity.
func (a *assembly) certificates(g *Gateway, sc scope) {
	a.hasCertificate = len(sc.layers) > 0 && (sc.layers[0].entry("certificate_file") != nil || sc.layers[0].meant["certificate_file"])
	e := sc.entry("certificate_file")
	if e == nil {
		return
	}
	if !a.hasKey {
		a.problem(e, "gateway.key_file is missing", "name the private key that the certificate is for")
	}
	chain, err := a.secrets.certificates(a.resolve(e.value.(string)))
	if err != nil {
		a.secretProblem(e, err, "")
		return
	}
	g.Certificates = chain
	leaf := chain[0]
	if !g.Key.IsZero() && !samePublic(leaf.PublicKey, g.Key.Signer().Public()) {
		a.problem(e, fmt.Sprintf("its first certificate, of %v, is for another key than gateway.key_file", identity.Subject(leaf)),
			"our own certificate stands first; `vpngw pubkey --pem` shows the public key that it must have")
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		a.problem(e, "the certificate's key usage has no digitalSignature: peers must refuse it", "have it made anew with that key usage, or with none")
	}
	if id, err := identity.Parse(g.ID); err == nil {
		if err := id.InCertificate(leaf); err != nil {
			a.problem(e, err.Error(), "give gateway.id as the certificate has it, or have the certificate made for it")
		}
	}
	if len(chain) > keys.MaxChain {
		a.problem(e, fmt.Sprintf("%d certificates", len(chain)), fmt.Sprintf("at most %d: our own, then the intermediate ones", keys.MaxChain))
	}
	for i, c := range chain {
		if i > 0 && (string(chain[i-1].RawIssuer) != string(c.RawSubject) || chain[i-1].CheckSignatureFrom(c) != nil) {
			a.problem(e, fmt.Sprintf("certificate number %d, of %v, did not sign the one before it", i+1, identity.Subject(c)),
				"order them: our own, the one of its issuer, and so on; the root may be left out")
		}
	}
}

// authorities loads those of a tunnel's peer.
func (a *assembly) authorities(t *tunnelParts) {
	e := t.peer.entry("ca_file")
	if e == nil {
		return
	}
	t.Peer.HasCA = true
	list, err := a.secrets.certificates(a.resolve(e.value.(string)))
	if err != nil {
		a.secretProblem(e, err, "")
		return
	}
	for i, c := range list {
		if !c.IsCA && string(c.RawSubject) != string(c.RawIssuer) {
			a.problem(e, fmt.Sprintf("certificate number %d, of %v, is not that of an authority", i+1, identity.Subject(c)),
				"give the certificate of the authority that issued the peer's")
		}
	}
	t.Peer.CAs = list
}

// checkAuthority compares a tunnel's ca_file with the rest of the file.
func (a *assembly) checkAuthority(e *entry, t *tunnelParts) {
	if e == nil {
		return
	}
	if !a.hasCertificate {
		a.problem(e, "the tunnel uses certificates, but gateway.certificate_file is missing", "name our own certificate there; its key is gateway.key_file")
	}
	if id, err := identity.Parse(t.Peer.ID); err == nil && id.Type == identity.KeyID {
		a.problem(t.peer.entry("id"), "a key id stands in no certificate", "give the identity that the peer's certificate has")
	}
}

// ppk loads a tunnel's post-quantum pre-shared key.
func (a *assembly) ppk(t *tunnelParts) {
	file := t.peer.entry("ppk_file")
	if len(t.peer.layers) == 0 {
		return
	}
	section := t.peer.layers[0]
	id := section.entry("ppk_id")
	switch named := section.entry("ppk_file") != nil || section.meant["ppk_file"]; {
	case !named && id != nil:
		a.problem(id, "ppk_id without a ppk_file", "name the file with the PPK, or remove the id")
	case !named && t.peer.entry("ppk_required") != nil:
		a.problem(t.peer.entry("ppk_required"), "ppk_required without a ppk_file", "name the file with the PPK, or remove this")
	case file != nil && id == nil && !section.meant["ppk_id"]:
		a.problem(file, "ppk_file without a ppk_id", "give the id by which both ends know the PPK")
	}
	if file == nil {
		return
	}
	ppk, err := a.secrets.ppk(a.resolve(file.value.(string)))
	if err != nil {
		a.secretProblem(file, err, "genpsk")
	}
	t.Peer.PPK, t.Peer.PPKID = ppk, get[string](t.peer, "ppk_id")
	t.Peer.PPKRequired, t.Peer.HasPPK = get[bool](t.peer, "ppk_required"), true
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// expirySoon is how long before its end a certificate is warned of.
const expirySoon = 30 * 24 * time.Hour

// Warnings say what of a file without mistakes will not do for long, as of now: certificates that expired or soon will, PPKs
// that are short.
func (f *File) Warnings(now time.Time) []string {
	var all []string
	for i, c := range f.Gateway.Certificates {
		all = append(all, expiry(fmt.Sprintf("gateway.certificate_file: certificate number %d", i+1), c, now)...)
	}
	for i := range f.Tunnels {
		t := &f.Tunnels[i]
		for _, c := range t.Peer.CAs {
			all = append(all, expiry(fmt.Sprintf("tunnels.%s.peer.ca_file: authority", t.Name), c, now)...)
		}
		if n := len(t.Peer.PPK.Bytes()); t.Peer.HasPPK && n < keys.RecommendedPPK {
			all = append(all, fmt.Sprintf("tunnels.%s.peer.ppk_file has %d bytes: against a quantum computer, at least %d are recommended",
				t.Name, n, keys.RecommendedPPK))
		}
	}
	return all
}

func expiry(what string, c *x509.Certificate, now time.Time) []string {
	verb := ""
	at := c.NotAfter
	switch {
	case now.Before(c.NotBefore):
		verb, at = "is not valid before", c.NotBefore
	case now.After(c.NotAfter):
		verb = "expired on"
	case now.Add(expirySoon).After(c.NotAfter):
		verb = "expires on"
	default:
		return nil
	}
	return []string{fmt.Sprintf("%s, of %v, %s %s", what, identity.Subject(c), verb, at.UTC().Format(time.DateTime))}
}

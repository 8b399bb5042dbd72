package ike

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"slices"

	"vpngw/crypto/ike/message"
)

// maxRequested bounds the authorities that a CERTREQ names, 20 bytes each: IKE_SA_INIT
// cannot be fragmented. With more, none is named, and the peer chooses by itself.
const maxRequested = 20

// authorityHash is an authority as a CERTREQ names it: the SHA-1 of its
// SubjectPublicKeyInfo, a name and no more (RFC 7296 §3.7).
type authorityHash [sha1.Size]byte

func hashOf(c *x509.Certificate) authorityHash { return sha1.Sum(c.RawSubjectPublicKeyInfo) }

// authorities are those of all peers, each once, with how many peers have it.
type authorities struct {
	known map[authorityHash]*authority
	list  []authorityHash // sorted; nil: to be made
}

type authority struct {
	cert  *x509.Certificate
	peers int
}

func (a *authorities) add(cas []*x509.Certificate) {
	for _, c := range cas {
		h := hashOf(c)
		if a.known[h] == nil {
			if a.known == nil {
				a.known = map[authorityHash]*authority{}
			}
			a.known[h] = &authority{cert: c}
			a.list = nil
		}
		a.known[h].peers++
	}
}

func (a *authorities) remove(cas []*x509.Certificate) {
	for _, c := range cas {
		h := hashOf(c)
		if k := a.known[h]; k != nil {
			if k.peers--; k.peers == 0 {
				delete(a.known, h)
				a.list = nil
			}
		}
	}
}

func (a *authorities) sorted() []authorityHash {
	if a.list == nil {
		for h := range a.known {
			a.list = append(a.list, h)
		}
		slices.SortFunc(a.list, func(x, y authorityHash) int { return bytes.Compare(x[:], y[:]) })
	}
	return a.list
}

// all are the authorities of all peers: what the chain of a stranger is held against, so
// that it costs as much as that of a peer.
func (a *authorities) all() []*x509.Certificate {
	out := []*x509.Certificate{}
	for _, h := range a.sorted() {
		out = append(out, a.known[h].cert)
	}
	return out
}

// certificateRequest asks for certificates of these authorities; nil for none.
func certificateRequest(hashes []authorityHash) []message.Payload {
	if len(hashes) == 0 {
		return nil
	}
	r := &message.CERTREQ{Encoding: message.CertX509Signature}
	if len(hashes) <= maxRequested {
		for _, h := range hashes {
			r.Authorities = append(r.Authorities, h[:]...)
		}
	}
	return []message.Payload{r}
}

// request asks the responder for a certificate of the peer's authorities.
func (a *Auth) request() []message.Payload {
	var hashes []authorityHash
	for _, c := range a.PeerCAs {
		hashes = append(hashes, hashOf(c))
	}
	return certificateRequest(hashes)
}

package ike

import (
	"cmp"
	"crypto/sha256"
	"net/netip"
	"time"
)

// halfOpenTable finds the SA of an IKE_SA_INIT request that comes again, and counts
// those of strangers. Its requests are not yet authenticated.
type halfOpenTable struct {
	limits  Limits
	byInit  map[[sha256.Size]byte]*sa
	perAddr map[netip.Prefix]int
	open    int
}

// maxInit bounds an IKE_SA_INIT request, since a half-open SA keeps it to check AUTH.
const maxInit = 2048

func (t *halfOpenTable) init(l Limits) {
	t.limits = Limits{
		HalfOpen:        cmp.Or(l.HalfOpen, 1024),
		HalfOpenPerAddr: cmp.Or(l.HalfOpenPerAddr, 3),
		CookieFrom:      cmp.Or(l.CookieFrom, 30),
		HalfOpenLife:    cmp.Or(l.HalfOpenLife, 10*time.Second),
	}
	t.clear()
}

func (t *halfOpenTable) clear() {
	t.byInit = map[[sha256.Size]byte]*sa{}
	t.perAddr = map[netip.Prefix]int{}
	t.open = 0
}

// initKey names an INIT request by what it says and where it came from.
func initKey(from netip.AddrPort, b []byte) (key [sha256.Size]byte) {
	h := sha256.New()
	addr := from.Addr().As16()
	h.Write(addr[:])
	h.Write([]byte{byte(from.Port() >> 8), byte(from.Port())})
	h.Write(b)
	h.Sum(key[:0])
	return key
}

// holder is whom an address counts for: an IPv6 host has a /64 to choose from.
func holder(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() && !a.Is4In6() {
		bits = 64
	} else {
		a = a.Unmap()
	}
	p, _ := a.Prefix(bits)
	return p
}

func (t *halfOpenTable) enter(s *sa) {
	t.byInit[s.initKey] = s
	s.counted = holder(s.remote.Addr())
	t.perAddr[s.counted]++
	t.open++
}

// leave ends the counting, not the recognising: s has authenticated or is gone.
func (t *halfOpenTable) leave(s *sa) {
	if !s.counted.IsValid() {
		return
	}
	if t.perAddr[s.counted]--; t.perAddr[s.counted] <= 0 {
		delete(t.perAddr, s.counted)
	}
	t.open--
	s.counted = netip.Prefix{}
}

func (t *halfOpenTable) forget(s *sa) {
	t.leave(s)
	if t.byInit[s.initKey] == s {
		delete(t.byInit, s.initKey)
	}
}

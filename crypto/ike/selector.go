package ike

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// SelectorOf is all traffic of one prefix.
func SelectorOf(p netip.Prefix) Selector {
	first := p.Masked().Addr()
	b := first.AsSlice()
	for i := range b {
		if host := (i+1)*8 - p.Bits(); host >= 8 {
			b[i] = 0xff
		} else if host > 0 {
			b[i] |= 1<<host - 1
		}
	}
	last, _ := netip.AddrFromSlice(b)
	return Selector{EndPort: 0xffff, First: first, Last: last}
}

// Contains tells whether b's traffic is all in s.
func (s Selector) Contains(b Selector) bool {
	x, ok := s.Intersect(b)
	return ok && x == b
}

// Intersect gives the traffic that both have, and whether there is any.
func (s Selector) Intersect(b Selector) (Selector, bool) {
	if s.First.Is4() != b.First.Is4() {
		return Selector{}, false
	}
	switch {
	case s.Proto == 0:
		s.Proto = b.Proto
	case b.Proto != 0 && b.Proto != s.Proto:
		return Selector{}, false
	}
	s.StartPort, s.EndPort = max(s.StartPort, b.StartPort), min(s.EndPort, b.EndPort)
	if s.First.Less(b.First) {
		s.First = b.First
	}
	if b.Last.Less(s.Last) {
		s.Last = b.Last
	}
	if s.StartPort > s.EndPort || s.Last.Less(s.First) {
		return Selector{}, false
	}
	return s, true
}

// narrow gives what of the offered traffic is also allowed: every intersection, the
// offer's order kept, what another one contains left out (RFC 7296 §2.9).
func narrow(offered, allowed []Selector) []Selector {
	var out []Selector
	for _, o := range offered {
		for _, a := range allowed {
			x, ok := o.Intersect(a)
			if !ok || covers(out, x) {
				continue
			}
			kept := out[:0]
			for _, k := range out {
				if !x.Contains(k) {
					kept = append(kept, k)
				}
			}
			out = append(kept, x)
			if len(out) == MaxSelectors {
				return out
			}
		}
	}
	return out
}

// covers tells whether one of list contains s.
func covers(list []Selector, s Selector) bool {
	for _, l := range list {
		if l.Contains(s) {
			return true
		}
	}
	return false
}

func validSelectors(list []Selector) error {
	if len(list) == 0 {
		return errors.New("none given")
	}
	if len(list) > MaxSelectors {
		return fmt.Errorf("%d given: at most %d", len(list), MaxSelectors)
	}
	for _, s := range list {
		if !s.First.IsValid() || s.First.Is4() != s.Last.Is4() || !s.Last.IsValid() ||
			s.First.Is4In6() || s.Last.Is4In6() || s.First.Zone() != "" || s.Last.Zone() != "" ||
			s.Last.Less(s.First) || s.StartPort > s.EndPort {
			return fmt.Errorf("%v is no range", s)
		}
	}
	return nil
}

// String gives a prefix where the range is one, and protocol and ports unless any.
func (s Selector) String() string {
	var b strings.Builder
	b.WriteString(rangeText(s.First, s.Last))
	if s.Proto != 0 || s.StartPort != 0 || s.EndPort != 0xffff {
		fmt.Fprintf(&b, "[%d", s.Proto)
		switch {
		case s.StartPort == 0 && s.EndPort == 0xffff:
		case s.StartPort == s.EndPort:
			fmt.Fprintf(&b, "/%d", s.StartPort)
		default:
			fmt.Fprintf(&b, "/%d-%d", s.StartPort, s.EndPort)
		}
		b.WriteByte(']')
	}
	return b.String()
}

func rangeText(first, last netip.Addr) string {
	if first.IsValid() {
		for bits := first.BitLen(); bits >= 0; bits-- {
			p := netip.PrefixFrom(first, bits)
			if p.Masked().Addr() != first {
				break
			}
			if SelectorOf(p).Last == last {
				return p.String()
			}
		}
	}
	return first.String() + "-" + last.String()
}

// selectorText joins selectors for a message to people.
func selectorText(list []Selector) string {
	if len(list) == 0 {
		return "nothing"
	}
	text := make([]string, len(list))
	for i, s := range list {
		text[i] = s.String()
	}
	return strings.Join(text, " ")
}

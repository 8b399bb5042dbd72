package message

import (
	"fmt"
	"net/netip"
	"strconv"
)

// TSType is the type of a traffic selector (RFC 7296 section 3.13.1).
type TSType uint8

// Traffic selector types.
const (
	TSIPv4AddrRange TSType = 7
	TSIPv6AddrRange TSType = 8
	TSFCAddrRange   TSType = 9  // RFC 4595; kept raw
	TSSecLabel      TSType = 10 // RFC 9478; kept raw
)

// TrafficSelector is a range of addresses, ports and protocols (RFC 7296
// section 3.13.1).
type TrafficSelector struct {
	Type TSType
	// Proto is the IP protocol, 0 for any. In selectors that are kept raw it
	// is the second octet, whatever that means there.
	Proto uint8
	// StartPort and EndPort are inclusive; 0 and 65535 mean any, 65535 and 0
	// "opaque" (fields not visible). For ICMP they hold type and code.
	StartPort, EndPort uint16
	// First and Last are inclusive, of the family that Type says, without a
	// zone, First ≤ Last.
	First, Last netip.Addr
	// Raw is everything behind the length of a selector of another type, in
	// which the ports and addresses above stay zero.
	Raw []byte
}

const selectorLen = 4 // type, protocol, length

// addrLen is the length of an address in bytes, 0 for types that are kept raw.
func (t TSType) addrLen() int {
	switch t {
	case TSIPv4AddrRange:
		return 4
	case TSIPv6AddrRange:
		return 16
	}
	return 0
}

// String gives the selector for logs, such as "10.0.0.0-10.0.0.255 tcp 80":
// numbers stand for protocols.
func (s TrafficSelector) String() string {
	if s.Type.addrLen() == 0 {
		return fmt.Sprintf("selector of type %d, %d bytes", s.Type, len(s.Raw))
	}
	out := s.First.String() + "-" + s.Last.String()
	if s.Proto != 0 {
		out += " protocol " + strconv.Itoa(int(s.Proto))
	}
	switch {
	case s.StartPort == 0 && s.EndPort == 65535:
	case s.opaquePorts():
		out += " ports opaque"
	default:
		out += fmt.Sprintf(" ports %d-%d", s.StartPort, s.EndPort)
	}
	return out
}

func (s *TrafficSelector) opaquePorts() bool { return s.StartPort == 65535 && s.EndPort == 0 }

// problem says what is wrong with the ranges of a selector that has addresses;
// empty: nothing.
func (s *TrafficSelector) problem() string {
	ok := func(a netip.Addr) bool { return a.BitLen() == 8*s.Type.addrLen() && a.Zone() == "" }
	switch {
	case !ok(s.First) || !ok(s.Last):
		return fmt.Sprintf("addresses %v and %v in a selector of type %d", s.First, s.Last, s.Type)
	case s.Last.Less(s.First):
		return fmt.Sprintf("address range from %v down to %v", s.First, s.Last)
	case s.StartPort > s.EndPort && !s.opaquePorts():
		return fmt.Sprintf("port range from %d down to %d", s.StartPort, s.EndPort)
	}
	return ""
}

func parseSelector(r *reader) (s TrafficSelector) {
	off := r.off
	s.Type = TSType(r.uint8())
	s.Proto = r.uint8()
	n := int(r.uint16())
	size := s.Type.addrLen()
	switch {
	case !r.ok():
		return s
	case n < selectorLen || size > 0 && n != selectorLen+4+2*size:
		r.failAt(off, "selector of type %d with length %d", s.Type, n)
		return s
	case size == 0:
		s.Raw = r.take(n - selectorLen)
		return s
	}
	s.StartPort = r.uint16()
	s.EndPort = r.uint16()
	s.First, _ = netip.AddrFromSlice(r.take(size))
	s.Last, _ = netip.AddrFromSlice(r.take(size))
	if !r.ok() {
		return s
	}
	if problem := s.problem(); problem != "" {
		r.failAt(off, "%s", problem)
	}
	return s
}

func (s *TrafficSelector) append(w *writer) {
	start := len(w.b)
	w.bytes([]byte{uint8(s.Type), s.Proto, 0, 0})
	if s.Type.addrLen() == 0 {
		w.bytes(s.Raw)
	} else {
		if problem := s.problem(); problem != "" {
			w.fail("%s", problem)
		}
		w.uint16(s.StartPort)
		w.uint16(s.EndPort)
		w.bytes(s.First.AsSlice())
		w.bytes(s.Last.AsSlice())
	}
	w.length(start)
}

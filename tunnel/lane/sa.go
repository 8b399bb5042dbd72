package lane

import (
	"net/netip"

	"vpngw/crypto/esp"
	"vpngw/crypto/ike"
	"vpngw/offload"
)

// Policy is the traffic that one child SA may carry (RFC 4301 §4.4.1): the
// negotiated selectors, ours and the peer's.
type Policy struct {
	local, remote []ike.Selector
	plain         bool // address ranges only, so that a verdict holds for an address pair

	okLocal, okRemote netip.Addr // allowed last
}

// NewPolicy makes the policy of a child SA. The slices are the policy's afterwards.
func NewPolicy(local, remote []ike.Selector) Policy {
	p := Policy{local: local, remote: remote, plain: true}
	for _, side := range [][]ike.Selector{local, remote} {
		for _, s := range side {
			if s.Proto != 0 || s.StartPort != 0 || s.EndPort != 0xffff {
				p.plain = false
			}
		}
	}
	return p
}

// outbound tells whether a packet on its way out may go.
func (p *Policy) outbound(h *offload.Headers) bool {
	local, remote := p.check(h.Proto, h.Src, h.SrcPort, h.Dst, h.DstPort)
	return local && remote
}

// inbound tells whether the source and the destination of a received packet are
// what the peer may use (RFC 4301 §5.2).
func (p *Policy) inbound(h *offload.Headers) (source, destination bool) {
	destination, source = p.check(h.Proto, h.Dst, h.DstPort, h.Src, h.SrcPort)
	return source, destination
}

func (p *Policy) check(proto uint8, local netip.Addr, localPort uint16, remote netip.Addr, remotePort uint16) (okLocal, okRemote bool) {
	if p.plain && local == p.okLocal && remote == p.okRemote {
		return true, true
	}
	okLocal = match(p.local, proto, local, localPort)
	okRemote = match(p.remote, proto, remote, remotePort)
	if okLocal && okRemote {
		p.okLocal, p.okRemote = local, remote
	}
	return okLocal, okRemote
}

// match takes port 0 for one that cannot be seen, as in a later fragment: only a
// selector of all ports has that (RFC 4301 §4.4.1.1, §7).
func match(selectors []ike.Selector, proto uint8, addr netip.Addr, port uint16) bool {
	for i := range selectors {
		s := &selectors[i]
		if addr.BitLen() == s.First.BitLen() && s.First.Compare(addr) <= 0 && addr.Compare(s.Last) <= 0 &&
			(s.Proto == 0 || s.Proto == proto) && s.StartPort <= port && port <= s.EndPort &&
			(port != 0 || s.StartPort == 0 && s.EndPort == 0xffff) {
			return true
		}
	}
	return false
}

// Outbound is the sending half of a child SA with its limits.
type Outbound struct {
	ESP    *esp.Outbound
	Policy Policy
	Child  uint32 // inbound SPI that names the child towards control
	Limits Limits

	Unsummed bool // segments leave without TCP or UDP checksum, and say so (nextUnsummed)

	used usage
}

// Inbound is the receiving half of a child SA.
type Inbound struct {
	ESP    *esp.Inbound
	Policy Policy
	Tunnel *Tunnel
	Limits Limits

	Unsummed bool // segments may come without TCP or UDP checksum

	used    usage
	heardAt int64 // lane time of the last Heard; 0: none yet
}

package ike

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"vpngw/crypto/ike/message"
)

// IKE fragmentation (RFC 7383).
const (
	defaultMaxPacket = 1280    // what every IPv6 path carries
	minMaxPacket     = 576     // what every IPv4 host takes
	maxFragments     = 64      // of one message
	maxWhole         = 1 << 16 // bytes of one message, all fragments together
	// maxUnproven is maxWhole for who has not yet proven an identity: enough for a chain
	// of certificates in IKE_AUTH. With the limit on half-open SAs it bounds their memory.
	maxUnproven = 16 << 10
	// staleTime is how long the fragments of a request are kept: a peer that still lacks
	// the answer has by then sent all of them several times.
	staleTime = 30 * time.Second
)

// Bytes around an IKE message: IP header, UDP header, non-ESP marker (RFC 3948 §2.2).
const (
	aroundIPv4 = 20 + 8 + 4
	aroundIPv6 = 40 + 8 + 4
)

// messageLimit is the longest IKE message to that address that is not fragmented.
func (c *Config) messageLimit(to netip.Addr) int {
	return packetLimit(max(cmp.Or(c.MaxPacket, defaultMaxPacket), minMaxPacket), to)
}

// packetLimit is the longest IKE message that fits an IP packet of size bytes.
func packetLimit(size int, to netip.Addr) int {
	if to.Unmap().Is4() {
		return size - aroundIPv4
	}
	return size - aroundIPv6
}

// build seals a message, in no more fragments than a peer like us takes.
func (s *sa) build(h message.Header, ps []message.Payload) ([][]byte, error) {
	if !s.fragments {
		b, err := message.BuildEncrypted(h, ps, overhead, s.out.seal)
		return [][]byte{b}, err
	}
	limit := s.m.cfg.messageLimit(s.remote.Addr())
	msgs, err := message.BuildFragments(h, ps, limit, overhead, s.out.seal)
	if err == nil && len(msgs) > maxFragments {
		err = fmt.Errorf("%v in %d fragments of %d bytes, more than %d: make gateway.ike_packet greater", h.Exchange, len(msgs), limit, maxFragments)
	}
	return msgs, err
}

// reassembly is the fragments of one message that are there already, each of them
// authenticated (RFC 7383 §2.6). The zero value holds none.
type reassembly struct {
	exchange message.ExchangeType
	prefix   []byte // of fragment 1
	first    message.PayloadType
	parts    [][]byte // by their number less one; nil: missing
	missing  int
	held     int // bytes, padding included
}

func (r *reassembly) clear() { *r = reassembly{} }

// admit tells what is wrong with a fragment, before the work of decrypting it. It
// cannot be believed yet, so nothing changes.
func (s *sa) admit(r *reassembly, h message.Header, f *message.EncryptedFragment) error {
	limit := maxWhole
	if s.state == saHalfOpen {
		limit = maxUnproven
	}
	total, have := int(f.Total), len(r.parts)
	held := r.held
	if total > have {
		held = 0 // it would replace the set
	}
	switch {
	case !s.fragments:
		return fmt.Errorf("fragment %d of %d, but fragmentation was not negotiated", f.Number, total)
	case total > maxFragments:
		return fmt.Errorf("%d fragments, at most %d are taken", total, maxFragments)
	case total < have:
		return fmt.Errorf("fragment %d of %d after fragments of %d", f.Number, total, have)
	case total == have && h.Exchange != r.exchange:
		return fmt.Errorf("fragment of %v among those of %v", h.Exchange, r.exchange)
	case total == have && r.parts[f.Number-1] != nil:
		return fmt.Errorf("fragment %d of %d again", f.Number, total)
	case held+len(f.Body) > limit:
		return fmt.Errorf("fragments of more than %d bytes together", limit)
	}
	return nil
}

// add keeps a fragment that was admitted and authenticated, and gives the content of the
// message when it was the last one missing. More fragments than before are a new way to
// cut the message, and replace what was there.
func (r *reassembly) add(h message.Header, f *message.EncryptedFragment, prefix, part []byte) (c content, whole bool) {
	if int(f.Total) > len(r.parts) {
		*r = reassembly{exchange: h.Exchange, parts: make([][]byte, f.Total), missing: int(f.Total)}
	}
	r.parts[f.Number-1] = part
	r.held += len(f.Body)
	r.missing--
	if f.Number == 1 {
		r.prefix, r.first = append([]byte(nil), prefix...), f.First
	}
	if r.missing > 0 {
		return content{}, false
	}
	c = content{prefix: r.prefix, first: r.first, body: make([]byte, 0, r.held)}
	for _, p := range r.parts {
		c.body = append(c.body, p...)
	}
	r.clear()
	return c, true
}

// keepParts limits how long the fragments of an unfinished request are kept. Those of a
// response end with its request.
func (s *sa) keepParts() {
	if s.parts.missing > 0 && !s.stale.isSet() {
		s.m.timers.set(&s.stale, s.m.now.Add(staleTime))
	}
}

func (s *sa) dropParts() {
	s.parts.clear()
	s.m.timers.stop(&s.stale)
}

package message

// SA is the Security Association payload: proposals in the sender's order of
// preference, or the one that was chosen (RFC 7296 section 3.3).
type SA struct {
	Generic
	Proposals []Proposal // at least one
}

// Proposal is one alternative of an SA payload (RFC 7296 section 3.3.1). Of
// each transform type that it holds, one transform is to be chosen.
type Proposal struct {
	Number   uint8 // 1, 2, …; an answer repeats the number it accepts
	Protocol ProtocolID
	// SPI of the sender's end: 4 bytes for ESP and AH; for IKE 8 bytes when
	// rekeying, none at first. See ChildSPI and IKESPI.
	SPI        []byte
	Transforms []Transform // at least one
}

// PayloadType returns PayloadSA.
func (*SA) PayloadType() PayloadType { return PayloadSA }

const (
	moreProposals  = 2
	moreTransforms = 3
	proposalLen    = 8 // without SPI and transforms
)

// proposalSPILen reports whether n is a length that an SPI can have in a
// proposal for p. Of protocols unknown here nothing is known.
func proposalSPILen(p ProtocolID, n int) bool {
	switch p {
	case ProtocolIKE:
		return n == 0 || n == 8
	case ProtocolAH, ProtocolESP:
		return n == 4
	}
	return true
}

func parseSA(g Generic, r *reader) *SA {
	sa := &SA{Generic: g}
	for more := true; more && r.ok(); {
		if len(sa.Proposals) == MaxProposals {
			r.fail("more than %d proposals", MaxProposals)
			return sa
		}
		var p Proposal
		p, more = parseProposal(r)
		sa.Proposals = append(sa.Proposals, p)
	}
	if len(r.b) != 0 {
		r.fail("%d bytes behind the last proposal", len(r.b))
	}
	return sa
}

func parseProposal(r *reader) (p Proposal, more bool) {
	more = parseMore(r, moreProposals)
	r.skip(1)
	n := int(r.uint16())
	if r.ok() && n < proposalLen {
		r.fail("proposal length %d is less than %d", n, proposalLen)
	}
	s := r.sub(n - 4)
	p.Number = s.uint8()
	p.Protocol = ProtocolID(s.uint8())
	spiLen := int(s.uint8())
	transforms := int(s.uint8())
	if s.ok() && !proposalSPILen(p.Protocol, spiLen) {
		s.fail("proposal for %v with an SPI of %d bytes", p.Protocol, spiLen)
	}
	p.SPI = s.take(spiLen)
	if s.ok() && (transforms == 0 || transforms > MaxTransforms) {
		s.fail("proposal with %d transforms, not 1 to %d", transforms, MaxTransforms)
	}
	for i := 0; i < transforms && s.ok(); i++ {
		t, moreFollow := parseTransform(s)
		if s.ok() && moreFollow != (i < transforms-1) {
			s.fail("transform %d of %d has the wrong last-substructure mark", i+1, transforms)
		}
		p.Transforms = append(p.Transforms, t)
	}
	if len(s.b) != 0 {
		s.fail("%d bytes behind the last transform", len(s.b))
	}
	r.adopt(s)
	return p, more
}

// parseMore reads the octet that says whether another structure of the same
// kind follows: mark or 0.
func parseMore(r *reader, mark uint8) bool {
	off := r.off
	v := r.uint8()
	if r.ok() && v != 0 && v != mark {
		r.failAt(off, "last-substructure mark %d is neither 0 nor %d", v, mark)
	}
	return v == mark
}

func (p *SA) appendBody(w *writer) {
	if len(p.Proposals) == 0 || len(p.Proposals) > MaxProposals {
		w.fail("%d proposals, not 1 to %d", len(p.Proposals), MaxProposals)
	}
	for i := range p.Proposals {
		p.Proposals[i].append(w, i < len(p.Proposals)-1)
	}
}

func (p *Proposal) append(w *writer, more bool) {
	if !proposalSPILen(p.Protocol, len(p.SPI)) || len(p.SPI) > 255 {
		w.fail("proposal for %v with an SPI of %d bytes", p.Protocol, len(p.SPI))
	}
	if len(p.Transforms) == 0 || len(p.Transforms) > MaxTransforms {
		w.fail("proposal with %d transforms, not 1 to %d", len(p.Transforms), MaxTransforms)
	}
	start := len(w.b)
	w.more(more, moreProposals)
	w.bytes([]byte{p.Number, uint8(p.Protocol), uint8(len(p.SPI)), uint8(len(p.Transforms))})
	w.bytes(p.SPI)
	for i := range p.Transforms {
		p.Transforms[i].append(w, i < len(p.Transforms)-1)
	}
	w.length(start)
}

// more appends the first four octets of a proposal or transform; length fills
// the last two of them.
func (w *writer) more(more bool, mark uint8) {
	if !more {
		mark = 0
	}
	w.bytes([]byte{mark, 0, 0, 0})
}

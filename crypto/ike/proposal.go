package ike

import (
	"fmt"
	"slices"
	"strings"

	"vpngw/crypto/ike/message"
)

func (c Cipher) transform() message.Transform {
	t := message.Transform{Type: message.TransformENCR, ID: message.ENCRAESGCM16}
	switch c {
	case AES256GCM:
		t.KeyLength = 256
	case AES128GCM:
		t.KeyLength = 128
	case ChaCha20Poly1305:
		t.ID = message.ENCRChaCha20Poly1305
	}
	return t
}

func (p PRF) transform() message.Transform {
	id := message.PRFHMACSHA2256
	switch p {
	case PRFSHA384:
		id = message.PRFHMACSHA2384
	case PRFSHA512:
		id = message.PRFHMACSHA2512
	}
	return message.Transform{Type: message.TransformPRF, ID: id}
}

// id is the group's number on the wire.
func (g Group) id() message.TransformID {
	switch g {
	case X25519:
		return message.KECurve25519
	case P256:
		return message.KEECP256
	case P384:
		return message.KEECP384
	}
	return message.KENone
}

func (g Group) transform() message.Transform {
	return message.Transform{Type: message.TransformKE, ID: g.id()}
}

// groupOf is the group of ours with that number; false for every other number.
func groupOf(id message.TransformID) (Group, bool) {
	for _, g := range allGroups {
		if g.id() == id {
			return g, true
		}
	}
	return 0, false
}

var (
	allCiphers = []Cipher{AES256GCM, ChaCha20Poly1305, AES128GCM}
	allGroups  = []Group{X25519, P256, P384}
	allPRFs    = []PRF{PRFSHA256, PRFSHA384, PRFSHA512}
)

// preferences are what an end accepts, best first.
type preferences struct {
	ciphers []Cipher
	groups  []Group
	prfs    []PRF
	esn     bool
	pfs     bool
	mlkem   bool // in IKE_SA_INIT
}

func (p *Peer) preferences() preferences {
	or := preferences{p.Ciphers, p.Groups, p.PRFs, p.ESN, p.PFS, !p.NoMLKEM}
	if len(or.ciphers) == 0 {
		or.ciphers = allCiphers
	}
	if len(or.groups) == 0 {
		or.groups = allGroups
	}
	if len(or.prfs) == 0 {
		or.prfs = allPRFs
	}
	return or
}

// ikeProposal offers all of it: one proposal is enough where every cipher is an AEAD
// (RFC 7296 §3.3).
func (w preferences) ikeProposal() message.Proposal {
	p := message.Proposal{Number: 1, Protocol: message.ProtocolIKE}
	for _, c := range w.ciphers {
		p.Transforms = append(p.Transforms, c.transform())
	}
	for _, f := range w.prfs {
		p.Transforms = append(p.Transforms, f.transform())
	}
	for _, g := range w.groups {
		p.Transforms = append(p.Transforms, g.transform())
	}
	return p
}

// initProposals offer the IKE SA in IKE_SA_INIT. That with ML-KEM is one by itself, for
// a peer that does not know its transform type must pass over all of the proposal
// (RFC 9370 §2.2.2).
func (w preferences) initProposals() []message.Proposal {
	classical := w.ikeProposal()
	if !w.mlkem {
		return []message.Proposal{classical}
	}
	hybrid := w.ikeProposal()
	hybrid.Transforms = append(hybrid.Transforms, mlkemTransform())
	classical.Number = 2
	return []message.Proposal{hybrid, classical}
}

func mlkemTransform() message.Transform {
	return message.Transform{Type: message.TransformADDKE1, ID: message.KEMLKEM768}
}

// espProposal offers a child SA; groups only where its exchange has a KE payload.
func (w preferences) espProposal(spi uint32, pfs bool) message.Proposal {
	p := message.Proposal{Number: 1, Protocol: message.ProtocolESP, SPI: message.ChildSPI(spi)}
	for _, c := range w.ciphers {
		p.Transforms = append(p.Transforms, c.transform())
	}
	if pfs {
		for _, g := range w.groups {
			p.Transforms = append(p.Transforms, g.transform())
		}
	}
	if w.esn {
		p.Transforms = append(p.Transforms, esnTransform(true))
	}
	p.Transforms = append(p.Transforms, esnTransform(false))
	return p
}

func esnTransform(on bool) message.Transform {
	t := message.Transform{Type: message.TransformESN, ID: message.ESNNo}
	if on {
		t.ID = message.ESNYes
	}
	return t
}

func offers(p *message.Proposal, t message.Transform) bool {
	return slices.ContainsFunc(p.Transforms, func(o message.Transform) bool {
		return o.Type == t.Type && o.ID == t.ID && o.KeyLength == t.KeyLength && len(o.Attributes) == 0
	})
}

func hasType(p *message.Proposal, t message.TransformType) bool {
	return slices.ContainsFunc(p.Transforms, func(o message.Transform) bool { return o.Type == t })
}

// onlyTypes tells whether the proposal asks for nothing that is not among types. An
// integrity algorithm may be asked for only as NONE.
func onlyTypes(p *message.Proposal, types ...message.TransformType) bool {
	if hasType(p, message.TransformINTEG) &&
		!offers(p, message.Transform{Type: message.TransformINTEG, ID: message.INTEGNone}) {
		return false
	}
	for _, t := range p.Transforms {
		if t.Type != message.TransformINTEG && !slices.Contains(types, t.Type) {
			return false
		}
	}
	return true
}

// chooseInit picks what IKE_SA_INIT agrees on, with ML-KEM if that is possible.
func (w preferences) chooseInit(sa *message.SA) (suite, message.Proposal, bool) {
	if w.mlkem {
		var hybrid message.SA
		for _, p := range sa.Proposals {
			if offers(&p, mlkemTransform()) {
				p.Transforms = slices.DeleteFunc(slices.Clone(p.Transforms),
					func(t message.Transform) bool { return t.Type == message.TransformADDKE1 })
				hybrid.Proposals = append(hybrid.Proposals, p)
			}
		}
		if chosen, answer, ok := w.chooseIKE(&hybrid); ok {
			chosen.mlkem = true
			answer.Transforms = append(answer.Transforms, mlkemTransform())
			return chosen, answer, true
		}
	}
	return w.chooseIKE(sa)
}

// chooseIKE picks by our preference, cipher before PRF before group. The answer holds
// one transform of each type.
func (w preferences) chooseIKE(sa *message.SA) (suite, message.Proposal, bool) {
	for _, c := range w.ciphers {
		for i := range sa.Proposals {
			p := &sa.Proposals[i]
			if p.Protocol != message.ProtocolIKE || len(p.SPI) != 0 || !offers(p, c.transform()) ||
				!onlyTypes(p, message.TransformENCR, message.TransformPRF, message.TransformKE) {
				continue
			}
			for _, f := range w.prfs {
				if !offers(p, f.transform()) {
					continue
				}
				for _, g := range w.groups {
					if offers(p, g.transform()) {
						answer := message.Proposal{Number: p.Number, Protocol: p.Protocol,
							Transforms: []message.Transform{c.transform(), f.transform(), g.transform()}}
						return suite{cipher: c, prf: f, group: g}, answer, true
					}
				}
			}
		}
	}
	return suite{}, message.Proposal{}, false
}

// childChoice is what is negotiated for a child SA.
type childChoice struct {
	cipher Cipher
	esn    bool
	group  Group // 0: no key exchange
	spi    uint32
	number uint8
	silent bool // the proposal says nothing of ESN, so the answer must not either
}

// answer is the proposal that accepts the choice, with our SPI.
func (c childChoice) answer(spi uint32) message.Proposal {
	p := message.Proposal{Number: c.number, Protocol: message.ProtocolESP, SPI: message.ChildSPI(spi),
		Transforms: []message.Transform{c.cipher.transform()}}
	if c.group != 0 {
		p.Transforms = append(p.Transforms, c.group.transform())
	}
	if !c.silent {
		p.Transforms = append(p.Transforms, esnTransform(c.esn))
	}
	return p
}

// exchangeKE says what a child's exchange allows of key exchange.
type exchangeKE uint8

const (
	keNever    exchangeKE = iota // IKE_AUTH: groups that are proposed mean nothing
	kePossible                   // CREATE_CHILD_SA
	keRequired                   // CREATE_CHILD_SA with Peer.PFS
)

// chooseESP picks by our preference, cipher before group. ESN is taken where both
// offer it.
func (w preferences) chooseESP(sa *message.SA, ke exchangeKE) (childChoice, bool) {
	for _, c := range w.ciphers {
		for i := range sa.Proposals {
			p := &sa.Proposals[i]
			spi, ok := message.ParseChildSPI(p.SPI)
			if p.Protocol != message.ProtocolESP || !ok || spi < minSPI || !offers(p, c.transform()) ||
				!onlyTypes(p, message.TransformENCR, message.TransformKE, message.TransformESN) {
				continue
			}
			choice := childChoice{cipher: c, spi: spi, number: p.Number, esn: w.esn && offers(p, esnTransform(true))}
			choice.silent = !hasType(p, message.TransformESN)
			if !choice.esn && !choice.silent && !offers(p, esnTransform(false)) {
				continue
			}
			if ke != keNever {
				for _, g := range w.groups {
					if offers(p, g.transform()) {
						choice.group = g
						break
					}
				}
				optional := !hasType(p, message.TransformKE) ||
					offers(p, message.Transform{Type: message.TransformKE, ID: message.KENone})
				if choice.group == 0 && (ke == keRequired || !optional) {
					continue
				}
			}
			return choice, true
		}
	}
	return childChoice{}, false
}

// offered tells whether an answer keeps to that proposal of ours which has its number:
// each type of transform that stands there, and no other but an INTEG of NONE.
func offered(ours []message.Proposal, answer *message.Proposal) bool {
	i := slices.IndexFunc(ours, func(p message.Proposal) bool { return p.Number == answer.Number })
	return i >= 0 &&
		!slices.ContainsFunc(ours[i].Transforms, func(t message.Transform) bool { return !hasType(answer, t.Type) }) &&
		!slices.ContainsFunc(answer.Transforms, func(t message.Transform) bool {
			return !offers(&ours[i], t) && t.Type != message.TransformINTEG
		})
}

// minSPI is the first ESP SPI that is not reserved (RFC 4303 §2.1).
const minSPI = 256

// single tells whether an answer accepts exactly one proposal with one transform of
// each type; an INTEG of NONE may stand beside.
func single(sa *message.SA) bool {
	if len(sa.Proposals) != 1 {
		return false
	}
	seen := map[message.TransformType]bool{}
	for _, t := range sa.Proposals[0].Transforms {
		if seen[t.Type] {
			return false
		}
		seen[t.Type] = true
	}
	return true
}

// proposalText is a proposal for people.
func proposalText(sa *message.SA) string {
	var b strings.Builder
	for i, p := range sa.Proposals {
		if i == 4 {
			fmt.Fprintf(&b, " and %d more", len(sa.Proposals)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		for j, t := range p.Transforms {
			if j == 16 {
				b.WriteString("…")
				break
			}
			if j > 0 {
				b.WriteByte('-')
			}
			b.WriteString(t.String())
		}
	}
	return b.String()
}

package ike

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

var (
	aes256   = message.Transform{Type: message.TransformENCR, ID: message.ENCRAESGCM16, KeyLength: 256}
	aes192   = message.Transform{Type: message.TransformENCR, ID: message.ENCRAESGCM16, KeyLength: 192}
	aesNoKey = message.Transform{Type: message.TransformENCR, ID: message.ENCRAESGCM16}
	chacha   = message.Transform{Type: message.TransformENCR, ID: message.ENCRChaCha20Poly1305}
	strange  = message.Transform{Type: message.TransformENCR, ID: 60000}
	sha256T  = message.Transform{Type: message.TransformPRF, ID: message.PRFHMACSHA2256}
	x25519T  = message.Transform{Type: message.TransformKE, ID: message.KECurve25519}
	integ    = message.Transform{Type: message.TransformINTEG, ID: 12} // AUTH_HMAC_SHA2_256_128
	noInteg  = message.Transform{Type: message.TransformINTEG, ID: message.INTEGNone}
	unknown  = message.Transform{Type: 200, ID: 1}
	esnYes   = message.Transform{Type: message.TransformESN, ID: message.ESNYes}
	esnNo    = message.Transform{Type: message.TransformESN, ID: message.ESNNo}
)

func with(t message.Transform, attribute uint16) message.Transform {
	t.Attributes = []message.Attribute{{Type: attribute, Short: true, Value: []byte{0, 1}}}
	return t
}

func ikeOffer(number uint8, ts ...message.Transform) message.Proposal {
	return message.Proposal{Number: number, Protocol: message.ProtocolIKE, Transforms: ts}
}

func espOffer(number uint8, ts ...message.Transform) message.Proposal {
	return message.Proposal{Number: number, Protocol: message.ProtocolESP, SPI: message.ChildSPI(0xabcd00), Transforms: ts}
}

// of gives a proposal as "number: transforms".
func offerText(p message.Proposal) string {
	var names []string
	for _, t := range p.Transforms {
		names = append(names, t.String())
	}
	return fmt.Sprintf("%d: %s", p.Number, strings.Join(names, " "))
}

type negotiation struct {
	name   string
	offers []message.Proposal
	want   string // the answer; empty: NO_PROPOSAL_CHOSEN
}

const (
	gcm256IKE = "ENCR_AES_GCM_16/256 PRF_HMAC_SHA2_256 KE_CURVE25519"
	chachaIKE = "ENCR_CHACHA20_POLY1305 PRF_HMAC_SHA2_256 KE_CURVE25519"
)

var ikeNegotiations = []negotiation{
	{"plain", []message.Proposal{ikeOffer(1, aes256, sha256T, x25519T)}, "1: " + gcm256IKE},
	{"one of each type is chosen", []message.Proposal{ikeOffer(1, chacha, aes256, sha256T, x25519T)}, "1: " + gcm256IKE},
	{"an unknown algorithm beside a known one", []message.Proposal{ikeOffer(1, strange, aes256, sha256T, x25519T)}, "1: " + gcm256IKE},
	{"only an unknown algorithm", []message.Proposal{ikeOffer(1, strange, sha256T, x25519T)}, ""},
	{"a transform of an unknown type", []message.Proposal{ikeOffer(1, aes256, sha256T, x25519T, unknown)}, ""},
	{"the second proposal", []message.Proposal{ikeOffer(1, strange, sha256T, x25519T), ikeOffer(2, aes256, sha256T, x25519T)}, "2: " + gcm256IKE},
	{"an unknown type in the first", []message.Proposal{ikeOffer(1, aes256, sha256T, x25519T, unknown), ikeOffer(2, chacha, sha256T, x25519T)}, "2: " + chachaIKE},
	{"an unknown attribute", []message.Proposal{ikeOffer(1, with(aes256, 99), sha256T, x25519T)}, ""},
	{"an unknown attribute on one of two", []message.Proposal{ikeOffer(1, with(aes256, 99), chacha, sha256T, x25519T)}, "1: " + chachaIKE},
	{"AES without a key length", []message.Proposal{ikeOffer(1, aesNoKey, sha256T, x25519T)}, ""},
	{"AES with a key length that we do not have", []message.Proposal{ikeOffer(1, aes192, sha256T, x25519T)}, ""},
	{"ChaCha20 with a key length", []message.Proposal{ikeOffer(1, message.Transform{Type: message.TransformENCR, ID: message.ENCRChaCha20Poly1305, KeyLength: 256}, sha256T, x25519T)}, ""},
	{"a combined mode with an integrity algorithm", []message.Proposal{ikeOffer(1, aes256, integ, sha256T, x25519T)}, ""},
	{"a combined mode with NONE", []message.Proposal{ikeOffer(1, aes256, noInteg, sha256T, x25519T)}, "1: " + gcm256IKE},
	{"no PRF", []message.Proposal{ikeOffer(1, aes256, x25519T)}, ""},
	{"no group", []message.Proposal{ikeOffer(1, aes256, sha256T)}, ""},
	{"another protocol", []message.Proposal{espOffer(1, aes256, sha256T, x25519T)}, ""},
	{"an SPI in the first exchange", []message.Proposal{{Number: 1, Protocol: message.ProtocolIKE, SPI: message.IKESPI(1), Transforms: []message.Transform{aes256, sha256T, x25519T}}}, ""},
}

// TestConformanceIKENegotiation offers proposals to the responder and reads its answer.
func TestConformanceIKENegotiation(t *testing.T) {
	for _, tt := range ikeNegotiations {
		t.Run(tt.name, func(t *testing.T) {
			st, request := initStage(t)
			m := parsed(t, request)
			onlyOne[*message.SA](t, m.Payloads).Proposals = tt.offers
			m.Payloads = append(m.Payloads, &message.VendorID{Data: make([]byte, 200)}) // no cookie for a short request
			answer := parsed(t, giveRaw(st.w, st.a, st.b, marshalled(t, m)))
			if tt.want == "" {
				if n := onlyOne[*message.Notify](t, answer.Payloads); n.Type != message.NotifyNoProposalChosen || len(st.b.m.sas) != 0 {
					t.Errorf("answered %v, %d SAs", n.Type, len(st.b.m.sas))
				}
				return
			}
			sa := onlyOne[*message.SA](t, answer.Payloads)
			if len(sa.Proposals) != 1 || offerText(sa.Proposals[0]) != tt.want || len(sa.Proposals[0].SPI) != 0 {
				t.Errorf("chosen %+v, want %s", sa.Proposals, tt.want)
			}
		})
	}
}

var childNegotiations = []negotiation{
	{"plain", []message.Proposal{espOffer(1, aes256, esnNo)}, "1: ENCR_AES_GCM_16/256 ESN_NO"},
	{"ESN where both have it", []message.Proposal{espOffer(1, aes256, esnNo, esnYes)}, "1: ENCR_AES_GCM_16/256 ESN_YES"},
	{"the second proposal", []message.Proposal{espOffer(1, aes192, esnNo), espOffer(2, chacha, esnNo)}, "2: ENCR_CHACHA20_POLY1305 ESN_NO"},
	{"an unknown type", []message.Proposal{espOffer(1, aes256, esnNo, unknown)}, ""},
	{"an integrity algorithm beside a combined mode", []message.Proposal{espOffer(1, aes256, integ, esnNo)}, ""},
	{"an unknown attribute", []message.Proposal{espOffer(1, with(aes256, 77), esnNo)}, ""},
	{"AH", []message.Proposal{{Number: 1, Protocol: message.ProtocolAH, SPI: message.ChildSPI(0xabcd00), Transforms: []message.Transform{integ, esnNo}}}, ""},
	{"an SPI of zero", []message.Proposal{{Number: 1, Protocol: message.ProtocolESP, SPI: message.ChildSPI(0), Transforms: []message.Transform{aes256, esnNo}}}, ""},
	{"a reserved SPI", []message.Proposal{{Number: 1, Protocol: message.ProtocolESP, SPI: message.ChildSPI(255), Transforms: []message.Transform{aes256, esnNo}}}, ""},
}

// inAuth has the initiator send another IKE_AUTH request than it did, and gives the
// answer's payloads.
func inAuth(t testing.TB, change func(ps []message.Payload) []message.Payload) (st *stage, answer []message.Payload) {
	t.Helper()
	st = hold(t, message.ExchangeIKEAuth, false, false)
	h, ps := opened(t, st.b, st.held)
	first, plain, err := message.MarshalPayloads(change(ps))
	if err != nil {
		t.Fatal(err)
	}
	raw := giveRaw(st.w, st.a, st.b, sealAs(t, st.a, h, first, plain))
	if raw == nil {
		t.Fatal("no answer to IKE_AUTH")
	}
	_, answer = opened(t, st.a, raw)
	return st, answer
}

// TestConformanceChildNegotiation does the same in IKE_AUTH. An IKE SA whose child is
// refused stands, and is authenticated.
func TestConformanceChildNegotiation(t *testing.T) {
	for _, tt := range childNegotiations {
		t.Run(tt.name, func(t *testing.T) {
			st, answer := inAuth(t, func(ps []message.Payload) []message.Payload {
				onlyOne[*message.SA](t, ps).Proposals = tt.offers
				return ps
			})
			onlyOne[*message.IDr](t, answer)
			onlyOne[*message.AUTH](t, answer)
			if tt.want == "" {
				if message.FindNotify(answer, message.NotifyNoProposalChosen) == nil || len(st.b.children) != 0 || only(st.b).state != saEstablished {
					t.Errorf("answered %s, %d children, IKE SA %v", outline(answer), len(st.b.children), only(st.b).state)
				}
				return
			}
			sa := onlyOne[*message.SA](t, answer)
			if len(sa.Proposals) != 1 || offerText(sa.Proposals[0]) != tt.want || len(sa.Proposals[0].SPI) != 4 || len(st.b.children) != 1 {
				t.Errorf("chosen %+v, want %s", sa.Proposals, tt.want)
			}
		})
	}
}

// TestConformanceAnswerMustBeOffered answers IKE_SA_INIT with what was not offered: the
// initiator takes none of it, and the true answer still.
func TestConformanceAnswerMustBeOffered(t *testing.T) {
	change := func(f func(p *message.Proposal)) func(m *message.Message) {
		return func(m *message.Message) { f(&onlyOne[*message.SA](t, m.Payloads).Proposals[0]) }
	}
	for name, spoil := range map[string]func(m *message.Message){
		"a cipher not offered":     change(func(p *message.Proposal) { p.Transforms[0] = aes192 }),
		"two ciphers":              change(func(p *message.Proposal) { p.Transforms = append(p.Transforms, chacha) }),
		"no PRF":                   change(func(p *message.Proposal) { p.Transforms = slices.Delete(p.Transforms, 1, 2) }),
		"an integrity algorithm":   change(func(p *message.Proposal) { p.Transforms = append(p.Transforms, integ) }),
		"another number":           change(func(p *message.Proposal) { p.Number = 2 }),
		"an SPI":                   change(func(p *message.Proposal) { p.SPI = message.IKESPI(7) }),
		"another group":            change(func(p *message.Proposal) { p.Transforms[2].ID = message.KEECP256 }),
		"an attribute not offered": change(func(p *message.Proposal) { p.Transforms[0] = with(p.Transforms[0], 5) }),
		"two proposals": func(m *message.Message) {
			sa := onlyOne[*message.SA](t, m.Payloads)
			sa.Proposals = append(sa.Proposals, sa.Proposals[0])
		},
		"a key of another group": func(m *message.Message) {
			onlyOne[*message.KE](t, m.Payloads).Group = message.KEECP256
		},
		"a key of the wrong length": func(m *message.Message) {
			ke := onlyOne[*message.KE](t, m.Payloads)
			ke.Data = append(bytes.Clone(ke.Data), 0)
		},
		"no responder SPI": func(m *message.Message) { m.ResponderSPI = 0 },
	} {
		st := hold(t, message.ExchangeIKESAInit, true, false)
		m := parsed(t, st.held)
		spoil(m)
		sent := st.a.sentIKE
		giveRaw(st.w, st.b, st.a, marshalled(t, m))
		if only(st.a).state != saInit || st.a.sentIKE != sent || len(st.a.downs) > 0 {
			t.Errorf("%s: the initiator went on", name)
		}
		st.a.step(Datagram{Local: st.a.addr, Remote: st.b.addr, Bytes: st.held})
		st.w.run(time.Second)
		if !st.a.ready() {
			t.Errorf("%s: the true answer is not taken any more", name)
		}
	}
}

// TestConformanceOffers reads what we offer: numbers from 1, one protocol, key lengths
// for AES only, no integrity algorithm beside combined modes, ESN for ESP, no group
// where there is no key.
func TestConformanceOffers(t *testing.T) {
	st := hold(t, message.ExchangeIKEAuth, false, false)
	_, auth := opened(t, st.b, st.held)
	w := newWorld(t, 1)
	a, _ := pair(w, func(a, b *Peer) { a.PFS, b.PFS = true, true })
	var init, rekey []message.Payload
	w.filter = func(p *packet) bool {
		if p.ike == nil || p.from != a.addr {
			return true
		}
		switch message.ExchangeType(p.ike[18]) {
		case message.ExchangeIKESAInit:
			init = parsed(t, p.ike).Payloads
		case message.ExchangeCreateChildSA:
			rekey = sealedBy(a, p.ike)
		}
		return true
	}
	a.connect()
	w.run(5 * time.Second)
	a.soft()
	w.run(time.Second)
	for _, tt := range []struct {
		name     string
		ps       []message.Payload
		protocol message.ProtocolID
		spi      int
		types    []message.TransformType
	}{
		{"IKE_SA_INIT", init, message.ProtocolIKE, 0, []message.TransformType{message.TransformENCR, message.TransformPRF, message.TransformKE}},
		{"IKE_AUTH", auth, message.ProtocolESP, 4, []message.TransformType{message.TransformENCR, message.TransformESN}},
		{"CREATE_CHILD_SA", rekey, message.ProtocolESP, 4, []message.TransformType{message.TransformENCR, message.TransformKE, message.TransformESN}},
	} {
		for i, p := range onlyOne[*message.SA](t, tt.ps).Proposals {
			if int(p.Number) != i+1 || p.Protocol != tt.protocol || len(p.SPI) != tt.spi {
				t.Errorf("%s: proposal %d has number %d, protocol %v, SPI %x", tt.name, i, p.Number, p.Protocol, p.SPI)
			}
			seen := map[message.TransformType]bool{}
			for _, tr := range p.Transforms {
				seen[tr.Type] = true
				if len(tr.Attributes) > 0 || (tr.KeyLength != 0) != (tr.ID == message.ENCRAESGCM16 && tr.Type == message.TransformENCR) {
					t.Errorf("%s: %v with key length %d", tt.name, tr, tr.KeyLength)
				}
			}
			for _, kind := range tt.types {
				if !seen[kind] {
					t.Errorf("%s: proposal %d has no %v", tt.name, i, kind)
				}
			}
			if seen[message.TransformINTEG] || seen[message.TransformKE] != slices.Contains(tt.types, message.TransformKE) {
				t.Errorf("%s: proposal %d has %v", tt.name, i, seen)
			}
		}
		if ke, err := message.AtMostOne[*message.KE](tt.ps); err != nil || (ke != nil) != slices.Contains(tt.types, message.TransformKE) {
			t.Errorf("%s: key %v, %v", tt.name, ke, err)
		} else if ke != nil && !slices.ContainsFunc(onlyOne[*message.SA](t, tt.ps).Proposals[0].Transforms, func(tr message.Transform) bool {
			return tr.Type == message.TransformKE && tr.ID == ke.Group
		}) {
			t.Errorf("%s: the key's group is not offered", tt.name)
		}
	}
}

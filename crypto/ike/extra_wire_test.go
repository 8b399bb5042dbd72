package ike

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// vendors is how often the peer that sent ps said that it numbers its children.
func vendors(ps []message.Payload) (n int) {
	for v := range message.All[*message.VendorID](ps) {
		if string(v.Data) == extrasVendor || string(v.Data) == extrasVendorNAT {
			n++
		}
	}
	return n
}

// TestConformanceExtraOnTheWire follows the set-up of two additional children: what the
// messages hold.
func TestConformanceExtraOnTheWire(t *testing.T) {
	w := newWorld(t, 1)
	var auths, creates [][]message.Payload
	w.filter = func(p *packet) bool {
		if p.ike == nil {
			return true
		}
		switch ps := sealedBy(w.nodeAt(p.from), p.ike); message.ExchangeType(p.ike[18]) {
		case message.ExchangeIKEAuth:
			auths = append(auths, ps)
		case message.ExchangeCreateChildSA:
			creates = append(creates, ps)
		}
		return true
	}
	a, _ := pair(w, extraPair(2, 2))
	a.connect()
	w.run(3 * time.Second)
	w.quiet()
	if len(auths) != 2 || len(creates) != 4 {
		t.Fatalf("%d messages of IKE_AUTH and %d of CREATE_CHILD_SA", len(auths), len(creates))
	}
	for i, ps := range auths {
		if n := message.FindNotify(ps, message.NotifySAResourceInfo); n == nil || len(n.Data) > 0 || vendors(ps) != 1 {
			t.Errorf("IKE_AUTH, message %d: SA_RESOURCE_INFO %+v, %d vendor IDs", i, n, vendors(ps))
		}
	}
	for i, ps := range creates {
		n := message.FindNotify(ps, message.NotifySAResourceInfo)
		if n == nil || n.Protocol != message.ProtocolNone || len(n.SPI) > 0 || !slices.Equal(n.Data, []byte{0, byte(1 + i/2)}) {
			t.Errorf("CREATE_CHILD_SA, message %d: SA_RESOURCE_INFO %+v", i, n)
		}
		if message.FindNotify(ps, message.NotifyRekeySA) != nil {
			t.Errorf("message %d has REKEY_SA", i)
		}
		tsi, tsr := onlyOne[*message.TSi](t, ps), onlyOne[*message.TSr](t, ps)
		c := a.children[a.using[1]]
		if !slices.Equal(selectorsOf(&tsi.TrafficSelectors), c.Local) || !slices.Equal(selectorsOf(&tsr.TrafficSelectors), c.Remote) {
			t.Errorf("message %d: other selectors than the first child's: %v and %v", i, tsi.Selectors, tsr.Selectors)
		}
	}
}

// TestConformanceExtraUnknown: an end that wants none says nothing of additional children,
// and one that only knows RFC 9611, or only our vendor ID, gets none.
func TestConformanceExtraUnknown(t *testing.T) {
	w := newWorld(t, 1)
	a, _ := pair(w, extraPair(0, 2))
	said := 0
	w.filter = func(p *packet) bool {
		if p.ike != nil {
			ps := sealedBy(w.nodeAt(p.from), p.ike)
			if vendors(ps) > 0 || message.FindNotify(ps, message.NotifySAResourceInfo) != nil {
				said++
			}
		}
		return true
	}
	a.connect()
	w.run(3 * time.Second)
	w.quiet()
	if said > 0 {
		t.Errorf("%d messages about additional children", said)
	}
	info := &message.Notify{Type: message.NotifySAResourceInfo}
	for _, tt := range []struct {
		name string
		ps   []message.Payload
		want bool
	}{
		{"both", []message.Payload{&message.VendorID{Data: []byte("other")}, &message.VendorID{Data: []byte(extrasVendor)}, info}, true},
		{"a number in it", []message.Payload{&message.VendorID{Data: []byte(extrasVendor)}, resourceInfo(7)}, true},
		{"RFC 9611 alone", []message.Payload{info}, false},
		{"vendor ID alone", []message.Payload{&message.VendorID{Data: []byte(extrasVendor)}}, false},
		{"another vendor", []message.Payload{&message.VendorID{Data: []byte(extrasVendor + "1")}, info}, false},
		{"behind a NAT", []message.Payload{&message.VendorID{Data: []byte(extrasVendorNAT)}, info}, true},
	} {
		s := &sa{peer: &peer{Peer: Peer{Extra: 1}}}
		if s.agreeExtras(tt.ps); s.extras.agreed != tt.want {
			t.Errorf("%s: agreed %v", tt.name, s.extras.agreed)
		}
	}
}

// askExtra is a peer's request for a child with this SA_RESOURCE_INFO, which may be nil.
func askExtra(t *testing.T, w *world, a, b *node, spi uint32, info []byte, local string) []message.Payload {
	t.Helper()
	offer := espOffer(1, aes256, esnNo)
	offer.SPI = message.ChildSPI(spi)
	nonce := make([]byte, 32)
	binary.BigEndian.PutUint32(nonce, spi)
	ts := func(s []Selector) message.TrafficSelectors { return wireSelectors(s) }
	_, ps := opened(t, a, give(t, w, a, b, message.ExchangeCreateChildSA, false, only(b).expectID,
		&message.Notify{Type: message.NotifySAResourceInfo, Data: info}, &message.SA{Proposals: []message.Proposal{offer}},
		&message.Nonce{Data: nonce}, &message.TSi{TrafficSelectors: ts(selectors(local, "2001:db8:1::/48"))},
		&message.TSr{TrafficSelectors: ts(selectors("10.2.0.0/16", "2001:db8:2::/48"))}))
	return ps
}

// TestConformanceExtraRefused gives an end requests for additional children that it does
// not want: they are refused, and nothing else changes.
func TestConformanceExtraRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		a, b  int // Extra
		info  []byte
		local string
		want  message.NotifyType
	}{
		{"none agreed on", 0, 2, []byte{0, 1}, "10.1.0.0/16", message.NotifyTSMaxQueue},
		{"one too many", 2, 2, []byte{0, 3}, "10.1.0.0/16", message.NotifyTSMaxQueue},
		{"far too many", 2, 2, []byte{255, 255}, "10.1.0.0/16", message.NotifyTSMaxQueue},
		{"resource 0", 2, 2, []byte{0, 0}, "10.1.0.0/16", message.NotifyTSMaxQueue},
		{"a number in four bytes", 2, 2, []byte{0, 0, 0, 1}, "10.1.0.0/16", message.NotifyTSMaxQueue},
		{"fewer selectors", 2, 2, []byte{0, 1}, "10.1.0.0/24", message.NotifyNoAdditionalSAs},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 1)
			a, b := pair(w, extraPair(tt.a, tt.b))
			a.connect()
			w.run(3 * time.Second)
			w.quiet()
			children := len(b.children)
			ps := askExtra(t, w, a, b, 4711, tt.info, tt.local)
			if message.FindNotify(ps, tt.want) == nil || len(ps) != 1 {
				t.Errorf("answered %s", outline(ps))
			}
			if len(b.children) != children || len(b.downs) > 0 || only(b).state != saEstablished {
				t.Errorf("%d children, were %d; down %v", len(b.children), children, b.downs)
			}
		})
	}
}

// TestConformanceExtraSelectors: an additional child has the selectors of the first one,
// neither fewer nor more.
func TestConformanceExtraSelectors(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) {
		extraPair(0, 2)(a, b)
		a.Local = selectors("10.1.0.0/24", "2001:db8:1::/48")
	})
	a.connect()
	w.run(3 * time.Second)
	only(b).extras.agreed = true // by a peer that asks for more than before
	children := len(b.children)
	ps := askExtra(t, w, a, b, 4711, []byte{0, 1}, "10.1.0.0/16")
	if message.FindNotify(ps, message.NotifyTSUnacceptable) == nil || len(b.children) != children {
		t.Errorf("answered %s, %d children, were %d", outline(ps), len(b.children), children)
	}
	ps = askExtra(t, w, a, b, 4711, []byte{0, 1}, "10.1.0.0/24")
	if n := message.FindNotify(ps, message.NotifySAResourceInfo); n == nil || len(b.children) != children+1 {
		t.Errorf("answered %s, %d children, were %d", outline(ps), len(b.children), children)
	}
}

// TestConformanceExtraAnswers gives who asks for an additional child each refusal and some
// answers that make none: the tunnel stays as it is, and TS_MAX_QUEUE is the last word
// under the IKE SA.
func TestConformanceExtraAnswers(t *testing.T) {
	child := func(esn message.Transform, local string) []message.Payload {
		offer := espOffer(1, aes256, esn)
		offer.SPI = message.ChildSPI(4711)
		return []message.Payload{&message.SA{Proposals: []message.Proposal{offer}}, &message.Nonce{Data: make([]byte, 32)},
			&message.TSi{TrafficSelectors: wireSelectors(selectors(local, "2001:db8:1::/48"))},
			&message.TSr{TrafficSelectors: wireSelectors(selectors("10.2.0.0/16", "2001:db8:2::/48"))}}
	}
	notify := func(t message.NotifyType) []message.Payload { return []message.Payload{&message.Notify{Type: t}} }
	for _, tt := range []struct {
		name    string
		answer  []message.Payload
		orphan  bool // the peer has a child now, which is to be closed
		forever bool
	}{
		{"TS_MAX_QUEUE", notify(message.NotifyTSMaxQueue), false, true},
		{"NO_ADDITIONAL_SAS", notify(message.NotifyNoAdditionalSAs), false, true},
		{"TEMPORARY_FAILURE", notify(message.NotifyTemporaryFailure), false, false},
		{"NO_PROPOSAL_CHOSEN", notify(message.NotifyNoProposalChosen), false, false},
		{"TS_UNACCEPTABLE", notify(message.NotifyTSUnacceptable), false, false},
		{"CHILD_SA_NOT_FOUND", notify(message.NotifyChildSANotFound), false, false},
		{"an unknown error", notify(8191), false, false},
		{"fewer selectors", child(esnNo, "10.1.0.0/24"), true, false},
		{"other selectors", child(esnNo, "10.9.0.0/16"), true, false},
		{"no nonce", child(esnNo, "10.1.0.0/16")[:1], true, false},
		{"nothing", nil, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 1)
			a, b := pair(w, extraPair(2, 2))
			extras, deleted := 0, 0
			answered := false
			w.filter = func(p *packet) bool {
				if p.ike == nil || p.from != a.addr || only(a) == nil {
					return true
				}
				ps := sealedBy(a, p.ike)
				switch n := message.FindNotify(ps, message.NotifySAResourceInfo); {
				case p.ike[18] == byte(message.ExchangeCreateChildSA) && n != nil && n.Data[1] == 2:
					extras++
					return answered
				case p.ike[18] == byte(message.ExchangeInformational) && !answered:
				case p.ike[18] == byte(message.ExchangeInformational):
					if d, _ := message.One[*message.Delete](ps); d != nil && d.Protocol == message.ProtocolESP {
						deleted++
					}
				}
				return true
			}
			a.connect()
			w.until(3*time.Second, "a request for the second", func() bool { return extras > 0 })
			first, one := a.using[1], a.extra[resource{1, 1}]
			answered = true
			s := only(b)
			give(t, w, b, a, message.ExchangeCreateChildSA, true, s.expectID, tt.answer...)
			s.expectID++ // as if it had answered so
			w.run(60 * time.Second)
			if got := a.using[1]; got != first || a.extra[resource{1, 1}] != one || len(a.downs)+len(b.downs) > 0 {
				w.failf("the others did not stay: down %v %v", a.downs, b.downs)
			}
			if (extras == 1) != tt.forever || (a.extra[resource{1, 2}] == 0) != tt.forever {
				t.Errorf("%d requests, the second is %08x", extras, a.extra[resource{1, 2}])
			}
			if (deleted > 0) != tt.orphan {
				t.Errorf("%d DELETEs", deleted)
			}
			if !tt.forever {
				w.quiet()
				return
			}
			a.rekeyIKE() // asks again
			w.run(12 * time.Second)
			w.quiet()
		})
	}
}

// TestExtraUsedOnceKnown: a responder sends on an additional child when the initiator's
// next message shows that it has it, be that ESP or the next request, and not before.
func TestExtraUsedOnceKnown(t *testing.T) {
	for _, esp := range []bool{true, false} {
		w := newWorld(t, 1)
		a, b := pair(w, extraPair(1, 1))
		held := func(p *packet) bool {
			return p.esp == nil && (p.from == b.addr || p.ike[18] != byte(message.ExchangeInformational))
		}
		w.filter = held
		a.connect()
		w.run(400 * time.Millisecond)
		id := resource{7, 1}
		if a.extra[resource{1, 1}] == 0 || b.extra[id] != 0 {
			w.failf("a does not have it, or b uses it before anything was heard")
		}
		if esp {
			w.filter = nil
			a.sendESP()
			w.filter = held
		} else {
			w.filter = nil // the request comes again
		}
		w.run(500 * time.Millisecond)
		if b.extra[id] == 0 {
			w.failf("not used yet; by ESP %v", esp)
		}
	}
}

// TestExtraOpener: of two ends of which one is behind a NAT that one opens the ports, and
// else who began; both agree on it.
func TestExtraOpener(t *testing.T) {
	for _, tt := range []struct{ initiatorNAT, responderNAT, initiatorOpens bool }{
		{false, false, true}, {true, true, true}, {true, false, true}, {false, true, false},
	} {
		one := Peer{Extra: 1}
		initiator := &sa{initiator: true, behindNAT: tt.initiatorNAT, peer: &peer{Peer: one}}
		responder := &sa{behindNAT: tt.responderNAT, peer: &peer{Peer: one}}
		initiator.agreeExtras(responder.announcement())
		responder.agreeExtras(initiator.announcement())
		if initiator.extras.opener != tt.initiatorOpens || responder.extras.opener == tt.initiatorOpens {
			t.Errorf("%+v: the initiator opens: %v, the responder: %v", tt, initiator.extras.opener, responder.extras.opener)
		}
	}
}

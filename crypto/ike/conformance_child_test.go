package ike

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// TestConformanceRekeyOnTheWire follows a rekey and the DELETE after it: what each of
// the four messages names and holds.
func TestConformanceRekeyOnTheWire(t *testing.T) {
	w, a, _ := settled(t)
	oldIn, oldOut := a.using[1], a.children[a.using[1]].Outbound.SPI
	var rekeys, answers, deletes, deleted []message.Payload
	w.filter = func(p *packet) bool {
		if p.ike == nil {
			return true
		}
		ps := sealedBy(w.nodeAt(p.from), p.ike)
		switch x, response := message.ExchangeType(p.ike[18]), p.ike[19]&0x20 != 0; {
		case x == message.ExchangeCreateChildSA && !response:
			rekeys = ps
		case x == message.ExchangeCreateChildSA:
			answers = ps
		case !response:
			deletes = ps
		default:
			deleted = ps
		}
		return true
	}
	a.soft()
	w.run(3 * time.Second)

	n := message.FindNotify(rekeys, message.NotifyRekeySA)
	if n == nil || n.Protocol != message.ProtocolESP || string(n.SPI) != string(message.ChildSPI(oldIn)) || len(n.Data) != 0 {
		t.Fatalf("the rekey names %+v, want ESP and the initiator's inbound SPI %08x", n, oldIn)
	}
	if message.FindNotify(answers, message.NotifyRekeySA) != nil {
		t.Error("the answer has REKEY_SA too")
	}
	for name, ps := range map[string][]message.Payload{"request": rekeys, "answer": answers} {
		p := onlyOne[*message.SA](t, ps).Proposals[0]
		spi, _ := message.ParseChildSPI(p.SPI)
		if spi == oldIn || spi == oldOut || spi < minSPI {
			t.Errorf("%s: SPI %08x, the old ones are %08x and %08x", name, spi, oldIn, oldOut)
		}
		onlyOne[*message.Nonce](t, ps)
		tsi, tsr := onlyOne[*message.TSi](t, ps), onlyOne[*message.TSr](t, ps)
		c := a.children[a.using[1]]
		if !slices.Equal(selectorsOf(&tsi.TrafficSelectors), c.Local) || !slices.Equal(selectorsOf(&tsr.TrafficSelectors), c.Remote) {
			t.Errorf("%s: other selectors than before: %v and %v", name, tsi.Selectors, tsr.Selectors)
		}
	}
	for _, tt := range []struct {
		who string
		ps  []message.Payload
		spi uint32
	}{{"the rekey's initiator deletes", deletes, oldIn}, {"the responder answers", deleted, oldOut}} {
		if d := onlyOne[*message.Delete](t, tt.ps); d.Protocol != message.ProtocolESP || !slices.Equal(d.SPIs, []uint32{tt.spi}) || len(tt.ps) != 1 {
			t.Errorf("%s %+v, want its own inbound SPI %08x", tt.who, d, tt.spi)
		}
	}
}

// TestConformanceCollisions puts requests that cross each other to an end, as RFC 7296
// §2.25.1 lists them.
func TestConformanceCollisions(t *testing.T) {
	rekey := func(spi uint32) []message.Payload {
		return []message.Payload{&message.Notify{Protocol: message.ProtocolESP, SPI: message.ChildSPI(spi), Type: message.NotifyRekeySA},
			&message.SA{Proposals: []message.Proposal{espOffer(1, aes256, esnNo)}}, &message.Nonce{Data: make([]byte, 32)},
			&message.TSi{TrafficSelectors: wireSelectors(selectors("10.1.0.0/16"))}, &message.TSr{TrafficSelectors: wireSelectors(selectors("10.2.0.0/16"))}}
	}
	del := func(spi uint32) []message.Payload {
		return []message.Payload{&message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{spi}}}
	}
	create, info := message.ExchangeCreateChildSA, message.ExchangeInformational
	for _, tt := range []struct {
		name   string
		before func(b *node) // what b has under way; its messages are lost
		x      message.ExchangeType
		ask    func(spi uint32) []message.Payload
		want   message.NotifyType // 0: no error
		delete bool               // the answer has a Delete payload
	}{
		{"rekey of a child that is being closed", func(b *node) { b.m.peers[7].using.delete() }, create, rekey, message.NotifyTemporaryFailure, false},
		{"close of a child that is being rekeyed", func(b *node) { b.soft() }, info, del, 0, true},
		{"close of a child that is being closed", func(b *node) { b.m.peers[7].using.delete() }, info, del, 0, false},
		{"rekey of a child that is being rekeyed", func(b *node) { b.soft() }, create, rekey, 0, false},
		{"close of a child that is not there", nil, info, func(uint32) []message.Payload { return del(4711) }, 0, false},
		{"rekey of a child that is not there", nil, create, func(uint32) []message.Payload { return rekey(4711) }, message.NotifyChildSANotFound, false},
		{"rekey while the IKE SA is being closed", func(b *node) { only(b).beginDelete(Reason{Code: ReasonRemoved}) }, create, rekey, message.NotifyTemporaryFailure, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, a, b := settled(t)
			spi := a.using[1]
			if tt.before != nil {
				w.filter = func(p *packet) bool { return p.from != b.addr }
				tt.before(b)
				b.step(Tick{})
			}
			raw := give(t, w, a, b, tt.x, false, only(b).expectID, tt.ask(spi)...)
			if raw == nil {
				t.Fatal("no answer")
			}
			_, ps := opened(t, a, raw)
			var got message.NotifyType
			for n := range message.All[*message.Notify](ps) {
				got = n.Type
				if n.Type == message.NotifyChildSANotFound && (n.Protocol != message.ProtocolESP || string(n.SPI) != string(message.ChildSPI(4711))) {
					t.Errorf("CHILD_SA_NOT_FOUND about %v %x", n.Protocol, n.SPI)
				}
			}
			d, err := message.AtMostOne[*message.Delete](ps)
			if got != tt.want || err != nil || (d != nil) != tt.delete {
				t.Errorf("answered %s", outline(ps))
			}
			if made, err := message.AtMostOne[*message.SA](ps); tt.x == create && tt.want == 0 && (err != nil || made == nil) {
				t.Errorf("no child in %s", outline(ps))
			}
		})
	}
}

// TestConformanceTemporaryFailure answers a rekey with TEMPORARY_FAILURE: it is not
// asked again at once, but later, and the old child stays.
func TestConformanceTemporaryFailure(t *testing.T) {
	w, a, b := settled(t)
	using := a.using[1]
	requests := 0
	w.filter = func(p *packet) bool {
		if p.from == a.addr && p.ike != nil && p.ike[18] == byte(message.ExchangeCreateChildSA) {
			requests++
			return requests > 1
		}
		return true
	}
	a.soft()
	s := only(b)
	raw := sealAs(t, b, s.header(message.ExchangeCreateChildSA, true, s.expectID),
		message.PayloadNotify, []byte{0, 0, 0, 8, 0, 0, 0, byte(message.NotifyTemporaryFailure)})
	s.expectID++
	giveRaw(w, b, a, raw)
	w.run(700 * time.Millisecond)
	if requests != 1 || a.using[1] != using || len(a.downs) > 0 {
		t.Errorf("%d requests at once, using %08x, was %08x", requests, a.using[1], using)
	}
	w.run(10 * time.Second)
	if requests < 2 || a.using[1] == using {
		t.Errorf("%d requests in 10 s: not tried again", requests)
	}
	w.quiet()
}

// childOf gives the selectors that an answer to IKE_AUTH agrees to, or its error.
func childOf(t *testing.T, st *stage, answer []message.Payload) string {
	t.Helper()
	for n := range message.All[*message.Notify](answer) {
		if n.Type.IsError() {
			if len(st.b.children) > 0 {
				t.Errorf("%v and a child", n.Type)
			}
			return n.Type.String()
		}
	}
	tsi, tsr := onlyOne[*message.TSi](t, answer), onlyOne[*message.TSr](t, answer)
	return selectorText(selectorsOf(&tsi.TrafficSelectors)) + " – " + selectorText(selectorsOf(&tsr.TrafficSelectors))
}

// TestConformanceSelectors proposes selectors to a responder that has 10.2.0.0/16 and
// 2001:db8:2::/48 for itself and 10.1.0.0/16 and 2001:db8:1::/48 for us.
func TestConformanceSelectors(t *testing.T) {
	ts := func(first, last string, proto uint8, start, end uint16) message.TrafficSelector {
		s := message.TrafficSelector{Type: message.TSIPv4AddrRange, Proto: proto, StartPort: start, EndPort: end,
			First: netip.MustParseAddr(first), Last: netip.MustParseAddr(last)}
		if s.First.Is6() {
			s.Type = message.TSIPv6AddrRange
		}
		return s
	}
	all := func(first, last string) message.TrafficSelector { return ts(first, last, 0, 0, 65535) }
	label := message.TrafficSelector{Type: message.TSSecLabel, Raw: []byte("label")}
	right := all("10.2.0.0", "10.2.255.255")
	for _, tt := range []struct {
		name string
		tsi  []message.TrafficSelector
		want string
	}{
		{"the same", []message.TrafficSelector{all("10.1.0.0", "10.1.255.255")}, "10.1.0.0/16 – 10.2.0.0/16"},
		{"more", []message.TrafficSelector{all("0.0.0.0", "255.255.255.255")}, "10.1.0.0/16 – 10.2.0.0/16"},
		{"less", []message.TrafficSelector{all("10.1.7.1", "10.1.7.9")}, "10.1.7.1-10.1.7.9 – 10.2.0.0/16"},
		{"overlapping", []message.TrafficSelector{all("10.1.255.0", "10.5.0.0")}, "10.1.255.0/24 – 10.2.0.0/16"},
		{"the packet that caused it first", []message.TrafficSelector{ts("10.1.9.9", "10.1.9.9", 6, 80, 80), all("10.1.0.0", "10.1.255.255")}, "10.1.0.0/16 – 10.2.0.0/16"},
		{"one protocol and port", []message.TrafficSelector{ts("10.1.0.0", "10.1.255.255", 17, 53, 53)}, "10.1.0.0/16[17/53] – 10.2.0.0/16"},
		{"none in common", []message.TrafficSelector{all("10.9.0.0", "10.9.255.255")}, "TS_UNACCEPTABLE"},
		{"a type not known beside one that is", []message.TrafficSelector{label, all("10.1.0.0", "10.1.255.255")}, "10.1.0.0/16 – 10.2.0.0/16"},
		{"only a type not known", []message.TrafficSelector{label}, "TS_UNACCEPTABLE"},
		{"only opaque ports", []message.TrafficSelector{ts("10.1.0.0", "10.1.255.255", 6, 65535, 0)}, "TS_UNACCEPTABLE"},
		{"both families", []message.TrafficSelector{all("2001:db8:1::", "2001:db8:1::ffff"), all("10.1.0.0", "10.1.255.255")}, "2001:db8:1::/112 10.1.0.0/16 – 10.2.0.0/16"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st, answer := inAuth(t, func(ps []message.Payload) []message.Payload {
				onlyOne[*message.TSi](t, ps).Selectors = tt.tsi
				onlyOne[*message.TSr](t, ps).Selectors = []message.TrafficSelector{right}
				return ps
			})
			if got := childOf(t, st, answer); got != tt.want {
				t.Errorf("answered %s, want %s", got, tt.want)
			}
		})
	}
}

// TestConformanceNotNegotiated asks in IKE_AUTH for what this gateway does not do:
// it is not agreed to, and a tunnel-mode child stands without it.
func TestConformanceNotNegotiated(t *testing.T) {
	for name, more := range map[string]message.Payload{
		"transport mode":          &message.Notify{Type: message.NotifyUseTransportMode},
		"IPComp":                  &message.Notify{Type: message.NotifyIPCompSupported, Data: []byte{1, 2, 3}},
		"non-first fragments":     &message.Notify{Type: message.NotifyNonFirstFragmentsAlso},
		"no TFC padding":          &message.Notify{Type: message.NotifyESPTFCPaddingNotSupported},
		"a larger window":         &message.Notify{Type: message.NotifySetWindowSize, Data: []byte{0, 0, 0, 32}},
		"MOBIKE":                  &message.Notify{Type: message.NotifyMOBIKESupported},
		"a status nobody knows":   &message.Notify{Type: 40000, Data: []byte("what")},
		"an error nobody knows":   &message.Notify{Type: 8000},
		"a configuration request": &message.Raw{Type: message.PayloadCP, Body: []byte{1, 0, 0, 0, 0, 1, 0, 0}},
		"a certificate request":   &message.CERTREQ{Encoding: message.CertX509Signature, Authorities: make([]byte, 20)},
		"a payload nobody knows":  &message.Raw{Type: 200, Body: []byte("what")},
		"a vendor ID":             &message.VendorID{Data: []byte("vendor")},
	} {
		t.Run(name, func(t *testing.T) {
			st, answer := inAuth(t, func(ps []message.Payload) []message.Payload { return append(ps, more, more) })
			for _, p := range answer {
				switch p.(type) {
				case *message.IDr, *message.AUTH, *message.SA, *message.TSi, *message.TSr:
				default:
					t.Errorf("the answer has %s", outline(answer))
				}
			}
			if len(st.b.children) != 1 {
				t.Errorf("no child: %s", outline(answer))
			}
		})
	}
}

// TestConformanceOrder turns the payloads of a request round.
func TestConformanceOrder(t *testing.T) {
	st, answer := inAuth(t, func(ps []message.Payload) []message.Payload { slices.Reverse(ps); return ps })
	if len(st.b.children) != 1 {
		t.Errorf("answered %s", outline(answer))
	}
	init, request := initStage(t)
	m := parsed(t, request)
	slices.Reverse(m.Payloads)
	if got := parsed(t, giveRaw(init.w, init.a, init.b, marshalled(t, m))); got.NextPayload != message.PayloadSA {
		t.Errorf("IKE_SA_INIT answered %s", outline(got.Payloads))
	}
}

// TestConformanceInformational asks what has no answer but that it came.
func TestConformanceInformational(t *testing.T) {
	for name, ps := range map[string][]message.Payload{
		"nothing":                 nil,
		"a status nobody knows":   {&message.Notify{Type: 50000}},
		"an error nobody knows":   {&message.Notify{Type: 8191}},
		"a payload nobody knows":  {&message.Raw{Type: 99, Body: []byte{1}}},
		"a larger window":         {&message.Notify{Type: message.NotifySetWindowSize, Data: []byte{0, 0, 0, 9}}},
		"AH that is not there":    {&message.Delete{Protocol: message.ProtocolAH, SPIs: []uint32{4711}}},
		"ESP that is not there":   {&message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{4711, 4712}}},
		"a delete of nothing":     {&message.Delete{Protocol: message.ProtocolESP}},
		"a configuration request": {&message.Raw{Type: message.PayloadCP, Body: []byte{1, 0, 0, 0}}},
	} {
		w, a, b := settled(t)
		raw := give(t, w, a, b, message.ExchangeInformational, false, only(b).expectID, ps...)
		if raw == nil {
			t.Errorf("%s: no answer", name)
			continue
		}
		h, got := opened(t, a, raw)
		if len(got) != 0 || !h.Flags.Response() || h.Exchange != message.ExchangeInformational || len(b.children) != 1 || len(b.downs) > 0 {
			t.Errorf("%s: answered %s, %d children", name, outline(got), len(b.children))
		}
	}
}

// TestConformanceDeleteAll deletes a child and one that is not there with two payloads,
// and then the IKE SA: one DELETE names what went, the other answer is empty.
func TestConformanceDeleteAll(t *testing.T) {
	w, a, b := settled(t)
	spi, back := a.using[1], b.using[7]
	_, ps := opened(t, a, give(t, w, a, b, message.ExchangeInformational, false, only(b).expectID,
		&message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{9999, spi}}, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{spi}}))
	if d := onlyOne[*message.Delete](t, ps); d.Protocol != message.ProtocolESP || !slices.Equal(d.SPIs, []uint32{back}) {
		t.Errorf("answered %+v, want %08x once", d, back)
	}
	if b.m.peers[7].using != nil {
		t.Error("still sent on")
	}
	if b.children[back] == nil {
		t.Error("the inbound half does not linger for what is on its way")
	}
	_, ps = opened(t, a, give(t, w, a, b, message.ExchangeInformational, false, only(b).expectID, &message.Delete{Protocol: message.ProtocolIKE}))
	if len(ps) != 0 || len(b.m.sas) != 0 || len(b.downs) != 1 {
		t.Errorf("answered %s, %d IKE SAs, %d times down", outline(ps), len(b.m.sas), len(b.downs))
	}
}

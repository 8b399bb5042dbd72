package ike

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// wireRule is what RFC 7296 lets each end of an IKE SA send; it sees every message.
type wireRule struct {
	faults  []string
	first   map[string]string             // messages by end and id, to know them again
	newest  map[string]uint32             // request under way, by end
	waiting map[string]bool               // it is unanswered
	ivs     map[string]string             // messages by end and IV
	seen    map[message.ExchangeType]bool // exchanges
	again   int                           // retransmissions
}

func newWireRule() *wireRule {
	return &wireRule{first: map[string]string{}, newest: map[string]uint32{}, waiting: map[string]bool{}, ivs: map[string]string{},
		seen: map[message.ExchangeType]bool{}}
}

// check takes a message as it is sent.
func (r *wireRule) check(raw []byte) {
	fail := func(format string, args ...any) {
		r.faults = append(r.faults, headline(raw)+": "+fmt.Sprintf(format, args...))
	}
	h, err := message.ParseHeader(raw)
	if err != nil {
		fail("%v", err)
		return
	}
	if h.Exchange != message.ExchangeIKESAInit && h.NextPayload == message.PayloadNotify {
		return // a hint outside of every SA (§1.5), which is not bound to the window
	}
	r.seen[h.Exchange] = true
	init := h.Exchange == message.ExchangeIKESAInit
	switch {
	case raw[17] != 0x20:
		fail("version %#x (§3.1)", raw[17])
	case raw[19]&^0x28 != 0:
		fail("flags %#x: version or reserved bits (§3.1)", raw[19])
	case h.InitiatorSPI == 0 || (h.ResponderSPI == 0) != (init && !h.Flags.Response()):
		fail("SPIs %v and %v (§2.6, §3.1)", h.InitiatorSPI, h.ResponderSPI)
	case int(h.Length) != len(raw):
		fail("length %d of %d bytes (§3.1)", h.Length, len(raw))
	case init && h.MessageID != 0:
		fail("IKE_SA_INIT with id %d (§2.2)", h.MessageID)
	}
	end := fmt.Sprintf("%v I=%v", h.InitiatorSPI, h.Flags.Initiator())
	other := fmt.Sprintf("%v I=%v", h.InitiatorSPI, !h.Flags.Initiator())

	key := fmt.Sprintf("%s R=%v %d", end, h.Flags.Response(), h.MessageID)
	body := 32
	if h.NextPayload == message.PayloadSKF {
		key += fmt.Sprintf(" fragment %x", raw[32:36])
		body = 36
	}
	if h.NextPayload == message.PayloadSK || h.NextPayload == message.PayloadSKF {
		// The key exchange of IKE_INTERMEDIATE gives new keys to what follows it.
		iv := fmt.Sprintf("%s before=%v %x", end, h.Exchange == message.ExchangeIKEIntermediate, raw[body:body+ivLen])
		if was, ok := r.ivs[iv]; ok && was != string(raw) {
			fail("the IV %x was used before (RFC 5282 §3.1)", raw[body:body+ivLen])
		}
		r.ivs[iv] = string(raw)
	}
	if was, ok := r.first[key]; ok {
		r.again++
		if was != string(raw) && !init {
			fail("not the bytes that were sent first under this id (§2.1)")
		}
		return
	}
	r.first[key] = string(raw)
	if h.Flags.Response() {
		if !r.waiting[other] || r.newest[other] != h.MessageID {
			fail("answers no request under way (§2.2)")
		}
		r.waiting[other] = false
		return
	}
	want, begun := r.newest[end]
	if begun {
		want++
	}
	if body == 36 && begun && h.MessageID == r.newest[end] {
		return // the next fragment of the same request
	}
	if h.MessageID != want {
		fail("id %d, the next one is %d (§2.2)", h.MessageID, want)
	}
	if r.waiting[end] {
		fail("a second request before the answer to the first (§2.3)")
	}
	r.newest[end], r.waiting[end] = h.MessageID, true
}

// TestConformanceWire holds every message of both ends to the rules for ids, window,
// retransmission, header and IV, over handshakes with and without IKE_INTERMEDIATE,
// rekeys of children and of the IKE SA, deletes and liveness checks on a bad wire.
func TestConformanceWire(t *testing.T) {
	again, ikeRekeys, seen := 0, 0, map[message.ExchangeType]bool{}
	for seed := uint64(1); seed <= 20; seed++ {
		w := newWorld(t, seed)
		w.loss, w.dup, w.delayMax = 0.15, 0.1, 200*time.Millisecond
		rule := newWireRule()
		w.filter = func(p *packet) bool {
			if p.ike != nil {
				rule.check(p.ike)
			}
			return true
		}
		a, b := pair(w, func(a, b *Peer) {
			a.PFS, b.PFS = seed%2 == 0, seed%2 == 0
			if seed%4 == 0 {
				hybrid(a, b)
			}
		})
		a.connect()
		w.until(time.Minute, "up", func() bool { return a.ready() && b.ready() })
		for round := range 4 {
			if seed%4 == 1 && round == 2 {
				b.step(Rekey{ID: 7, IKE: true})
				w.run(8 * time.Second)
				ikeRekeys += len(rule.newest) - 2 // ends of the first SA
			}
			w.run(3 * time.Second)
			a.soft()
			if seed%3 == 0 {
				b.soft()
			}
			w.run(12 * time.Second)
			b.soft()
		}
		a.step(RemovePeer{1})
		w.run(5 * time.Second)
		if len(rule.faults) > 0 {
			t.Errorf("seed %d: %d faults, first %s", seed, len(rule.faults), rule.faults[0])
		}
		again += rule.again
		for x := range rule.seen {
			seen[x] = true
		}
	}
	if again < 50 || len(seen) < 5 || ikeRekeys < 3 {
		t.Errorf("%d retransmissions, %d new IKE SAs and exchanges %v: too little was seen", again, ikeRekeys, seen)
	}
}

// TestWireRuleFindsFaults breaks each rule once.
func TestWireRuleFindsFaults(t *testing.T) {
	good := func(change func(b []byte)) []byte {
		h := message.Header{InitiatorSPI: 1, ResponderSPI: 2, Version: message.Version2, Exchange: message.ExchangeInformational, Flags: message.FlagInitiator}
		b, err := message.Marshal(&message.Message{Header: h, Payloads: []message.Payload{&message.Encrypted{Body: make([]byte, 40)}}})
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(b)
		}
		return b
	}
	for name, list := range map[string][][]byte{
		"version":           {good(func(b []byte) { b[17] = 0x21 })},
		"flags":             {good(func(b []byte) { b[19] |= 1 })},
		"version flag":      {good(func(b []byte) { b[19] |= 0x10 })},
		"no responder SPI":  {good(func(b []byte) { b[15] = 0 })},
		"length":            {good(func(b []byte) { b[27]++ })},
		"first id":          {good(func(b []byte) { b[23] = 1 })},
		"id left out":       {good(nil), good(func(b []byte) { b[19] = 0x20 }), good(func(b []byte) { b[23], b[39] = 2, 1 })},
		"two under way":     {good(nil), good(func(b []byte) { b[23], b[39] = 1, 1 })},
		"other bytes":       {good(nil), good(func(b []byte) { b[39] = 1 })},
		"IV again":          {good(nil), good(func(b []byte) { b[19] = 0x20; b[39] = 1 }), good(func(b []byte) { b[23] = 1 })},
		"answer to nothing": {good(func(b []byte) { b[19] = 0x20 })},
	} {
		rule := newWireRule()
		for _, b := range list {
			rule.check(b)
		}
		if len(rule.faults) != 1 {
			t.Errorf("%s: %q, not one fault", name, rule.faults)
		}
	}
	rule := newWireRule()
	for _, b := range [][]byte{good(nil), good(nil), good(func(b []byte) { b[19], b[39] = 0x20, 1 }), good(func(b []byte) { b[23], b[39] = 1, 2 })} {
		rule.check(b)
	}
	if len(rule.faults) > 0 || rule.again != 1 {
		t.Errorf("a good exchange fails: %q", rule.faults)
	}
}

// settled is a pair that is up, with nothing of it under way.
func settled(t *testing.T) (w *world, a, b *node) {
	t.Helper()
	w = newWorld(t, 1)
	a, b = pair(w, nil)
	a.connect()
	w.run(5 * time.Second)
	w.quiet()
	return w, a, b
}

// give has to take a message of from that is authentic and says ps, with the id given,
// and gives what came back.
func give(t *testing.T, w *world, from, to *node, x message.ExchangeType, response bool, id uint32, ps ...message.Payload) []byte {
	t.Helper()
	first, plain, err := message.MarshalPayloads(ps)
	if err != nil {
		t.Fatal(err)
	}
	return giveRaw(w, from, to, sealAs(t, from, only(from).header(x, response, id), first, plain))
}

func giveRaw(w *world, from, to *node, raw []byte) (answer []byte) {
	before := w.filter
	w.filter = func(p *packet) bool { answer = p.ike; return false }
	to.step(Datagram{Local: to.addr, Remote: from.addr, Bytes: bytes.Clone(raw)})
	w.filter = before
	return answer
}

// TestConformanceWindow gives authentic requests from before and behind the window of
// one, and responses to nothing: they change nothing, and the next request is taken.
func TestConformanceWindow(t *testing.T) {
	w, a, b := settled(t)
	x := message.ExchangeInformational
	bye := &message.Delete{Protocol: message.ProtocolIKE}
	next := only(b).expectID
	for _, id := range []uint32{next + 1, next + 2, next - 2, next + 1<<31, 1<<32 - 1} {
		if answer := give(t, w, a, b, x, false, id, bye); answer != nil {
			t.Errorf("request %d, expected is %d: answered", id, next)
		}
	}
	for id := range uint32(6) {
		give(t, w, a, b, x, true, id, bye)
		give(t, w, b, a, x, true, id, bye)
	}
	if len(a.m.sas) != 1 || len(b.m.sas) != 1 || !a.ready() || !b.ready() {
		t.Fatal("it ended the SA")
	}
	if answer := give(t, w, a, b, x, false, next); answer == nil {
		t.Error("the next request is not answered")
	}
	if answer := give(t, w, a, b, x, false, next+1, bye); answer == nil || len(b.m.sas) != 0 {
		t.Error("the DELETE in the window is not obeyed")
	}
}

// TestConformanceRetransmittedRequest loses every answer of the responder: it sends one
// for each copy of the request that comes, none of itself, always the same bytes, and
// does once what is asked for.
func TestConformanceRetransmittedRequest(t *testing.T) {
	w, a, b := settled(t)
	var requests, answers int
	var answer []byte
	w.filter = func(p *packet) bool {
		switch {
		case p.ike == nil || p.ike[18] != byte(message.ExchangeCreateChildSA):
			return true
		case p.from == a.addr:
			requests++
			return true
		}
		answers++
		if answer != nil && !bytes.Equal(answer, p.ike) {
			t.Error("another answer to the same request")
		}
		answer = p.ike
		return false
	}
	a.soft()
	w.run(4 * time.Second)
	w.run(w.delayMax) // the last request is there
	if requests < 3 || answers != requests {
		t.Errorf("%d answers to %d requests", answers, requests)
	}
	if len(b.children) != 2 {
		t.Errorf("%d children of %d copies of one request, want the old and the new one", len(b.children), requests)
	}
}

// TestConformanceRequestWhileWaiting answers a request of the peer while one of ours
// is unanswered.
func TestConformanceRequestWhileWaiting(t *testing.T) {
	w, a, b := settled(t)
	w.filter = func(p *packet) bool { return p.from != b.addr }
	a.soft()
	w.run(300 * time.Millisecond)
	if only(a).req == nil {
		t.Fatal("nothing is under way")
	}
	if answer := give(t, w, b, a, message.ExchangeInformational, false, only(a).expectID); answer == nil {
		t.Error("not answered")
	}
}

// TestConformanceResponseFits gives, while a rekey is unanswered, authentic responses
// under other ids and of other exchanges: they are not taken for its answer.
func TestConformanceResponseFits(t *testing.T) {
	w, a, b := settled(t)
	w.filter = func(p *packet) bool { return p.from != a.addr }
	a.soft()
	id := only(b).expectID
	refused := &message.Notify{Type: message.NotifyNoProposalChosen}
	create, info := message.ExchangeCreateChildSA, message.ExchangeInformational
	for _, other := range []uint32{id - 1, id + 1, 0, 1<<32 - 1} {
		give(t, w, b, a, create, true, other, refused)
	}
	give(t, w, b, a, info, true, id, refused)
	w.filter = nil
	old := a.using[1]
	w.run(15 * time.Second)
	w.quiet()
	if a.using[1] == old || len(a.downs) > 0 || a.ups != 1 {
		t.Errorf("the rekey was answered by something else: %d times up, down %v", a.ups, a.downs)
	}
}

// TestConformanceAnswersGoBack asks from ports and addresses that nobody configured:
// the answer goes to where the request came from, and from where it came to.
func TestConformanceAnswersGoBack(t *testing.T) {
	st := hold(t, message.ExchangeIKESAInit, false, false)
	elsewhere := func(n byte) (d Datagram) {
		d.Local, d.Remote = st.b.addr, st.a.addr
		d.Local = addrPort([4]byte{192, 0, 2, 100 + n}, 4500)
		d.Remote = addrPort([4]byte{198, 51, 100, n}, 1024+uint16(n))
		return d
	}
	check := func(what string, d Datagram, raw []byte) {
		t.Helper()
		d.Bytes = bytes.Clone(raw)
		n := 0
		for _, act := range st.b.m.Step(st.w.now, d) {
			if s, ok := act.(Send); ok {
				n++
				if s.Remote != d.Remote || s.Local != d.Local {
					t.Errorf("%s from %v to %v: answered to %v from %v", what, d.Remote, d.Local, s.Remote, s.Local)
				}
			}
		}
		if n != 1 {
			t.Errorf("%s: %d answers", what, n)
		}
	}
	check("IKE_SA_INIT", elsewhere(1), st.held)
	version := bytes.Clone(st.held)
	version[17] = 0x30
	check("a wrong version", elsewhere(2), version)

	_, a, b := settled(t)
	st.a, st.b = a, b
	ask := func(id uint32) []byte {
		return sealAs(t, a, only(a).header(message.ExchangeInformational, false, id), message.PayloadNone, nil)
	}
	next := only(b).expectID
	check("INFORMATIONAL", elsewhere(3), ask(next))
	check("the same again", elsewhere(4), ask(next))
	if got := b.m.Status(7).Remote; got != elsewhere(3).Remote {
		t.Errorf("the peer is at %v since its last new request, not %v: a retransmission moves nothing", elsewhere(3).Remote, got)
	}
	check("the next", elsewhere(5), ask(next+1))
}

// TestConformanceLongAgo: a responder keeps its answer until the next request, and then
// forgets it.
func TestConformanceLongAgo(t *testing.T) {
	w, a, b := settled(t)
	id := only(b).expectID
	x := message.ExchangeInformational
	first := give(t, w, a, b, x, false, id)
	if first == nil || !bytes.Equal(give(t, w, a, b, x, false, id), first) {
		t.Fatal("the same request does not get the same answer")
	}
	if give(t, w, a, b, x, false, id+1) == nil {
		t.Fatal("the next request is not answered")
	}
	if give(t, w, a, b, x, false, id) != nil {
		t.Error("a request from before the last one is answered")
	}
	if binary.BigEndian.Uint32(first[20:]) != id {
		t.Error("the answer has another id than the request")
	}
}

func addrPort(a [4]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(a), port)
}

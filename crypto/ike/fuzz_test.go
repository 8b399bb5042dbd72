package ike

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// Bits of FuzzMachine's how, above how%4.
const (
	fuzzResponse = 1 << (iota + 2) // a response, else a request
	fuzzID                         // the message ID that is waited for, whatever id says
	fuzzNewest                     // of the newest IKE SA, else of the oldest
	fuzzTwice                      // and once more
)

const fuzzStates = 15

// FuzzMachine gives arbitrary bytes to machines in every state, logging at trace
// level: as a datagram, behind a header with the right SPIs, and as payloads sealed with
// the right keys, as who is authenticated can. None may panic or grow without bound,
// and what is not authentic may change nothing that Status shows.
func FuzzMachine(f *testing.F) {
	plain := func(ps ...message.Payload) []byte {
		first, b, err := message.MarshalPayloads(ps)
		if err != nil {
			f.Fatal(err)
		}
		return append([]byte{byte(first)}, b...)
	}
	nonce := &message.Nonce{Data: make([]byte, nonceLen)}
	ke := &message.KE{Group: X25519.id(), Data: bytes.Repeat([]byte{9}, 32)}
	all := selectors("10.0.0.0/8")
	everything := (&Peer{}).preferences()
	esp, ike := everything.espProposal(4711, false), everything.ikeProposal()
	ike.SPI = message.IKESPI(4711)
	bodies := map[message.ExchangeType][][]byte{
		message.ExchangeCreateChildSA: {
			plain(&message.SA{Proposals: []message.Proposal{ike}}, nonce, ke),
			plain(&message.SA{Proposals: []message.Proposal{esp}}, nonce,
				&message.TSi{TrafficSelectors: wireSelectors(all)}, &message.TSr{TrafficSelectors: wireSelectors(all)}),
			plain(&message.Notify{Protocol: message.ProtocolESP, SPI: message.ChildSPI(0x01610101), Type: message.NotifyRekeySA}),
			plain(&message.Notify{Type: message.NotifyTemporaryFailure}),
			plain(&message.Notify{Type: message.NotifyInvalidKEPayload, Data: []byte{0, 19}}),
			plain(&message.Notify{Type: message.NotifyNoAdditionalSAs}),
			plain(&message.Notify{Type: message.NotifyTSMaxQueue}),
			plain(resourceInfo(1), &message.SA{Proposals: []message.Proposal{esp}}, nonce,
				&message.TSi{TrafficSelectors: wireSelectors(all)}, &message.TSr{TrafficSelectors: wireSelectors(all)}),
		},
		message.ExchangeInformational: {
			plain(&message.Delete{Protocol: message.ProtocolIKE}),
			plain(&message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{0x01610101, 0x01620101, 4711}}),
			plain(&message.Notify{Type: message.NotifyInvalidIKESPI}),
			{0},
		},
		message.ExchangeIKEAuth:   {plain(nonce, ke), bytes.Repeat([]byte{0, 0, 0, 8}, 8)},
		message.ExchangeIKESAInit: {plain(&message.SA{Proposals: []message.Proposal{ike}}, nonce, ke), bytes.Repeat([]byte{0xff}, 60)},
	}
	for state := range byte(fuzzStates) {
		for _, x := range slices.Sorted(maps.Keys(bodies)) {
			for _, body := range bodies[x] {
				for _, how := range []byte{1, 2 | fuzzID, 2 | fuzzID | fuzzResponse, 2 | fuzzID | fuzzNewest | fuzzTwice} {
					f.Add(state, how, byte(x), uint32(1), body)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, state, how, exchange byte, id uint32, data []byte) {
		st := fuzzState(t, state%fuzzStates)
		for _, n := range []*node{st.a, st.b} {
			other := st.a
			if n == st.a {
				other = st.b
			}
			raw, authentic := fuzzMessage(t, other, n, how, exchange, id, data)
			before := shown(n)
			n.step(Datagram{Local: n.addr, Remote: other.addr, Bytes: bytes.Clone(raw)})
			if after := shown(n); !authentic && !reflect.DeepEqual(before, after) {
				t.Fatalf("without authentication\n%+v became\n%+v", before, after)
			}
			if how&fuzzTwice != 0 {
				n.step(Datagram{Local: n.addr, Remote: other.addr, Bytes: raw})
			}
		}
		st.w.run(3 * time.Second)
		for _, n := range []*node{st.a, st.b} {
			if len(n.m.sas) > 8 || len(n.children) > 8 || len(n.m.timers.heap) > 64 {
				t.Fatalf("%d SAs, %d children, %d timers", len(n.m.sas), len(n.children), len(n.m.timers.heap))
			}
			for _, s := range n.m.sas {
				if len(s.tasks) > 4 {
					t.Fatalf("%d tasks", len(s.tasks))
				}
			}
			n.m.Status(n.peers[0].ID)
		}
	})
}

// shown is a node's status without what counts messages.
func shown(n *node) PeerStatus {
	st := n.m.Status(n.peers[0].ID)
	st.Counters = Counters{}
	return st
}

func fuzzState(t *testing.T, state byte) *stage {
	switch state {
	case 0:
		return hold(t, message.ExchangeIKESAInit, false, false)
	case 1:
		return hold(t, message.ExchangeIKESAInit, true, false)
	case 2:
		return hold(t, message.ExchangeIKEAuth, false, true)
	case 3:
		return hold(t, message.ExchangeIKEAuth, true, false)
	case 11:
		return holdHybrid(t, message.ExchangeIKEIntermediate, false)
	case 12:
		return holdHybrid(t, message.ExchangeIKEIntermediate, true)
	}
	w := newWorld(t, 1)
	st := &stage{w: w}
	extra := 0
	if state >= 13 {
		extra = 2
	}
	st.a, st.b = pair(w, extraPair(extra, extra))
	st.a.log, st.b.log = traceLogger(), traceLogger()
	st.a.boot()
	st.b.boot()
	st.a.connect()
	w.run(time.Second)
	switch state {
	case 5: // both rekey the child
		st.a.soft()
		st.b.soft()
	case 6: // both rekey the IKE SA
		st.a.rekeyIKE()
		st.b.rekeyIKE()
	case 7: // and each has a rival already
		w.delayMin, w.delayMax = 10*time.Millisecond, 10*time.Millisecond
		st.a.rekeyIKE()
		st.b.rekeyIKE()
		w.run(11 * time.Millisecond)
	case 8: // the IKE SA is replaced, its DELETE under way
		w.delayMin, w.delayMax = 10*time.Millisecond, 10*time.Millisecond
		st.a.rekeyIKE()
		w.run(21 * time.Millisecond)
	case 9:
		st.a.closeChild()
	case 10:
		st.a.closeIKE()
	case 14: // an additional child is being made
		st.b.closeExtra(1)
		w.until(5*time.Second, "a request", func() bool { return only(st.a).req != nil && only(st.a).req.kind == taskExtraChild })
	}
	return st
}

// fuzzMessage makes a message of from to n out of data, and tells whether it is one
// that n is to believe.
func fuzzMessage(t *testing.T, from, n *node, how, exchange byte, id uint32, data []byte) (raw []byte, authentic bool) {
	list := slices.SortedFunc(maps.Values(from.m.sas), func(a, b *sa) int { return cmp.Compare(a.createdAt, b.createdAt) })
	if how%4 == 0 || len(list) == 0 || len(data) == 0 {
		return data, false
	}
	s := list[0]
	if how&fuzzNewest != 0 {
		s = list[len(list)-1]
	}
	to := n.m.sas[s.otherSPI()]
	if how&fuzzID != 0 && to != nil {
		id = to.expectID
		if to.req != nil && how&fuzzResponse != 0 {
			id, exchange = to.req.id, byte(to.req.kind.exchange())
		}
	}
	h := s.header(message.ExchangeType(exchange), how&fuzzResponse != 0, id)
	if how%4 == 1 || s.state == saInit {
		raw, err := message.Marshal(&message.Message{Header: h})
		if err != nil {
			t.Fatal(err)
		}
		raw[16] = data[0]
		raw = append(raw, data[1:]...)
		binary.BigEndian.PutUint32(raw[24:], uint32(len(raw)))
		return raw, false
	}
	if len(data) > 60000 {
		data = data[:60000]
	}
	return sealOn(t, s, h, message.PayloadType(data[0]), data[1:]), true
}

package ike

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// parsed is a message of IKE_SA_INIT, which is not protected.
func parsed(t testing.TB, raw []byte) *message.Message {
	t.Helper()
	m, err := message.Parse(bytes.Clone(raw))
	if err != nil {
		t.Fatalf("%x: %v", raw, err)
	}
	return m
}

func marshalled(t testing.TB, m *message.Message) []byte {
	t.Helper()
	b, err := message.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func onlyOne[P message.Payload](t testing.TB, ps []message.Payload) P {
	t.Helper()
	p, err := message.One[P](ps)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// forgedInit is an answer to IKE_SA_INIT that anybody could send.
func (st *stage) forgedInit(t testing.TB, request []byte, n *message.Notify) []byte {
	t.Helper()
	h := parsed(t, request).Header
	h.Flags = message.FlagResponse
	return giveRaw(st.w, st.b, st.a, marshalled(t, &message.Message{Header: h, Payloads: []message.Payload{n}}))
}

// initStage gives a pair and the first request of a, which b has not seen.
func initStage(t testing.TB) (*stage, []byte) {
	st := hold(t, message.ExchangeIKESAInit, false, false)
	return st, st.held
}

// TestConformanceVersions: the minor version, the version flag and the reserved flags of a
// request mean nothing, an answer has version 2.0; of a version that is too high it says
// which one would do; IKEv1 is not answered.
func TestConformanceVersions(t *testing.T) {
	for _, change := range []func(b []byte){
		func(b []byte) { b[17] = 0x2f }, func(b []byte) { b[19] |= 0x10 }, func(b []byte) { b[19] |= 0xc7 },
	} {
		st, raw := initStage(t)
		raw = bytes.Clone(raw)
		change(raw)
		answer := giveRaw(st.w, st.a, st.b, raw)
		if answer == nil || answer[17] != 0x20 || answer[19] != 0x20 || parsed(t, answer).NextPayload != message.PayloadSA {
			t.Errorf("version %#x, flags %#x: answer %x", raw[17], raw[19], answer)
		}
	}
	st, raw := initStage(t)
	raw = bytes.Clone(raw)
	raw[17], raw[23] = 0x30, 9
	answer := giveRaw(st.w, st.a, st.b, raw)
	if answer == nil || !bytes.Equal(answer[:16], raw[:16]) || answer[17] != 0x20 || answer[18] != raw[18] || answer[19] != 0x20 || !bytes.Equal(answer[20:24], raw[20:24]) {
		t.Fatalf("version 3: answer %x", answer)
	}
	if n := onlyOne[*message.Notify](t, parsed(t, answer).Payloads); n.Type != message.NotifyInvalidMajorVersion || len(n.Data) != 0 {
		t.Errorf("version 3: answered %v", n)
	}
	raw[17] = 0x10
	st.w.run(2 * time.Second)
	if answer := giveRaw(st.w, st.a, st.b, raw); answer != nil {
		t.Errorf("IKEv1 is answered: %x", answer)
	}
}

// TestConformanceCookieRetry has a responder ask for a cookie: the request comes again
// with it in front, and is the same behind it.
func TestConformanceCookieRetry(t *testing.T) {
	for _, n := range []int{1, 20, 64} {
		st, first := initStage(t)
		data := bytes.Repeat([]byte{0xc0}, n)
		again := st.forgedInit(t, first, &message.Notify{Type: message.NotifyCookie, Data: data})
		if again == nil {
			t.Fatalf("cookie of %d bytes: no other request", n)
		}
		is := parsed(t, again)
		c, ok := is.Payloads[0].(*message.Notify)
		if !ok || c.Type != message.NotifyCookie || !bytes.Equal(c.Data, data) || c.Protocol != 0 || len(c.SPI) != 0 {
			t.Errorf("cookie of %d bytes: the first payload is %+v", n, is.Payloads[0])
		}
		is.Payloads = is.Payloads[1:]
		if got := marshalled(t, is); !bytes.Equal(got, first) {
			t.Errorf("cookie of %d bytes: what is behind it changed\n got %x\nwant %x", n, got, first)
		}
		// With a cookie and then another group, the cookie stays.
		third := st.forgedInit(t, first, &message.Notify{Type: message.NotifyInvalidKEPayload, Data: []byte{0, byte(message.KEECP256)}})
		if third == nil || message.FindNotify(parsed(t, third).Payloads, message.NotifyCookie) == nil {
			t.Error("the cookie is lost when the responder wants another group")
		}
	}
	for _, n := range []int{0, 65} {
		st, first := initStage(t)
		if again := st.forgedInit(t, first, &message.Notify{Type: message.NotifyCookie, Data: make([]byte, n)}); again != nil {
			t.Errorf("a cookie of %d bytes is taken", n)
		}
	}
}

// TestConformanceCookieDemand: the demand names the request by SPI and id, has no
// responder SPI, keeps no state and is no longer than what it answers.
func TestConformanceCookieDemand(t *testing.T) {
	st, raw := initStage(t)
	st.b.limits = Limits{CookieFrom: 1}
	st.b.boot()
	other := bytes.Clone(raw)
	other[0] ^= 1
	giveRaw(st.w, st.a, st.b, other)
	sas := len(st.b.m.sas)
	answer := giveRaw(st.w, st.a, st.b, raw)
	m := parsed(t, answer)
	n := onlyOne[*message.Notify](t, m.Payloads)
	if n.Type != message.NotifyCookie || len(n.Data) < 1 || len(n.Data) > 64 || m.ResponderSPI != 0 || m.MessageID != 0 ||
		m.InitiatorSPI != parsed(t, raw).InitiatorSPI || !m.Flags.Response() || len(answer) > len(raw) {
		t.Errorf("demanded by %x", answer)
	}
	if sas != 1 || len(st.b.m.sas) != sas {
		t.Errorf("%d half-open SAs, then %d: one for a request without a cookie", sas, len(st.b.m.sas))
	}
}

// TestConformanceGroupRetry: the same proposal again, with a key of the group wanted;
// a group that was not offered changes nothing.
func TestConformanceGroupRetry(t *testing.T) {
	st, first := initStage(t)
	again := st.forgedInit(t, first, &message.Notify{Type: message.NotifyInvalidKEPayload, Data: []byte{0, byte(message.KEECP384)}})
	if again == nil {
		t.Fatal("no other request")
	}
	was, is := parsed(t, first), parsed(t, again)
	_, sa1, _ := message.MarshalPayloads([]message.Payload{onlyOne[*message.SA](t, was.Payloads)})
	_, sa2, _ := message.MarshalPayloads([]message.Payload{onlyOne[*message.SA](t, is.Payloads)})
	if !bytes.Equal(sa1, sa2) {
		t.Errorf("another proposal:\n%x\n%x", sa1, sa2)
	}
	if ke := onlyOne[*message.KE](t, is.Payloads); ke.Group != message.KEECP384 || len(ke.Data) != 96 {
		t.Errorf("a key of group %d with %d bytes", ke.Group, len(ke.Data))
	}
	for _, group := range []byte{0, 1, 2, 14, 255} {
		st, first := initStage(t)
		if again := st.forgedInit(t, first, &message.Notify{Type: message.NotifyInvalidKEPayload, Data: []byte{0, group}}); again != nil {
			t.Errorf("group %d: another request", group)
		}
	}
}

// secretsSent collects nonces and public keys as they are sent.
type secretsSent struct{ nonces, keys [][]byte }

func (s *secretsSent) look(w *world, p *packet) {
	if p.ike == nil {
		return
	}
	for _, pl := range sealedBy(w.nodeAt(p.from), p.ike) {
		switch pl := pl.(type) {
		case *message.Nonce:
			s.nonces = append(s.nonces, bytes.Clone(pl.Data))
		case *message.KE:
			s.keys = append(s.keys, bytes.Clone(pl.Data))
		}
	}
}

// sealedBy gives the payloads of a message that n sends: by the key that it sealed with.
func sealedBy(n *node, raw []byte) []message.Payload {
	msg, err := message.Parse(raw)
	if err != nil {
		return nil
	}
	sk, ok := msg.Payloads[0].(*message.Encrypted)
	if !ok {
		return msg.Payloads
	}
	for _, s := range n.m.sas {
		if s.spiI != msg.InitiatorSPI || s.spiR != msg.ResponderSPI {
			continue
		}
		_, out, err := s.protect()
		if err != nil {
			return nil
		}
		ps, err := message.OpenEncrypted(raw, sk, overhead, out.open)
		if err != nil {
			return nil
		}
		return ps
	}
	return nil
}

// TestConformanceNoncesAndKeys: every nonce is new and as long as half the key of the
// longest PRF, every exchange has a key of its own, at both ends.
func TestConformanceNoncesAndKeys(t *testing.T) {
	w := newWorld(t, 1)
	s := &secretsSent{}
	w.filter = func(p *packet) bool { s.look(w, p); return true }
	a, b := pair(w, func(a, b *Peer) { a.PFS, b.PFS = true, true })
	a.connect()
	w.run(5 * time.Second)
	for range 5 {
		a.soft()
		w.run(8 * time.Second)
		b.soft()
		w.run(8 * time.Second)
	}
	w.quiet()
	if len(s.nonces) < 22 || len(s.keys) < 22 {
		t.Fatalf("only %d nonces and %d keys of 11 exchanges", len(s.nonces), len(s.keys))
	}
	for _, n := range s.nonces {
		if len(n) < PRFSHA512.size()/2 || len(n) > message.MaxNonce {
			t.Errorf("nonce of %d bytes", len(n))
		}
	}
	for name, list := range map[string][][]byte{"nonce": s.nonces, "key": s.keys} {
		slices.SortFunc(list, bytes.Compare)
		if n := len(slices.CompactFunc(list, bytes.Equal)); n != len(list) {
			t.Errorf("of %d %ss only %d are different", len(list), name, n)
		}
	}
}

// TestConformanceNATDetection computes the hashes anew: the destination is where the
// message goes, and the source is nobody's, so that ESP is always encapsulated in UDP.
func TestConformanceNATDetection(t *testing.T) {
	st, request := initStage(t)
	answer := giveRaw(st.w, st.a, st.b, request)
	for _, c := range []struct {
		name     string
		raw      []byte
		from, to *node
		first    bool // no responder SPI yet
	}{{"request", request, st.a, st.b, true}, {"answer", answer, st.b, st.a, false}} {
		m := parsed(t, c.raw)
		hash := func(n *node) []byte {
			a := n.addr.Addr().As4()
			b := append(bytes.Clone(c.raw[:16]), a[:]...)
			sum := sha1.Sum(binary.BigEndian.AppendUint16(b, n.addr.Port()))
			return sum[:]
		}
		source, destination := message.FindNotify(m.Payloads, message.NotifyNATDetectionSourceIP), message.FindNotify(m.Payloads, message.NotifyNATDetectionDestinationIP)
		if source == nil || destination == nil {
			t.Fatalf("%s: not both notifies", c.name)
		}
		if (m.ResponderSPI == 0) != c.first || !bytes.Equal(destination.Data, hash(c.to)) {
			t.Errorf("%s: destination %x, want %x", c.name, destination.Data, hash(c.to))
		}
		if len(source.Data) != sha1.Size || bytes.Equal(source.Data, hash(c.from)) || source.Protocol != 0 || len(source.SPI) != 0 {
			t.Errorf("%s: source %x", c.name, source.Data)
		}
	}
}

// TestConformanceNATFound sets the peer's hashes right and wrong.
func TestConformanceNATFound(t *testing.T) {
	for _, tt := range []struct{ source, destination bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		st, request := initStage(t)
		m := parsed(t, request)
		for n := range message.All[*message.Notify](m.Payloads) {
			switch n.Type {
			case message.NotifyNATDetectionSourceIP:
				n.Data = make([]byte, sha1.Size)
				if tt.source {
					n.Data = natHash(m.InitiatorSPI, 0, st.a.addr)
				}
			case message.NotifyNATDetectionDestinationIP:
				n.Data = make([]byte, sha1.Size)
				if tt.destination {
					n.Data = natHash(m.InitiatorSPI, 0, st.b.addr)
				}
			}
		}
		giveRaw(st.w, st.a, st.b, marshalled(t, m))
		s := only(st.b)
		if s == nil || s.peerNAT == tt.source || s.behindNAT == tt.destination {
			t.Errorf("%+v: peer behind a NAT %v, we %v", tt, s.peerNAT, s.behindNAT)
		}
	}
}

package ike

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// forgery is a handshake of a with b that somebody on the path answers as well: it makes
// IKE_SA_INIT responses that are right in all but the secret behind AUTH.
type forgery struct {
	w    *world
	a, b *node
	init []byte // a's request
	real []byte // b's response
}

func newForgery(t testing.TB, change func(a, b *Peer)) *forgery {
	f := &forgery{w: newWorld(t, 1)}
	f.w.filter = func(p *packet) bool {
		if message.ExchangeType(p.ike[18]) != message.ExchangeIKESAInit {
			return true
		}
		if p.from.String() == addrB {
			if f.real == nil {
				f.real = p.ike
			}
			return false
		}
		if f.init == nil {
			f.init = p.ike
		}
		return true
	}
	f.a, f.b = pair(f.w, change)
	f.a.connect()
	f.w.run(100 * time.Millisecond)
	if f.init == nil || f.real == nil {
		t.Fatal("no IKE_SA_INIT")
	}
	return f
}

// attacker is a machine that has all of b but its PSK.
func (f *forgery) attacker(t testing.TB, i byte) *Machine {
	_, pb := pairConfig()
	pb.NoMLKEM = f.b.peers[0].NoMLKEM
	pb.Auth = Auth{PSK: []byte("not the secret of these two gateways")}
	spi := uint32(1000)
	m := New(Config{Rand: rand.NewChaCha8([32]byte{0xff, i}), SPI: func() (uint32, error) { spi++; return spi, nil }})
	m.Step(f.w.now, AddPeer{pb})
	return m
}

// answers gives what the attacker sends back in b's name.
func (f *forgery) answers(m *Machine, raw []byte) (out [][]byte) {
	for _, act := range m.Step(f.w.now, Datagram{Local: f.b.addr, Remote: f.a.addr, Bytes: raw}) {
		if s, ok := act.(Send); ok {
			out = append(out, s.Bytes)
		}
	}
	return out
}

// TestForgedInitResponse gives the initiator forged responses before the true one and
// behind it. The attacker also refuses the IKE_AUTH that it gets.
func TestForgedInitResponse(t *testing.T) {
	for _, change := range []func(a, b *Peer){nil, hybrid} {
		for _, tt := range []struct{ before, after int }{{0, 0}, {1, 0}, {3, 0}, {0, 1}, {0, 9}, {2, 9}} {
			f := newForgery(t, change)
			var machines []*Machine
			forge := func(n int) {
				for range n {
					m := f.attacker(t, byte(len(machines)))
					machines = append(machines, m)
					for _, raw := range f.answers(m, f.init) {
						f.a.receive(f.b, raw)
					}
				}
			}
			f.w.filter = func(p *packet) bool {
				// The attacker sees all, and answers what is for it at once.
				if p.from == f.a.addr && message.ExchangeType(p.ike[18]) != message.ExchangeIKESAInit {
					for _, m := range machines {
						for spi := range m.sas {
							if uint64(spi) == binary.BigEndian.Uint64(p.ike[8:]) {
								for _, raw := range f.answers(m, p.ike) {
									f.w.transmit(&packet{from: f.b.addr, to: f.a.addr, ike: raw})
								}
							}
						}
					}
				}
				return true
			}
			forge(tt.before)
			f.a.receive(f.b, f.real)
			forge(tt.after)
			f.a.receive(f.b, f.real) // again
			f.w.until(time.Second, "up", func() bool { return f.a.ready() && f.b.ready() })
			if len(f.a.downs) != 0 {
				t.Errorf("%+v: %v", tt, f.a.downs)
			}
			f.w.run(10 * time.Second)
			f.w.quiet()
			if n := f.a.m.timers.Len(); n > 5 { // DPD, and the soft and the hard end of the IKE SA and of the child
				t.Errorf("%+v: %d timers are left", tt, n)
			}
		}
	}
}

// TestTooManyForgedInitResponses costs the attempt and not more, without a word of the
// attacker's to end it early.
func TestTooManyForgedInitResponses(t *testing.T) {
	f := newForgery(t, nil)
	for i := range byte(maxCandidates) {
		for _, raw := range f.answers(f.attacker(t, i), f.init) {
			f.a.receive(f.b, raw)
		}
	}
	f.a.receive(f.b, f.real)
	p := f.a.m.peers[1]
	if p.counters.Rejected[RejectUnprotected] != 1 || len(p.attempt.hs.race.list) != maxCandidates || len(f.a.m.sas) != 1 {
		t.Errorf("%v, %d candidates, %d SAs", p.counters.Rejected, len(p.attempt.hs.race.list), len(f.a.m.sas))
	}
	f.w.filter = nil
	f.w.until(15*time.Second, "up", func() bool { return f.a.ready() && f.b.ready() })
	f.w.run(30 * time.Second)
	f.w.quiet()
	if len(f.a.downs) != 1 {
		t.Errorf("%v", f.a.downs)
	}
}

// TestWrongInitResponsesAfterTheFirst are not followed up.
func TestWrongInitResponsesAfterTheFirst(t *testing.T) {
	f := newForgery(t, nil)
	f.a.receive(f.b, f.real)
	p := f.a.m.peers[1]
	msg, err := message.Parse(f.real)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(m *message.Message){
		"the same SPI": func(m *message.Message) { m.Payloads = append(m.Payloads, &message.VendorID{Data: []byte("x")}) },
		"no SPI":       func(m *message.Message) { m.ResponderSPI = 0 },
		"no payloads":  func(m *message.Message) { m.ResponderSPI, m.Payloads = 5, nil },
		"a refusal": func(m *message.Message) {
			m.ResponderSPI, m.Payloads = 6, []message.Payload{&message.Notify{Type: message.NotifyNoProposalChosen}}
		},
		"a zero key": func(m *message.Message) {
			m.ResponderSPI = 7
			ke := &message.KE{Group: message.KECurve25519, Data: make([]byte, 32)}
			m.Payloads = append([]message.Payload{m.Payloads[0], ke}, m.Payloads[2:]...)
		},
		"a message ID": func(m *message.Message) { m.ResponderSPI, m.MessageID = 8, 1 },
	} {
		m := *msg
		m.Payloads = append([]message.Payload{}, msg.Payloads...)
		change(&m)
		raw, err := message.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		f.a.receive(f.b, raw)
		if len(p.attempt.hs.race.list) != 1 {
			t.Errorf("%s: %d candidates", name, len(p.attempt.hs.race.list))
		}
	}
	f.w.filter = nil
	f.w.until(time.Second, "up", func() bool { return f.a.ready() && f.b.ready() })
}

// TestCandidatesEndTogether removes the peer, or shuts down, while several are followed.
func TestCandidatesEndTogether(t *testing.T) {
	for name, ev := range map[string]Event{"remove": RemovePeer{1}, "shutdown": Shutdown{}, "replace": AddPeer{func() Peer { a, _ := pairConfig(); return a }()}} {
		f := newForgery(t, nil)
		for i := range byte(2) {
			for _, raw := range f.answers(f.attacker(t, i), f.init) {
				f.a.receive(f.b, raw)
			}
		}
		list := f.a.m.peers[1].attempt.hs.race.list
		f.a.step(ev)
		for _, s := range list {
			if s.state != saClosed || s.retry.isSet() && name != "shutdown" {
				t.Errorf("%s: a candidate is %v", name, s.state)
			}
		}
		if len(list) != 2 || len(f.a.m.sas) != 0 || f.a.m.timers.Len() != 0 {
			t.Errorf("%s: %d candidates; %d SAs and %d timers are left", name, len(list), len(f.a.m.sas), f.a.m.timers.Len())
		}
		f.a.receive(f.b, f.real)
	}
}

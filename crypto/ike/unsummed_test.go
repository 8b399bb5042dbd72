package ike

import (
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// TestUnsummed: children say that both ends take segments without checksum if both ends
// announced it, whoever began, and go on to say so when they and their IKE SA are rekeyed.
// The responder announces it to those only who have.
func TestUnsummed(t *testing.T) {
	for _, tt := range []struct{ a, b bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		w := newWorld(t, 3)
		a, b := pair(w, func(pa, pb *Peer) { pa.Unsummed, pb.Unsummed = tt.a, tt.b })
		said := map[*node]int{}
		w.filter = func(p *packet) bool {
			if p.ike != nil {
				from := w.nodeAt(p.from)
				for v := range message.All[*message.VendorID](sealedBy(from, p.ike)) {
					if string(v.Data) == unsummedVendor {
						said[from]++
					}
				}
			}
			return true
		}
		check := func(when string) {
			t.Helper()
			w.quiet()
			for _, n := range []*node{a, b} {
				id := n.peers[0].ID
				if got := n.children[n.using[id]].Unsummed; got != (tt.a && tt.b) {
					t.Errorf("%+v, %s: %s has installed %v", tt, when, n.name, got)
				}
				for _, c := range n.m.Status(id).Children {
					if c.Unsummed != (tt.a && tt.b) {
						t.Errorf("%+v, %s: %s has %+v", tt, when, n.name, c)
					}
				}
			}
		}
		a.connect()
		w.run(2 * time.Second)
		check("at first")
		if (said[a] > 0) != tt.a || (said[b] > 0) != (tt.a && tt.b) {
			t.Errorf("%+v: a said it %d times, b %d times", tt, said[a], said[b])
		}
		before := a.using[1]
		a.soft()
		w.run(8 * time.Second)
		if a.using[1] == before {
			t.Fatal("no rekey")
		}
		check("after a rekey of the child")
		spi := a.ikeSPI()
		b.rekeyIKE()
		w.run(8 * time.Second)
		if a.ikeSPI() == spi {
			t.Fatal("no rekey of the IKE SA")
		}
		before = a.using[1]
		b.soft()
		w.run(8 * time.Second)
		if a.using[1] == before {
			t.Fatal("no rekey on the new IKE SA")
		}
		check("after rekeys of the IKE SA and of the child")
	}
}

// TestUnsummedVendor: others' vendor IDs mean nothing.
func TestUnsummedVendor(t *testing.T) {
	for data, want := range map[string]bool{unsummedVendor: true, unsummedVendor + "0": false, "": false, extrasVendor: false} {
		s := &sa{peer: &peer{Peer: Peer{Unsummed: true}}}
		if s.agreeUnsummed([]message.Payload{&message.VendorID{Data: []byte(data)}}); s.unsummed != want {
			t.Errorf("%q: %v", data, s.unsummed)
		}
	}
}

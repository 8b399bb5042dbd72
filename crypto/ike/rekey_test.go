package ike

import (
	"testing"
	"time"
)

func (n *node) rekeyIKE() {
	if n.alive {
		n.w.logf("%s: rekey of the IKE SA", n.name)
		n.step(Rekey{ID: n.peers[0].ID, IKE: true})
	}
}

func (n *node) ikeSPI() uint64 { return n.m.Status(n.peers[0].ID).InitiatorSPI }

// TestIKERekeyUnderLoss rekeys the IKE SA from either side and from both, with ESP both
// ways on one child, which stays: no packet may meet an SA that is not there.
func TestIKERekeyUnderLoss(t *testing.T) {
	for seed := uint64(1); seed <= 120; seed++ {
		w := newWorld(t, seed)
		w.delayMax = []time.Duration{10, 100, 300}[seed%3] * time.Millisecond
		a, b := pair(w, func(a, b *Peer) {
			if seed%2 == 0 {
				b.Groups = []Group{P384, X25519}
			}
		})
		a.connect()
		w.run(5 * time.Second)
		w.quiet()
		w.strict = true
		a.traffic, b.traffic = true, seed%5 > 0
		w.loss = []float64{0, 0.1, 0.2}[seed/3%3]
		w.dup = 0.05
		child := a.using[1]
		for i := range 6 {
			before := a.ikeSPI()
			if seed%4 != 0 {
				a.rekeyIKE()
			}
			if seed%4 != 1 {
				w.run(time.Duration(i*7) * time.Millisecond)
				b.rekeyIKE()
			}
			w.until(30*time.Second, "rekey", func() bool { return a.ikeSPI() != before && b.ikeSPI() == a.ikeSPI() })
			w.run(time.Duration(seed%7) * time.Second)
		}
		w.loss = 0
		w.run(50 * time.Second)
		w.quiet()
		if a.using[1] != child || len(a.downs)+len(b.downs) != 0 {
			w.failf("the child did not last")
		}
	}
}

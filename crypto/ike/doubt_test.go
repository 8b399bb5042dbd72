package ike

import (
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// tellNothing keeps what a restarted n would tell of itself from the wire, as there are
// implementations that never say it: unprotected notifies, and ESP of SAs unknown to it.
func (w *world) tellNothing(n *node) {
	w.filter = func(p *packet) bool {
		if p.esp != nil {
			return p.to != n.addr || n.children[p.esp.spi] != nil
		}
		return p.from != n.addr || p.ike[16] != byte(message.PayloadNotify)
	}
}

// TestMuteRestart restarts a peer that says nothing about SAs it does not have. DPD asks
// it after 10 s; no later than doubtTime after that, and long before DPD gives up, a new
// SA must carry packets.
func TestMuteRestart(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	a.connect()
	w.run(time.Second)
	a.traffic = true
	w.run(time.Second)
	w.tellNothing(b)
	b.kill()
	b.boot()
	before := w.delivered["b"]
	took := w.until(13*time.Second, "traffic", func() bool { return w.delivered["b"] > before })
	if took < 10*time.Second {
		t.Errorf("flows again after %v, before DPD asked", took)
	}
	if len(a.downs) > 0 {
		t.Errorf("down on the way: %v", a.downs)
	}
	w.run(30 * time.Second)
	w.quiet()
}

// TestLongWay doubts no peer that is idle behind a round trip of more than a second.
func TestLongWay(t *testing.T) {
	w := newWorld(t, 1)
	w.delayMin, w.delayMax = 700*time.Millisecond, 750*time.Millisecond
	a, b := pair(w, nil)
	a.connect()
	w.run(5 * time.Minute)
	if a.ups != 1 || b.ups != 1 {
		t.Errorf("up %d and %d times", a.ups, b.ups)
	}
	w.quiet()
}

package tunnel

import (
	"testing"
	"testing/synctest"
	"time"

	"vpngw/crypto/ike"
)

// TestQuietIsAsked: behind a NAT the peer is asked when what came has ceased, but no more
// often than dead-peer detection would; elsewhere it is not.
func TestQuietIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(valid(), nil)
		if err != nil {
			t.Fatal(err)
		}
		tn := g.tunnels[0]
		g.setPeer(tn, tn.peer)
		handshake(t, g)
		// Long after the handshake; what dead-peer detection asks is answered by nobody here.
		hears := func() {
			spi := g.machine.Status(0).Children[0].SPIIn
			g.step(ike.Heard{ID: 0, SPI: spi})
			g.heard(tn, time.Now())
		}
		asked := func(d time.Duration) (after time.Duration) {
			begin, before := time.Now(), g.machine.Status(0).Counters.MessagesOut
			for ; time.Since(begin) < d; time.Sleep(100 * time.Millisecond) {
				g.onTime(t.Context(), time.Now())
				if g.machine.Status(0).Counters.MessagesOut > before {
					return time.Since(begin)
				}
			}
			return 0
		}
		hears()
		if after := asked(9 * time.Second); after != 0 || !tn.quietAt.IsZero() {
			t.Errorf("without a NAT: asked after %v, reminded at %v", after, tn.quietAt)
		}
		tn.behindNAT = true
		for range 20 { // it goes on
			hears()
			if after := asked(time.Second); after != 0 {
				t.Fatalf("asked in the middle of it, after %v", after)
			}
		}
		if after := asked(9 * time.Second); after < time.Second || after > 4*time.Second {
			t.Errorf("asked after %v, want about two seconds", after)
		}
		if wait := time.Until(tn.quietLast.Add(tn.cfg.DPDInterval)); wait < 9*time.Second {
			t.Errorf("the next time may be in %v", wait)
		}
		hears()
		if !tn.quietAt.Equal(tn.quietLast.Add(tn.cfg.DPDInterval)) {
			t.Errorf("heard again: asked in %v, want an interval of dead-peer detection after the last time", time.Until(tn.quietAt))
		}
	})
}

package tunnel

import (
	"time"

	"vpngw/crypto/ike"
)

// A NAT that we are behind may forget us, or map us anew, while packets only come in: then
// they come no more, the peer cannot know why, and we have nothing to send that would show
// it where we are. So when what came ceases, the peer is asked something.

// quietTime is about how long nothing comes until then. Reminders of all tunnels stand on
// a grid of this, so that thousands of tunnels are not searched for each of them.
const quietTime = 2 * time.Second

// heard notes that packets of t's peer come in.
func (g *Gateway) heard(t *tunnel, now time.Time) {
	if !t.behindNAT {
		return
	}
	t.quietAt = now.Truncate(quietTime).Add(2 * quietTime)
	if next := t.quietLast.Add(t.cfg.DPDInterval); next.After(t.quietAt) {
		t.quietAt = next // dead-peer detection asks as often
	}
	g.remind(t.quietAt)
}

// quiet asks t's peer once what came has ceased.
func (g *Gateway) quiet(t *tunnel, now time.Time) {
	if due(&t.quietAt, now) && t.behindNAT {
		t.quietLast = now
		g.step(ike.Silent{ID: t.id})
	}
}

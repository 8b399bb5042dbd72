package ike

import (
	"testing"
)

// TestCollisionSweep runs every case of the table again with each of its messages lost,
// two seconds late, and doubled: it must end as it does without.
func TestCollisionSweep(t *testing.T) {
	for _, c := range collisions {
		t.Run(c.name, func(t *testing.T) {
			plain := newScript(t, 1, c.change)
			plain.touch = touchNone
			c.play(plain)
			for k := range plain.early {
				for _, how := range []string{"lost", "late", "doubled"} {
					s := newScript(t, uint64(1+k%2), c.change)
					s.touch, s.how = k, how
					s.logf("message %d is %s", k, how)
					c.play(s)
				}
			}
		})
	}
}

package lane

import (
	"testing"

	"vpngw/tunnel/drop"
)

// TestLikePackets: what is known of a packet from the one before holds only where all is
// alike. Segments of one flow come by one socket; the outer ECN field of ten of them is
// another one, and the last ten are sealed on another tunnel's SA, which may not carry them.
func TestLikePackets(t *testing.T) {
	for name, test := range map[string]struct {
		inner, outer, becomes string // outer: of the ten
		anomalies, congested  uint64
	}{
		"marked on its way":       {"ECT(0)", "CE", "CE", 0, 10},
		"ECT(1) on its way":       {"ECT(0)", "ECT(1)", "ECT(1)", 0, 0},
		"a pair that nobody made": {"ECT(1)", "ECT(0)", "ECT(1)", 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t)
			s, other := g.site(1, false), g.site(2, false)
			var want [][]byte
			size := 0
			for i, p := range cut(t, tcp4(1, 5).back().super(bytesOf(40*1000, 1), 1000)) {
				p = withTOS(t, p, codepoints[test.inner])
				outer, on := test.inner, s
				switch i / 10 {
				case 1:
					outer = test.outer
				case 3:
					on = other
				}
				d := on.seal(p)
				s.socket.arriveFrom(arrival{b: d, size: len(d), from: s.socket.remote, to: s.socket.local.Addr(), tos: codepoints[outer]})
				if on != s {
					continue
				}
				if outer == test.outer {
					p = withTOS(t, p, codepoints[test.becomes])
				}
				want = append(want, p)
				size += len(p)
			}
			g.settle()

			wantWritten(t, g.tun, want)
			c := &s.Counters
			for what, n := range map[string][2]uint64{
				"packets":   {c.PacketsIn.Load(), uint64(len(want))},
				"bytes":     {c.BytesIn.Load(), uint64(size)},
				"anomalies": {c.ECNAnomaliesIn.Load(), test.anomalies},
				"congested": {c.CongestionIn.Load(), test.congested},
			} {
				if n[0] != n[1] {
					t.Errorf("%s: %d, want %d", what, n[0], n[1])
				}
			}
			wantDrops(t, &s.Counters.Drops, nil)
			wantDrops(t, &other.Counters.Drops, map[drop.Reason]int{drop.InnerSource: 10})
		})
	}
}

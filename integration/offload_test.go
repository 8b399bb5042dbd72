package integration

import (
	"strings"
	"testing"

	"vpngw/integration/lab/daemon"
)

// TestOffloadSwitches switches each offload off at both ends, and all of them at one end
// only: what comes through is the same, and the edge concerned shows that the switch
// was obeyed.
func TestOffloadSwitches(t *testing.T) {
	const wirePacket = 1500
	everything := "tso: false, uso: false, checksum: false, udp_segment: false, udp_gro: false, coalesce: false, peer_checksum: false"
	for _, c := range []struct {
		name, a, b string
		check      func(t *testing.T, a, b daemon.Status) // after a stream from A to B
	}{
		{"no tso", "tso: false", "tso: false", func(t *testing.T, a, _ daemon.Status) {
			small(t, "A's TUN reads", a.Edges.TunRead.BytesPerCall(), wirePacket)
		}},
		{"no checksum", "checksum: false", "checksum: false", func(t *testing.T, a, _ daemon.Status) {
			small(t, "A's TUN reads", a.Edges.TunRead.BytesPerCall(), wirePacket)
		}},
		{"no udp_segment", "udp_segment: false", "udp_segment: false", func(t *testing.T, a, b daemon.Status) {
			large(t, "A's TUN reads", a.Edges.TunRead.BytesPerCall())
			small(t, "B's receives", b.Edges.UDPReceive.BytesPerCall(), wirePacket)
		}},
		{"no udp_gro", "udp_gro: false", "udp_gro: false", func(t *testing.T, a, b daemon.Status) {
			large(t, "A's sends", a.Edges.UDPSend.BytesPerCall())
			small(t, "B's receives", b.Edges.UDPReceive.BytesPerCall(), wirePacket)
		}},
		{"no coalesce", "coalesce: false", "coalesce: false", func(t *testing.T, _, b daemon.Status) {
			large(t, "B's receives", b.Edges.UDPReceive.BytesPerCall())
			small(t, "B's TUN writes", b.Edges.TunWrite.BytesPerCall(), wirePacket)
		}},
		{"nothing at A", everything, "", func(t *testing.T, a, b daemon.Status) {
			small(t, "A's TUN reads", a.Edges.TunRead.BytesPerCall(), wirePacket)
			small(t, "B's receives", b.Edges.UDPReceive.BytesPerCall(), wirePacket)
		}},
		{"nothing at B", "", everything, func(t *testing.T, a, b daemon.Status) {
			large(t, "A's sends", a.Edges.UDPSend.BytesPerCall())
			small(t, "B's TUN writes", b.Edges.TunWrite.BytesPerCall(), wirePacket)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, pairOptions{edit: func(a, b *daemon.Config) {
				a.Gateway = switches(c.a)
				b.Gateway = switches(c.b)
			}})
			checkStream(t, p.A.Host, p.B.Host, p.B.Host4, 8<<20)
			c.check(t, status(t, p.a), status(t, p.b))
			checkStream(t, p.B.Host, p.A.Host, p.A.Host6, 4<<20)
			checkUDP(t, p.A.Host, p.B.Host, p.B.Host4)
		})
	}
}

func switches(s string) []string {
	if s == "" {
		return nil
	}
	return []string{"offload: {" + strings.TrimSpace(s) + "}"}
}

// small and large judge averages in which single packets, such as those that begin and
// end a connection, count little beside a stream.
func small(t *testing.T, what string, bytes float64, most float64) {
	t.Helper()
	t.Logf("%s have %.0f bytes on average", what, bytes)
	if bytes == 0 || bytes > most {
		t.Errorf("%s have %.0f bytes on average: want at most %.0f", what, bytes, most)
	}
}

func large(t *testing.T, what string, bytes float64) {
	t.Helper()
	t.Logf("%s have %.0f bytes on average", what, bytes)
	if bytes < 10000 {
		t.Errorf("%s have %.0f bytes on average: superpackets should cross whole", what, bytes)
	}
}

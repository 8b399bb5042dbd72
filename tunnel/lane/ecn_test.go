package lane

import (
	"bytes"
	"fmt"
	"testing"

	"vpngw/offload"
	"vpngw/tunnel/drop"
)

// rfc6040 is figure 4 of RFC 6040 §4.2 as it is printed, by the field inside and the one
// outside; ! is a pair that is currently unused.
var rfc6040 = map[string]map[string]string{
	"Not-ECT": {"Not-ECT": "Not-ECT", "ECT(0)": "Not-ECT !", "ECT(1)": "Not-ECT !", "CE": "drop !"},
	"ECT(0)":  {"Not-ECT": "ECT(0)", "ECT(0)": "ECT(0)", "ECT(1)": "ECT(1)", "CE": "CE"},
	"ECT(1)":  {"Not-ECT": "ECT(1)", "ECT(0)": "ECT(1) !", "ECT(1)": "ECT(1)", "CE": "CE"},
	"CE":      {"Not-ECT": "CE", "ECT(0)": "CE", "ECT(1)": "CE !", "CE": "CE"},
}

// codepoints are those of RFC 3168 §5.
var codepoints = map[string]uint8{"Not-ECT": 0, "ECT(1)": 1, "ECT(0)": 2, "CE": 3}

// TestConformanceECNIn takes packets with each ECN field out of datagrams with each, under
// several DSCPs: the table is followed, checksums are right, and nothing else changes.
func TestConformanceECNIn(t *testing.T) {
	const inside, outside = 0xb8, 0x28 // DSCPs
	for innerName, row := range rfc6040 {
		for outerName, want := range row {
			for _, six := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s in %s, IPv6 %t", innerName, outerName, six), func(t *testing.T) {
					g := newGate(t)
					s := g.site(1, false)
					s.NoECN = six // concerns what is sent alone
					f := tcp4(1, 5).back()
					if six {
						f.src, f.dst = host6(1, true), host6(1, false)
					}
					p := withTOS(t, f.packet(bytesOf(100, 1), false), inside|codepoints[innerName])
					d := s.seal(p)
					s.socket.arriveFrom(arrival{b: d, size: len(d), from: s.socket.remote, to: s.socket.local.Addr(), tos: outside | codepoints[outerName]})
					g.settle()

					var anomalies, congested uint64
					result := want
					if i := len(want) - 2; want[i:] == " !" {
						result, anomalies = want[:i], 1
					}
					if result == "CE" && innerName != "CE" {
						congested = 1
					}
					written := g.tun.written()
					if result == "drop" {
						if len(written) != 0 {
							t.Errorf("%d packets written", len(written))
						}
						wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.CongestionNotECT: 1})
					} else {
						if len(written) != 1 || !bytes.Equal(written[0][offload.VirtioHeaderLen:], withTOS(t, p, inside|codepoints[result])) {
							t.Errorf("written: %x", written)
						}
						wantDrops(t, &s.Counters.Drops, nil)
					}
					if got := s.Counters.ECNAnomaliesIn.Load(); got != anomalies {
						t.Errorf("%d anomalies, want %d", got, anomalies)
					}
					if got := s.Counters.CongestionIn.Load(); got != congested {
						t.Errorf("%d packets count as marked on their way, want %d", got, congested)
					}
				})
			}
		}
	}
}

// TestConformanceECNOut sends packets with every TOS: their datagrams have what RFC 6040
// §4.1 and the switches say.
func TestConformanceECNOut(t *testing.T) {
	for _, noECN := range []bool{false, true} {
		for _, copyDSCP := range []bool{false, true} {
			g := newGate(t)
			s := g.site(1, false)
			s.NoECN, s.CopyDSCP = noECN, copyDSCP
			for tos := range 256 {
				f := tcp4(1, 5)
				if tos%3 == 0 {
					f.src, f.dst = host6(1, false), host6(1, true)
				}
				inner := uint8(tos)
				p := withTOS(t, f.packet(bytesOf(100, 1), false), inner)
				g.tun.push(append(make([]byte, offload.VirtioHeaderLen), p...))
				g.settle()
				var want uint8
				if !noECN {
					want |= inner & 3
				}
				if copyDSCP {
					want |= inner & 0xfc
				}
				if len(s.socket.tos) != 1 || s.socket.tos[0] != want {
					t.Errorf("NoECN %t, CopyDSCP %t, TOS %#x inside: outside %#x, want %#x", noECN, copyDSCP, inner, s.socket.tos, want)
				}
				if got := s.opened(t); len(got) != 1 || !bytes.Equal(got[0], p) {
					t.Errorf("TOS %#x: what is inside changed: %x", inner, got)
				}
				s.socket.tos = nil
			}
		}
	}
}

// TestTrainsOfOneTOS sends superpackets whose TOS changes: each train has one, the
// packets stay in their order, and a blocked train keeps its own.
func TestTrainsOfOneTOS(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.CopyDSCP = true
	var packets [][]byte
	f := tcp4(1, 100) // one flow, since the queue keeps no order between flows
	for i, tos := range []uint8{0, 0, 2, 2, 3, 2, 0x2a, 0} {
		p := f.super(bytesOf(3000, byte(i)), 1000)
		p = append(p[:offload.VirtioHeaderLen:offload.VirtioHeaderLen], withTOS(t, p[offload.VirtioHeaderLen:], tos)...)
		packets = append(packets, p)
	}
	var want [][]byte
	for round, blocked := range []bool{false, true} {
		s.socket.tos, s.socket.trains = nil, nil
		if blocked {
			s.block(0)
		}
		for _, p := range packets {
			want = append(want, cut(t, p)...)
		}
		g.tun.push(packets...)
		g.settle()
		if blocked {
			s.free()
			g.settle()
		}
		if got, want := fmt.Sprintf("%x", s.socket.tos), "000203022a00"; got != want {
			t.Errorf("round %d: trains of TOS %s, want %s", round, got, want)
		}
		if got, want := fmt.Sprint(s.socket.trains), "[6 6 3 3 3 3]"; got != want {
			t.Errorf("round %d: trains of %s datagrams, want %s", round, got, want)
		}
	}
	s.wantPackets(t, want)
}

// TestGluedPacketsHaveOneTOS receives segments of which one was marked on its way.
func TestGluedPacketsHaveOneTOS(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	f := tcp4(1, 5).back()
	var want []uint8
	for i := range 9 {
		p := withTOS(t, f.packet(bytesOf(1000, byte(i)), false), offload.ECT0)
		d, outer := s.seal(p), offload.ECT0
		if i == 4 {
			outer = offload.CE
		}
		want = append(want, outer)
		s.socket.arriveFrom(arrival{b: d, size: len(d), from: s.socket.remote, to: s.socket.local.Addr(), tos: outer})
	}
	g.settle()
	var got []uint8
	written := g.tun.written()
	for _, w := range written {
		for _, p := range cut(t, w) {
			got = append(got, p[1])
		}
	}
	if len(written) != 3 || !bytes.Equal(got, want) {
		t.Errorf("%d superpackets with TOS %x, want %x", len(written), got, want)
	}
}

// TestNoAllocationMixedTOS covers sends with a TOS, and trains closed for another.
func TestNoAllocationMixedTOS(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.socket.discard = true
	var packets [][]byte
	for i := range 8 {
		p := tcp4(1, uint16(i)).plain(bytesOf(500, 0))
		packets = append(packets, append(p[:offload.VirtioHeaderLen:offload.VirtioHeaderLen], withTOS(t, p[offload.VirtioHeaderLen:], uint8(i%3))...))
	}
	d := s.seal(withTOS(t, tcp4(1, 5).back().packet(nil, false), 0))
	if got := testing.AllocsPerRun(200, func() {
		g.tun.push(packets...)
		s.socket.arriveFrom(arrival{b: d, size: len(d), tos: 3}) // authentic once, a replay then
		g.step()
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

package lane

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"vpngw/crypto/ike"
	"vpngw/offload"
)

// allowed is the rule of RFC 4301 §4.4.1.1, without a cache.
func allowed(side []ike.Selector, proto uint8, a netip.Addr, port uint16) bool {
	for _, s := range side {
		inRange := s.First.Is4() == a.Is4() && !a.Less(s.First) && !s.Last.Less(a)
		if inRange && (s.Proto == 0 || s.Proto == proto) && port >= s.StartPort && port <= s.EndPort {
			return true
		}
	}
	return false
}

// few are addresses among which ranges begin and end, so that edges are hit.
var few = []netip.Addr{
	netip.MustParseAddr("10.0.0.0"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.254"), netip.MustParseAddr("10.0.1.0"),
	netip.MustParseAddr("::a00:1"), netip.MustParseAddr("::ffff:10.0.0.1"), netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"),
}

func anySelector(t *rapid.T, plain bool) ike.Selector {
	first := rapid.IntRange(0, len(few)-1).Draw(t, "first")
	last := first
	for last+1 < len(few) && few[last+1].Is4() == few[first].Is4() && few[last].Less(few[last+1]) && rapid.Bool().Draw(t, "wider") {
		last++
	}
	s := ike.Selector{First: few[first], Last: few[last], EndPort: 0xffff}
	if !plain {
		s.Proto = rapid.SampledFrom([]uint8{0, 6, 17}).Draw(t, "protocol")
		if rapid.Bool().Draw(t, "ports") {
			s.StartPort, s.EndPort = 80, rapid.SampledFrom([]uint16{80, 443}).Draw(t, "end")
		}
	}
	return s
}

// TestPolicyIsTheRule compares Policy, with its cache, to the rule for rows of packets.
func TestPolicyIsTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.Bool().Draw(t, "plain")
		selector := rapid.Custom(func(t *rapid.T) ike.Selector { return anySelector(t, plain) })
		local := rapid.SliceOfN(selector, 0, 3).Draw(t, "local")
		remote := rapid.SliceOfN(selector, 0, 3).Draw(t, "remote")
		p := NewPolicy(local, remote)
		if plain && !p.plain {
			t.Fatal("a policy of address ranges is not taken for one")
		}
		address := rapid.SampledFrom(few)
		for range 30 {
			h := offload.Headers{
				Proto: rapid.SampledFrom([]uint8{1, 6, 17}).Draw(t, "proto"),
				Src:   address.Draw(t, "source"), Dst: address.Draw(t, "destination"),
				SrcPort: rapid.SampledFrom([]uint16{0, 79, 80, 443, 444}).Draw(t, "source port"),
				DstPort: rapid.SampledFrom([]uint16{0, 79, 80, 443, 444}).Draw(t, "destination port"),
			}
			if rapid.Bool().Draw(t, "out") {
				want := allowed(local, h.Proto, h.Src, h.SrcPort) && allowed(remote, h.Proto, h.Dst, h.DstPort)
				if got := p.outbound(&h); got != want {
					t.Fatalf("outbound %+v: %v, want %v", h, got, want)
				}
				continue
			}
			wantSource, wantDestination := allowed(remote, h.Proto, h.Src, h.SrcPort), allowed(local, h.Proto, h.Dst, h.DstPort)
			if source, destination := p.inbound(&h); source != wantSource || destination != wantDestination {
				t.Fatalf("inbound %+v: source %v, destination %v, want %v, %v", h, source, destination, wantSource, wantDestination)
			}
		}
	})
}

// TestCacheTellsDirectionsApart: the pair allowed last, turned round, is another one.
func TestCacheTellsDirectionsApart(t *testing.T) {
	p := NewPolicy(selectors("10.0.0.0/24"), selectors("10.0.1.0/24"))
	h := offload.Headers{Src: netip.MustParseAddr("10.0.0.5"), Dst: netip.MustParseAddr("10.0.1.5")}
	for range 2 { // the second time by the cache
		if !p.outbound(&h) {
			t.Fatal("what is allowed is refused")
		}
	}
	if source, destination := p.inbound(&h); source || destination {
		t.Error("our own packet is taken as the peer's")
	}
	h.Src, h.Dst = h.Dst, h.Src
	if p.outbound(&h) {
		t.Error("the peer's packet may go out")
	}
	if source, destination := p.inbound(&h); !source || !destination {
		t.Error("what is allowed in is refused")
	}
}

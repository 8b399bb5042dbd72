package ike

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// narrowWire loses packets of more than mtu bytes; 0: none.
type narrowWire struct {
	mtu      int
	around   int  // bytes of a packet around an IKE message
	longest  int  // packet in one piece seen, lost or not
	sent     int  // IKE messages of the first node
	noPieces bool // a firewall stops fragments of IP
	noIKE    bool // the peer does not take fragments of IKE
}

func (n *narrowWire) filter(from netip.AddrPort) func(p *packet) bool {
	return func(p *packet) bool {
		if p.ike == nil {
			return true
		}
		if p.from == from {
			n.sent++
		}
		size := len(p.ike) + n.around
		if p.pieces {
			return n.mtu == 0 || size <= n.mtu || !n.noPieces
		}
		if isFragment(p) && n.noIKE {
			return false
		}
		n.longest = max(n.longest, size)
		return n.mtu == 0 || size <= n.mtu
	}
}

// probe asks a for a path, and gives what it finds.
func (n *node) probe(size int, limit time.Duration) (PathOutcome, time.Duration) {
	n.probed = nil
	n.step(ProbePath{ID: n.peers[0].ID, Size: size})
	took := n.w.until(limit, "an outcome", func() bool { return len(n.probed) > 0 })
	got := n.probed[0]
	if got.ID != n.peers[0].ID || got.Size != size || len(n.probed) > 1 {
		n.w.failf("outcomes %+v", n.probed)
	}
	return got.Outcome, took
}

// TestPathProbe: what fits passes, in one packet of just the size asked for; what does not
// is found out within a second, and nothing comes of it but that.
func TestPathProbe(t *testing.T) {
	for _, tt := range []struct {
		addrA, addrB string
		around       int
	}{{addrA, addrB, aroundIPv4}, {"[2001:db8::1]:4500", "[2001:db8::2]:4500", aroundIPv6}} {
		w := newWorld(t, 1)
		w.delayMin, w.delayMax = 5*time.Millisecond, 20*time.Millisecond
		pa, pb := pairConfig()
		pa.Remote, pb.Remote = netip.MustParseAddrPort(tt.addrB), netip.MustParseAddrPort(tt.addrA)
		a, b := w.add("a", tt.addrA, pa), w.add("b", tt.addrB, pb)
		a.connect()
		w.run(5 * time.Second)
		wire := &narrowWire{around: tt.around}
		w.filter = wire.filter(a.addr)
		for _, c := range []struct {
			size, mtu int
			want      PathOutcome
		}{
			{1500, 1500, PathPassed}, {1500, 1499, PathLost}, {1300, 1300, PathPassed}, {1301, 1300, PathLost},
			{9000, 0, PathPassed}, {9000, 8999, PathLost}, {576, 576, PathPassed}, {1280, 576, PathLost},
		} {
			wire.mtu, wire.longest, wire.sent = c.mtu, 0, 0
			got, took := a.probe(c.size, 2*time.Second)
			if got != c.want || wire.longest != c.size || took > 900*time.Millisecond {
				t.Errorf("%d bytes on a path of %d: %v after %v, in packets of at most %d", c.size, c.mtu, got, took, wire.longest)
			}
			if c.want == PathPassed && wire.sent != 1 {
				t.Errorf("%d messages for a probe that passes", wire.sent)
			}
		}
		w.filter = nil
		w.run(time.Minute)
		w.quiet()
		if len(a.downs)+len(b.downs) != 0 {
			w.failf("somebody was down")
		}
	}
}

// TestPathProbeWithoutAnswer: a probe to a peer that is gone says nothing of the path, and
// the peer is taken for dead no sooner than any request lets it.
func TestPathProbeWithoutAnswer(t *testing.T) {
	w := newWorld(t, 1)
	a, _ := pair(w, func(a, b *Peer) {
		a.DPD = DPD{Interval: time.Hour, Timeout: 20 * time.Second}
		b.DPD = a.DPD
	})
	a.connect()
	w.run(5 * time.Second)
	w.filter = func(*packet) bool { return false }
	a.step(ProbePath{ID: 1, Size: 1500})
	w.run(19 * time.Second)
	if len(a.probed) != 0 || len(a.downs) != 0 {
		t.Errorf("outcomes %v, downs %v", a.probed, a.downs)
	}
	w.run(2 * time.Second)
	if len(a.downs) == 0 {
		t.Error("not down after DPD's timeout")
	}
}

// TestPathProbeBesideOthers: a probe waits for nothing and nobody; where the window is not
// free it is not sent. What waits behind one is not held up for long.
func TestPathProbeBesideOthers(t *testing.T) {
	w := newWorld(t, 1)
	a, _ := pair(w, nil)
	a.step(ProbePath{ID: 1, Size: 1500})
	a.step(ProbePath{ID: 99, Size: 1500}) // nobody
	if len(a.probed) != 1 || a.probed[0].Outcome != PathUnknown {
		t.Errorf("not up: %v", a.probed)
	}
	a.connect()
	w.run(5 * time.Second)
	for _, size := range []int{0, 60, MaxPathProbe + 1} {
		if got, _ := a.probe(size, time.Second); got != PathUnknown {
			t.Errorf("a probe of %d bytes: %v", size, got)
		}
	}
	wire := &narrowWire{mtu: 1400, around: aroundIPv4}
	w.filter = wire.filter(a.addr)
	a.probed = nil
	a.step(ProbePath{ID: 1, Size: 1500})
	a.step(ProbePath{ID: 1, Size: 1450})
	if len(a.probed) != 1 || a.probed[0].Size != 1450 || a.probed[0].Outcome != PathUnknown {
		t.Errorf("a second one: %v", a.probed)
	}
	first := a.using[1]
	a.soft()
	w.until(time.Second, "rekeyed", func() bool { return a.using[1] != first })
	w.run(10 * time.Second)
	w.quiet()
	if len(a.probed) != 2 || a.probed[1].Outcome != PathLost {
		t.Errorf("outcomes %v", a.probed)
	}
}

// TestPathProbeInPieces: what does not get through whole does so in fragments of IP or of
// IKE, whichever the path and the peer take.
func TestPathProbeInPieces(t *testing.T) {
	for _, c := range []struct {
		noPieces, noIKE, never bool
	}{
		{}, {noIKE: true}, {noPieces: true}, {never: true}, // nor was it negotiated
	} {
		w := newWorld(t, 1)
		a, _ := pair(w, nil)
		a.connect()
		w.run(5 * time.Second)
		a.m.peers[1].current().fragments = !c.never
		wire := &narrowWire{mtu: 1400, around: aroundIPv4, noPieces: c.noPieces, noIKE: c.noIKE}
		w.filter = wire.filter(a.addr)
		if got, _ := a.probe(1300, 2*time.Second); got != PathPassed {
			t.Errorf("%+v: what fits: %v", c, got)
		}
		if got, _ := a.probe(1500, 2*time.Second); got != PathLost {
			t.Errorf("%+v: the first: %v", c, got)
		}
		if got, took := a.probe(1500, 2*time.Second); got != PathLost || took > 600*time.Millisecond {
			t.Errorf("%+v: the second: %v after %v", c, got, took)
		}
		w.filter = nil
		w.run(30 * time.Second)
		w.quiet()
		if len(a.downs) != 0 {
			t.Errorf("%+v: down: %v", c, a.downs)
		}
	}
}

// TestPathProbeStuck: where no pieces get through either, the tunnel goes on with another
// IKE SA, and the peer is not probed any more.
func TestPathProbeStuck(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	a.traffic, b.traffic = true, true
	a.connect()
	w.run(5 * time.Second)
	first := a.ikeSPI()
	wire := &narrowWire{mtu: 1400, around: aroundIPv4, noPieces: true, noIKE: true}
	w.filter = wire.filter(a.addr)
	if got, took := a.probe(1500, 20*time.Second); got != PathUnsupported || took > 5*time.Second {
		t.Errorf("%v after %v", got, took)
	}
	w.until(5*time.Second, "another IKE SA", func() bool { return a.ikeSPI() != first })
	if got, _ := a.probe(1500, time.Second); got != PathUnsupported {
		t.Errorf("asked again: %v", got)
	}
	w.run(2 * time.Minute)
	w.quiet()
	if len(a.downs)+len(b.downs) != 0 {
		t.Errorf("down: %v %v", a.downs, b.downs)
	}
}

// TestPathProbeStuckInSilence: the same without traffic, which is told from a peer that is
// gone by happening again.
func TestPathProbeStuckInSilence(t *testing.T) {
	w := newWorld(t, 1)
	a, _ := pair(w, func(a, b *Peer) { b.DPD = DPD{Interval: time.Hour, Timeout: time.Hour} })
	a.connect()
	w.run(5 * time.Second)
	wire := &narrowWire{mtu: 1400, around: aroundIPv4, noPieces: true, noIKE: true}
	w.filter = wire.filter(a.addr)
	for i := range 5 {
		a.probed = nil
		a.step(ProbePath{ID: 1, Size: 1500})
		w.run(2 * time.Minute)
		if got := len(a.probed) > 0 && a.probed[0].Outcome == PathUnsupported; got != (i >= 2) {
			w.failf("probe %d: %v", i, a.probed)
		}
	}
	if len(a.downs) > 2 {
		t.Errorf("down %d times", len(a.downs))
	}
	w.quiet()
}

// TestPathProbeHurried: a hint that the peer lost its state has the request under way sent
// again at once; that the whole packet was not waited for is no verdict on its size.
func TestPathProbeHurried(t *testing.T) {
	w := newWorld(t, 1)
	w.delayMin, w.delayMax = 40*time.Millisecond, 40*time.Millisecond
	a, _ := pair(w, nil)
	a.connect()
	w.run(5 * time.Second)
	wire := &narrowWire{mtu: 1400, around: aroundIPv4}
	w.filter = wire.filter(a.addr)
	a.step(ProbePath{ID: 1, Size: 1500})
	a.step(Probe{ID: 1})
	w.run(2 * time.Second)
	if len(a.probed) != 1 || a.probed[0].Outcome != PathUnknown {
		t.Errorf("outcomes %v", a.probed)
	}
}

// TestPathProbeTime: what a verdict takes, by the round trip. One whole packet that is lost
// by chance is none.
func TestPathProbeTime(t *testing.T) {
	for _, c := range []struct{ oneWay, passed, onceLost, lost time.Duration }{
		{0, 0, 100, 345}, {10, 20, 120, 365}, {50, 100, 275, 689}, {100, 200, 500, 1195}, {150, 300, 725, 1702},
	} {
		w := newWorld(t, 1)
		w.delayMin, w.delayMax = c.oneWay*time.Millisecond, c.oneWay*time.Millisecond
		a, _ := pair(w, nil)
		a.connect()
		w.run(5 * time.Second)
		check := func(what string, want PathOutcome, limit time.Duration) {
			if got, took := a.probe(1500, 5*time.Second); got != want || took > limit*time.Millisecond+10*time.Millisecond {
				t.Errorf("%d ms each way, %s: %v after %v, want %v after %d ms", c.oneWay, what, got, took, want, limit)
			}
			w.run(2 * time.Second)
		}
		check("the first one", PathPassed, c.passed)
		check("what fits", PathPassed, c.passed)
		lost := 0
		w.filter = func(p *packet) bool {
			if p.ike != nil && p.from == a.addr && lost == 0 {
				lost++
				return false
			}
			return true
		}
		check("the first packet lost", PathPassed, c.onceLost)
		w.filter = nil
		check("what fits", PathPassed, c.onceLost) // and the round trip is known again
		wire := &narrowWire{mtu: 1300, around: aroundIPv4}
		w.filter = wire.filter(a.addr)
		check("too narrow", PathLost, c.lost)
		w.filter = nil
		w.run(time.Minute)
		w.quiet()
	}
}

// TestPathProbeLate: a path that has become slow is not taken for one that has become
// narrow, and the next probe is waited for longer.
func TestPathProbeLate(t *testing.T) {
	w := newWorld(t, 1)
	w.delayMin, w.delayMax = 5*time.Millisecond, 5*time.Millisecond
	a, _ := pair(w, nil)
	a.connect()
	w.run(5 * time.Second)
	if got, _ := a.probe(1500, time.Second); got != PathPassed { // the round trip is known now
		t.Fatal(got)
	}
	for _, oneWay := range []time.Duration{50, 60, 100, 150, 250, 400, 900} {
		s := a.m.peers[1].current()
		s.trip = 10 * time.Millisecond
		w.delayMin, w.delayMax = oneWay*time.Millisecond, oneWay*time.Millisecond
		if got, took := a.probe(1500, 10*time.Second); got != PathPassed || s.trip != 2*oneWay*time.Millisecond {
			t.Errorf("%d ms each way: %v after %v, and a round trip of %v", oneWay, got, took, s.trip)
		}
		w.run(5 * time.Second)
		narrow := &narrowWire{mtu: 1400, around: aroundIPv4}
		w.filter = narrow.filter(a.addr)
		s.trip = 10 * time.Millisecond
		if got, took := a.probe(1500, 10*time.Second); got != PathLost {
			t.Errorf("%d ms each way and too narrow: %v after %v", oneWay, got, took)
		}
		w.filter = nil
		w.run(5 * time.Second)
	}
	w.quiet()
}

// TestPathProbeUnderLoss: with any loss a probe that fits passes or counts as lost, ends,
// and the SA lives.
func TestPathProbeUnderLoss(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, seed)
		w.delayMin, w.delayMax = time.Millisecond, 50*time.Millisecond
		a, b := pair(w, nil)
		a.connect()
		w.run(5 * time.Second)
		w.loss, w.dup = 0.2, 0.2
		seen := map[PathOutcome]int{}
		for range 20 {
			got, _ := a.probe(1400, 20*time.Second)
			seen[got]++
			w.run(100 * time.Millisecond)
		}
		w.loss = 0
		w.run(30 * time.Second)
		w.quiet()
		if seen[PathPassed] == 0 || len(a.downs)+len(b.downs) != 0 {
			w.failf("outcomes %v, downs %d and %d", seen, len(a.downs), len(b.downs))
		}
	}
}

// TestPathProbeOnTheWire: an INFORMATIONAL request with one Notify of private use, in one
// Encrypted payload; after its loss the same bytes (RFC 7296 §2.1), which IP may fragment,
// and the same content in fragments (RFC 7383 §2.5.2).
func TestPathProbeOnTheWire(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, nil)
	a.connect()
	w.run(5 * time.Second)
	var kinds []string
	var first []byte
	ids := map[uint32]bool{}
	w.filter = func(p *packet) bool {
		if p.from != a.addr || p.ike == nil {
			return true
		}
		ids[binary.BigEndian.Uint32(p.ike[20:])] = true
		kinds = append(kinds, fmt.Sprint(message.PayloadType(p.ike[16]), p.pieces))
		if message.ExchangeType(p.ike[18]) != message.ExchangeInformational {
			t.Errorf("a message of type %v", message.ExchangeType(p.ike[18]))
		}
		if first == nil {
			first = p.ike
		}
		if message.PayloadType(p.ike[16]) == message.PayloadSK && !bytes.Equal(p.ike, first) {
			t.Error("not the same message again")
		}
		return len(p.ike) <= 544
	}
	before := b.m.Status(7).Counters.MessagesIn
	if got, _ := a.probe(1500, 3*time.Second); got != PathLost {
		t.Fatal(got)
	}
	if want := "[SK false SK false SK true SKF false SKF false SKF false]"; fmt.Sprint(kinds) != want || len(ids) != 1 {
		t.Errorf("sent %v under %d message ids, want %s under one", kinds, len(ids), want)
	}
	if got := b.m.Status(7).Counters.MessagesIn - before; got != 3 {
		t.Errorf("%d messages arrived", got)
	}
	if b.m.Status(7).Counters.Rejected != a.m.Status(1).Counters.Rejected {
		t.Errorf("something was rejected: %v", b.m.Status(7).Counters.Rejected)
	}
}

// TestPathProbeForgedAnswer: a second answer that does not authenticate says nothing.
func TestPathProbeForgedAnswer(t *testing.T) {
	w := newWorld(t, 1)
	w.delayMin, w.delayMax = 5*time.Millisecond, 5*time.Millisecond
	a, b := pair(w, nil)
	a.connect()
	w.run(5 * time.Second)
	wire := &narrowWire{mtu: 1400, around: aroundIPv4}
	narrow := wire.filter(a.addr)
	var answer []byte
	w.filter = func(p *packet) bool {
		if p.from == b.addr && p.ike != nil {
			answer = bytes.Clone(p.ike)
		}
		return narrow(p)
	}
	a.probed = nil
	a.step(ProbePath{ID: 1, Size: 1500})
	w.until(time.Second, "an answer", func() bool { return answer != nil })
	w.run(200 * time.Millisecond) // at the time of an answer to another send
	answer[len(answer)-1] ^= 1
	a.step(Datagram{Local: a.addr, Remote: b.addr, Bytes: answer})
	w.until(time.Second, "an outcome", func() bool { return len(a.probed) > 0 })
	if a.probed[0].Outcome != PathLost {
		t.Errorf("outcome %v", a.probed[0].Outcome)
	}
}

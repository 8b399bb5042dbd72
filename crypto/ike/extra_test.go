package ike

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"
)

// extraPair is a pair with that many additional children wanted at a and at b.
func extraPair(a, b int) func(pa, pb *Peer) {
	return func(pa, pb *Peer) { pa.Extra, pb.Extra = a, b }
}

// TestExtra: there are as many additional children as both ends want, whoever begins, and
// ESP flows on each.
func TestExtra(t *testing.T) {
	for i, tt := range [][2]int{{0, 0}, {1, 1}, {3, 3}, {3, 1}, {1, 3}, {0, 3}, {3, 0}, {MaxExtra, MaxExtra}} {
		for _, byB := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d and %d, by b %v", tt[0], tt[1], byB), func(t *testing.T) {
				w := newWorld(t, uint64(i+1))
				a, b := pair(w, extraPair(tt[0], tt[1]))
				if byB {
					b.connect()
				} else {
					a.connect()
				}
				w.run(4 * time.Second)
				w.quiet()
				w.strict = true
				a.traffic, b.traffic = true, true
				w.run(time.Second)
				if want := 23 * (1 + min(tt[0], tt[1])); w.delivered["a"] < want || w.delivered["b"] < want {
					t.Errorf("%v packets, want at least %d to each", w.delivered, want)
				}
			})
		}
	}
}

// TestExtraIsRemade ends additional children in every way: the tunnel stays up on the
// others, and the initiator makes those that are missing, later each time that one dies young.
func TestExtraIsRemade(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(a, b *node)
	}{
		{"closed by the initiator", func(a, b *node) { a.closeExtra(1) }},
		{"closed by the responder", func(a, b *node) { b.closeExtra(2) }},
		{"both closed", func(a, b *node) { a.closeExtra(1); b.closeExtra(2) }},
		{"closed by both", func(a, b *node) { a.closeExtra(1); b.closeExtra(1) }},
		{"hard limit of the initiator", func(a, b *node) { a.hardExtra(1) }},
		{"hard limit of the responder", func(a, b *node) { b.hardExtra(1) }},
		{"hard limit of all", func(a, b *node) { a.hardExtra(1); a.hardExtra(2); b.hardExtra(1); b.hardExtra(2) }},
		{"lost by the responder", func(a, b *node) {
			c := b.m.child(7, b.sendsOn(7, 1))
			b.inside(func() { c.drop(false) })
			a.softExtra(1) // finds it out
		}},
		{"lost by the initiator", func(a, b *node) {
			c := a.m.child(1, a.sendsOn(1, 1))
			a.inside(func() { c.drop(false) })
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 1)
			a, b := pair(w, extraPair(2, 2))
			a.connect()
			w.run(2 * time.Minute) // they are not young any more
			first := a.using[1]
			was := maps.Clone(a.extra)
			a.traffic, b.traffic = true, true
			tt.end(a, b)
			w.run(10 * time.Second)
			w.quiet()
			if maps.Equal(was, a.extra) {
				t.Error("nothing was remade")
			}
			if a.using[1] != first || len(a.downs)+len(b.downs) > 0 {
				t.Errorf("the first child did not stay: down %v %v", a.downs, b.downs)
			}
		})
	}
}

// TestExtraBacksOff closes an additional child whenever it comes: it is remade ever more
// rarely, and the tunnel does not notice.
func TestExtraBacksOff(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, extraPair(2, 2))
	a.connect()
	w.run(5 * time.Second)
	first, remade, last := a.using[1], 0, uint32(0)
	for range 3000 { // 5 minutes
		if spi := b.sendsOn(7, 1); spi != last && spi != 0 {
			remade, last = remade+1, spi
			b.closeExtra(1)
		}
		w.run(100 * time.Millisecond)
	}
	if remade < 8 || remade > 24 {
		t.Errorf("remade %d times in 5 minutes", remade)
	}
	w.run(2 * extraMax)
	w.quiet()
	if a.using[1] != first || len(a.downs)+len(b.downs) > 0 {
		t.Error("the first child did not stay")
	}
}

// TestExtraWithoutSPI: what fails on our side costs an additional child and no more.
func TestExtraWithoutSPI(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, extraPair(2, 2))
	a.connect()
	w.run(5 * time.Second)
	supply := a.m.cfg.SPI
	a.m.cfg.SPI = func() (uint32, error) { return 0, errors.New("none left") }
	a.closeExtra(1)
	a.softExtra(2)
	w.run(20 * time.Second)
	if a.sendsOn(1, 1) != 0 || a.sendsOn(1, 2) == 0 || len(a.downs)+len(b.downs) > 0 {
		t.Errorf("sends on %v; down %v %v", a.extra, a.downs, b.downs)
	}
	a.m.cfg.SPI = supply
	w.run(2 * extraMax)
	w.quiet()
}

// TestExtraLives: a rekey keeps the resource, a rekey of the IKE SA keeps the children, a
// new first child does not disturb them, and a new IKE SA has new ones.
func TestExtraLives(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, extraPair(3, 3))
	a.connect()
	w.run(5 * time.Second)
	w.strict = true
	a.traffic, b.traffic = true, true
	step := func(what string, do func(), first, extra bool) {
		t.Helper()
		using, was, sa := a.using[1], maps.Clone(a.extra), a.ikeSPI()
		do()
		w.run(20 * time.Second)
		w.quiet()
		if (a.using[1] != using) != first || maps.Equal(a.extra, was) == extra {
			t.Errorf("%s: the first child is new %v, additional ones %v", what, a.using[1] != using, !maps.Equal(a.extra, was))
		}
		if what == "IKE SA" && a.ikeSPI() == sa {
			t.Error("no rekey of the IKE SA")
		}
	}
	step("one", func() { a.softExtra(2) }, false, true)
	step("one of the responder's", func() { b.softExtra(2) }, false, true)
	step("all", func() { a.step(Rekey{ID: 1}) }, true, true)
	step("IKE SA", a.rekeyIKE, false, false)
	step("IKE SA", b.rekeyIKE, false, false)
	w.strict = false
	step("first closed", b.closeChild, true, false)
	step("first at its limit", a.hard, true, false)
	step("restart", func() { b.kill(); w.run(time.Second); b.boot() }, true, true)
	step("restart of the initiator", func() { a.kill(); w.run(time.Second); a.boot(); a.connect() }, true, true)
}

// TestExtraOnTheSAThatStays: where both ends begin at once, the IKE SA that goes on has the
// additional children.
func TestExtraOnTheSAThatStays(t *testing.T) {
	for seed := uint64(1); seed <= 40; seed++ {
		w := newWorld(t, seed)
		w.delayMax = time.Duration(15+seed*5) * time.Millisecond
		a, b := pair(w, extraPair(2, 3))
		a.connect()
		w.run(time.Duration(seed) * time.Millisecond)
		b.connect()
		a.traffic, b.traffic = true, true
		w.run(15 * time.Second)
		w.quiet()
		w.strict = true
		w.run(time.Second)
	}
}

// TestExtraLimits: an additional child has lifetimes like the first.
func TestExtraLimits(t *testing.T) {
	w := newWorld(t, 1)
	a, b := pair(w, func(a, b *Peer) {
		a.Extra, b.Extra = 2, 2
		a.ChildLifetime, b.ChildLifetime = 20*time.Second, time.Hour
	})
	a.connect()
	w.run(5 * time.Second)
	was := maps.Clone(a.extra)
	w.strict = true
	a.traffic, b.traffic = true, true
	w.run(23 * time.Second)
	for r, spi := range was {
		if n := a.extra[r]; n == spi || n == 0 {
			t.Errorf("resource %d sends on %08x, as before", r.k, n)
		}
	}
	if len(a.downs) > 0 {
		t.Errorf("down: %v", a.downs)
	}
	was = maps.Clone(a.extra)
	w.filter = func(p *packet) bool { return p.ike == nil } // no rekey can succeed
	w.strict = false
	w.run(20 * time.Second)
	for r, spi := range was {
		if a.children[spi] != nil {
			t.Errorf("resource %d still has %08x beyond its hard lifetime", r.k, spi)
		}
	}
}

// extraCollisions are the cases of collisions that additional children add.
var extraCollisions = []collision{
	{"extra: regular", nil, func(s *script) { s.a.softExtra(1) }, "", ""},
	{"extra: both ends at once", nil, func(s *script) { s.a.softExtra(1); s.b.softExtra(1) }, "", ""},
	{"extra: each end another", nil, func(s *script) { s.a.softExtra(1); s.b.softExtra(2) }, "", ""},
	{"extra and first, crosswise", nil, func(s *script) { s.a.softExtra(1); s.b.soft(); s.a.soft(); s.b.softExtra(1) }, "", "child"},
	{"extra rekeyed and closed", nil, func(s *script) { s.a.softExtra(1); s.b.closeExtra(1) }, "b TEMPORARY_FAILURE ×1", ""},
	{"extra closed by both", nil, func(s *script) { s.a.closeExtra(1); s.b.closeExtra(1) }, "", ""},
	{"extra beside a rekey of the IKE SA", nil, func(s *script) { s.b.rekeyIKE(); s.a.softExtra(1) },
		"a TEMPORARY_FAILURE ×1, b TEMPORARY_FAILURE ×1", "ike"},
	{"extra made beside a rekey of the IKE SA", nil, func(s *script) {
		s.hold("a extra")
		s.a.closeExtra(1)
		s.until(5*time.Second, "a request", func() bool { return s.held["a extra"] != nil })
		s.b.rekeyIKE()
		s.run(5 * time.Millisecond)
		s.release("a extra")
	}, "a TEMPORARY_FAILURE ×1, b TEMPORARY_FAILURE ×1", "ike"},
	{"extra made beside a rekey of the IKE SA by both", nil, func(s *script) { s.a.closeExtra(1); both(rekeyOfIKE)(s) },
		"a TEMPORARY_FAILURE ×1", "ike"},
	{"extra made beside a close of the first", nil, func(s *script) {
		s.a.closeExtra(1)
		s.run(500 * time.Millisecond)
		s.deleteChild(s.b)
	}, "", "child"},
	{"extra deleted before the answer that made it", nil, func(s *script) {
		s.hold("b re extra")
		s.a.closeExtra(1)
		s.until(5*time.Second, "an answer", func() bool { return s.held["b re extra"] != nil })
		for _, c := range s.b.m.peers[7].children {
			if c.resource == 1 && c.live() {
				s.b.inside(c.delete)
			}
		}
		s.run(100 * time.Millisecond)
		s.release("b re extra")
	}, "", ""},
}

// TestExtraCollisions runs these cases as TestCollisions and TestCollisionSweep do theirs.
func TestExtraCollisions(t *testing.T) {
	for _, c := range extraCollisions {
		t.Run(c.name, func(t *testing.T) {
			messages := 0
			for seed := uint64(1); seed <= 6; seed++ {
				s := newScript(t, seed, extraPair(2, 2))
				c.play(s)
				if got := s.said(); got != c.errors {
					s.failf("refused: %q, want %q", got, c.errors)
				}
				messages = s.early
			}
			for k := range messages {
				for _, how := range []string{"lost", "late", "doubled"} {
					s := newScript(t, uint64(1+k%2), extraPair(2, 2))
					s.touch, s.how = k, how
					s.logf("message %d is %s", k, how)
					c.play(s)
				}
			}
		})
	}
}

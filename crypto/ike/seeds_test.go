package ike

import (
	"crypto/ed25519"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

var (
	seedFlag  = flag.Uint64("ike.seed", 0, "run only this seed of TestSeeds, and print its trace")
	seedsFlag = flag.Uint64("ike.seeds", 400, "how many seeds TestSeeds runs")
)

// TestSeeds runs random lives of two gateways on a bad wire, then lets the wire get
// good and checks that all has settled.
func TestSeeds(t *testing.T) {
	if *seedFlag != 0 {
		w := chaos(t, *seedFlag, false)
		t.Log(w.trace.String())
		return
	}
	workers := uint64(runtime.GOMAXPROCS(0))
	for first := range workers {
		t.Run(fmt.Sprintf("from %d by %d", first+1, workers), func(t *testing.T) {
			t.Parallel()
			for seed := first + 1; seed <= *seedsFlag; seed += workers {
				chaos(t, seed, true)
			}
		})
	}
}

// TestSameSeedSameTrace holds the machine to its word: no clock, no randomness and no
// map order of its own.
func TestSameSeedSameTrace(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		a, b := chaos(t, seed, false).trace.String(), chaos(t, seed, false).trace.String()
		if sha256.Sum256([]byte(a)) != sha256.Sum256([]byte(b)) {
			t.Fatalf("seed %d gave two traces of %d and %d bytes", seed, len(a), len(b))
		}
		if len(a) < 1000 {
			t.Fatalf("seed %d: only %d bytes of trace", seed, len(a))
		}
	}
}

func chaos(t testing.TB, seed uint64, mute bool) *world {
	w := newWorld(t, seed)
	w.mute = mute
	r := rand.New(rand.NewPCG(seed, 2))
	w.loss = []float64{0, 0.05, 0.2}[r.IntN(3)]
	w.dup = []float64{0, 0.1}[r.IntN(2)]
	w.delayMax = []time.Duration{15, 80, 400}[r.IntN(3)] * time.Millisecond
	onlyA := r.IntN(3) == 0 // only a knows where the other one is
	a, b := pair(w, func(a, b *Peer) {
		if r.IntN(2) == 0 {
			a.Auth, b.Auth = keyAuths()
		}
		if r.IntN(2) == 0 {
			a.PFS, b.PFS = true, true
		}
		if r.IntN(3) == 0 {
			b.Groups = []Group{P256, X25519}
		}
		if onlyA {
			b.Remote = netip.AddrPort{}
		}
		a.NoMLKEM, b.NoMLKEM = r.IntN(3) == 0, r.IntN(3) == 0
		if r.IntN(3) == 0 {
			manySelectors(a, b)
		}
		if r.IntN(4) == 0 {
			for _, p := range []*Peer{a, b} {
				p.ChildLifetime = time.Duration(3+r.IntN(30)) * time.Second
				p.IKELifetime = time.Duration(3+r.IntN(30)) * time.Second
			}
		}
		if r.IntN(3) == 0 {
			a.Extra, b.Extra = r.IntN(4), r.IntN(4)
		}
	})
	for _, n := range w.nodes {
		n.packet = []int{0, 576, 900, 1500}[r.IntN(4)]
		n.boot()
	}
	a.traffic, b.traffic = r.IntN(4) > 0, r.IntN(4) > 0
	a.connect()
	if !onlyA {
		w.run(time.Duration(r.IntN(60)) * time.Millisecond)
		b.connect()
	}
	w.run(time.Duration(500+r.IntN(4000)) * time.Millisecond)
	for range 1 + r.IntN(6) {
		w.incident(r, a, b, onlyA)
		w.run(time.Duration(r.IntN(3000)) * time.Millisecond)
	}
	w.loss, w.dup = 0, 0
	w.espEvery = 400 * time.Millisecond
	for _, n := range w.nodes {
		p := n.m.peers[n.peers[0].ID]
		p.ChildLifetime, p.IKELifetime = time.Hour, time.Hour
	}
	w.run(90 * time.Second)
	w.quiet()
	w.strict = true
	w.run(5 * time.Second)
	return w
}

// incident does one of the things that happen to a gateway.
func (w *world) incident(r *rand.Rand, a, b *node, onlyA bool) {
	n, o := a, b
	if r.IntN(2) == 0 {
		n, o = b, a
	}
	pause := func() { w.run(time.Duration(r.IntN(30)) * time.Millisecond) }
	switch r.IntN(20) {
	case 0:
		n.kill()
		w.run(time.Duration(r.IntN(40000)) * time.Millisecond)
		n.boot()
		if n == a || !onlyA {
			n.connect()
		}
	case 1, 2:
		n.soft()
	case 3, 4:
		a.soft()
		pause()
		b.soft()
	case 5:
		n.hard()
		if r.IntN(2) == 0 {
			o.hard()
		}
	case 6:
		n.closeIKE()
	case 7:
		n.rekeyIKE()
	case 8, 9:
		n.rekeyIKE()
		pause()
		o.rekeyIKE()
	case 10, 11:
		n.rekeyIKE()
		pause()
		o.soft()
	case 12:
		o.closeChild()
		pause()
		n.rekeyIKE()
	case 13:
		n.hard() // and so a new child
		pause()
		o.rekeyIKE()
	case 14:
		n.rekeyIKE()
		pause()
		o.closeIKE()
	case 15:
		jump := time.Duration(r.IntN(600)) * time.Second
		if r.IntN(2) == 0 {
			jump = -jump
		}
		w.logf("the clock of %s jumps by %v", n.name, jump)
		n.skew += jump
		n.step(Tick{})
	case 16:
		a.addr = netip.AddrPortFrom(a.addr.Addr(), uint16(20000+r.IntN(20000)))
		w.logf("a is at %v from now on", a.addr)
	case 17, 18, 19:
		for range 1 + r.IntN(3) {
			if r.IntN(2) == 0 {
				n, o = o, n
			}
			[]func(k int){n.softExtra, n.hardExtra, n.closeExtra}[r.IntN(3)](1 + r.IntN(3))
			if r.IntN(2) == 0 {
				[]func(){n.rekeyIKE, n.soft, o.rekeyIKE, o.soft, o.closeChild}[r.IntN(5)]()
			}
			pause()
		}
	}
}

// inside does something within a step of the machine.
func (n *node) inside(do func()) {
	n.m.timers.set(&timer{fire: do}, n.m.now)
	n.step(Tick{})
}

// closeIKE ends the IKE SA, as strongSwan does when its user says so.
func (n *node) closeIKE() {
	if !n.alive {
		return
	}
	if s := n.m.peers[n.peers[0].ID].current(); s != nil {
		n.w.logf("%s deletes its IKE SA", n.name)
		n.inside(func() { s.beginDelete(Reason{Code: ReasonRemoved}) })
	}
}

// closeChild ends the child in use alone.
func (n *node) closeChild() {
	if !n.alive {
		return
	}
	if c := n.m.peers[n.peers[0].ID].using; c != nil {
		n.w.logf("%s deletes its child", n.name)
		n.inside(c.delete)
	}
}

func (n *node) soft() {
	if id := n.peers[0].ID; n.alive {
		if spi, ok := n.using[id]; ok {
			n.w.logf("%s: soft limit of %08x", n.name, spi)
			n.step(SoftLimit{ID: id, SPI: spi})
		}
	}
}

func (n *node) hard() {
	if id := n.peers[0].ID; n.alive {
		if spi, ok := n.using[id]; ok {
			n.w.logf("%s: hard limit of %08x", n.name, spi)
			n.step(HardLimit{ID: id, SPI: spi})
		}
	}
}

// softExtra, hardExtra and closeExtra do to the additional child of a resource, if there is
// one, what soft, hard and closeChild do to the first child.

func (n *node) softExtra(k int) {
	if id := n.peers[0].ID; n.sendsOn(id, k) != 0 {
		n.w.logf("%s: soft limit of %08x, resource %d", n.name, n.sendsOn(id, k), k)
		n.step(SoftLimit{ID: id, SPI: n.sendsOn(id, k)})
	}
}

func (n *node) hardExtra(k int) {
	if id := n.peers[0].ID; n.sendsOn(id, k) != 0 {
		n.w.logf("%s: hard limit of %08x, resource %d", n.name, n.sendsOn(id, k), k)
		n.step(HardLimit{ID: id, SPI: n.sendsOn(id, k)})
	}
}

func (n *node) closeExtra(k int) {
	if id := n.peers[0].ID; n.sendsOn(id, k) != 0 {
		n.w.logf("%s deletes %08x, resource %d", n.name, n.sendsOn(id, k), k)
		n.inside(n.m.child(id, n.sendsOn(id, k)).delete)
	}
}

// keyAuths are two ends with Ed25519 keys.
func keyAuths() (a, b Auth) {
	ka := ed25519.NewKeyFromSeed([]byte("the private key of gateway a, 32"))
	kb := ed25519.NewKeyFromSeed([]byte("the private key of gateway b, 32"))
	return Auth{Private: ka, PeerPublic: kb.Public().(ed25519.PublicKey)},
		Auth{Private: kb, PeerPublic: ka.Public().(ed25519.PublicKey)}
}

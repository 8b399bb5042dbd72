package relay

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Unix(1_000_000, 0)

// drain pops everything, as time goes on.
func drain(l *Line) (out [][]byte) {
	for {
		due, ok := l.Due()
		if !ok {
			return out
		}
		out = append(out, l.Pop(due))
	}
}

// send pushes n numbered datagrams, 10 µs apart.
func send(l *Line, p Profile, n int) {
	for i := range n {
		l.Push(epoch.Add(time.Duration(i)*10*time.Microsecond), p, binary.BigEndian.AppendUint32(make([]byte, 8), uint32(i)))
	}
}

func TestPerfectLine(t *testing.T) {
	l := NewLine(1)
	send(l, Profile{}, 100)
	for i, b := range drain(l) {
		if got := binary.BigEndian.Uint32(b[8:]); got != uint32(i) {
			t.Fatalf("datagram %d came in place %d", got, i)
		}
	}
	if c := l.Counts(); c != (Counts{Received: 100}) {
		t.Errorf("counts %+v", c)
	}
}

// TestShares compares the counts and what comes out with the shares asked for, within five standard deviations.
func TestShares(t *testing.T) {
	const n = 20_000
	for _, seed := range []uint64{1, 2, 3} {
		l := NewLine(seed)
		p := Profile{Loss: 0.05, Duplicate: 0.02, Corrupt: 0.01, Reorder: 0.1, HoldBack: time.Millisecond}
		send(l, p, n)
		out, c := drain(l), l.Counts()
		near := func(what string, got uint64, of float64, share float64) {
			t.Helper()
			if tolerance := 5 * math.Sqrt(of*share*(1-share)); math.Abs(float64(got)-of*share) > tolerance {
				t.Errorf("seed %d: %s %d, expected %.0f ± %.0f", seed, what, got, of*share, tolerance)
			}
		}
		arrived := float64(n - c.Lost)
		near("lost", c.Lost, n, p.Loss)
		near("duplicated", c.Duplicated, arrived, p.Duplicate)
		near("corrupted", c.Corrupted, arrived, p.Corrupt)
		near("reordered", c.Reordered, arrived, p.Reorder)
		if want := n - int(c.Lost) + int(c.Duplicated); len(out) != want {
			t.Errorf("seed %d: %d came out, counts say %d", seed, len(out), want)
		}
		late := 0
		highest := uint32(0)
		for _, b := range out {
			if v := binary.BigEndian.Uint32(b[8:]); v < n && v < highest {
				late++
			} else if v < n {
				highest = v
			}
		}
		if late < int(c.Reordered)*8/10 {
			t.Errorf("seed %d: %d held back, only %d were overtaken", seed, c.Reordered, late)
		}
	}
}

// TestLineProperties: the same seed gives the same outcome; nothing comes early or out of nothing; a duplicate and its original
// are alike; at most one bit differs from what was sent; the caller's bytes are left alone.
func TestLineProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(0, 1)
		p := Profile{
			Loss: share.Draw(t, "loss"), Duplicate: share.Draw(t, "duplicate"), Corrupt: share.Draw(t, "corrupt"), Reorder: share.Draw(t, "reorder"),
			Delay:  time.Duration(rapid.IntRange(0, 1000).Draw(t, "delay")) * time.Microsecond,
			Jitter: time.Duration(rapid.IntRange(0, 1000).Draw(t, "jitter")) * time.Microsecond,
		}
		seed := rapid.Uint64().Draw(t, "seed")
		n := rapid.IntRange(0, 50).Draw(t, "n")
		one, two := NewLine(seed), NewLine(seed)
		input := make([]byte, 12)
		for i := range n {
			binary.BigEndian.PutUint32(input[8:], uint32(i))
			before := slices.Clone(input)
			now := epoch.Add(time.Duration(i) * time.Microsecond)
			one.Push(now, p, input)
			two.Push(now, p, input)
			if !bytes.Equal(before, input) {
				t.Fatal("the caller's datagram was changed")
			}
			if now.Before(epoch.Add(p.Delay)) && one.Pop(now) != nil {
				t.Fatal("came before its delay")
			}
		}
		a, b := drain(one), drain(two)
		if !slices.EqualFunc(a, b, bytes.Equal) {
			t.Fatal("the same seed gave two outcomes")
		}
		c := one.Counts()
		if len(a) != n-int(c.Lost)+int(c.Duplicated) {
			t.Fatalf("%d out of %d, counts %+v", len(a), n, c)
		}
		if p.Corrupt == 0 {
			times := map[uint32]int{}
			for _, d := range a {
				times[binary.BigEndian.Uint32(d[8:])]++
			}
			for v, k := range times {
				if v >= uint32(n) || k > 2 {
					t.Fatalf("datagram %d came %d times", v, k)
				}
			}
		}
	})
}

func TestCorruptInvertsOneBit(t *testing.T) {
	l := NewLine(7)
	zero := make([]byte, 100)
	for range 50 {
		l.Push(epoch, Profile{Corrupt: 1}, zero)
	}
	for _, b := range drain(l) {
		ones := 0
		for _, v := range b {
			for ; v != 0; v &= v - 1 {
				ones++
			}
		}
		if ones != 1 {
			t.Fatalf("%d bits inverted", ones)
		}
	}
	l.Push(epoch, Profile{Corrupt: 1}, nil) // an empty datagram has no bit
}

// TestNarrowLine: what is longer than the wire takes is lost and counted, what fits is not.
func TestNarrowLine(t *testing.T) {
	l := NewLine(1)
	p := Profile{MTU: 1300}
	for _, n := range []int{1, 1272, 1273, 1472} {
		l.Push(epoch, p, make([]byte, n))
	}
	out := drain(l)
	if len(out) != 2 || len(out[1]) != 1300-around {
		t.Errorf("%d datagrams came out", len(out))
	}
	if c := l.Counts(); c != (Counts{Received: 4, TooLong: 2}) {
		t.Errorf("counts %+v", c)
	}
}

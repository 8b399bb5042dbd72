package lane

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"vpngw/tunnel/drop"
)

// TestUnsummed: segments cross without checksums and arrive with them, in superpackets as
// one by one, and plain packets cross with theirs.
func TestUnsummed(t *testing.T) {
	for _, refusing := range []bool{false, true} {
		a, b := newGate(t), newGate(t)
		near, far := a.site(1, false), b.site(1, true)
		near.out.Unsummed, far.in.Unsummed = true, true
		if refusing { // superpackets
			b.tun.writeErr = func(vecs [][]byte) error {
				if len(vecs) > 2 {
					return unix.EINVAL
				}
				return nil
			}
		}
		udp4 := &flow{src: host4(1, false), dst: host4(1, true), udp: true, srcPort: 7, dstPort: 8}
		tcp6 := &flow{src: host6(1, false), dst: host6(1, true), srcPort: 9, dstPort: 10}
		var want [][]byte
		for _, p := range [][]byte{
			tcp4(1, 5).super(bytesOf(30*1000+77, 1), 1000),
			udp4.super(bytesOf(20*1200, 2), 1200),
			tcp6.super(bytesOf(12*1000+1, 3), 1000),
			tcp4(1, 6).super(bytesOf(500, 4), 1000), // one segment
			tcp4(1, 7).plain(bytesOf(100, 5)),
		} {
			want = append(want, cut(t, p)...)
			a.tun.push(p)
		}
		a.settle()
		unsummed := 0
		for _, d := range near.socket.sent {
			_, next, err := near.peerIn.Open(bytes.Clone(d))
			if err != nil {
				t.Fatal(err)
			}
			if next == nextUnsummed {
				unsummed++
			}
			far.socket.arrive(len(d), d)
		}
		if len(near.socket.sent) != len(want) || unsummed != len(want)-1 {
			t.Errorf("%d of %d datagrams say that they lack a checksum, want all of %d but one", unsummed, len(near.socket.sent), len(want))
		}
		b.settle()
		t.Log("refusing", refusing)
		// Flows come one after another, and none is reordered.
		if writes := wantWritten(t, b.tun, want); refusing != (writes == len(want)) {
			t.Errorf("%d writes of %d packets", writes, len(want))
		}
		wantDrops(t, &far.Counters.Drops, nil)
	}
}

// TestUnsummedMalformed: who agreed takes segments without checksum, nothing else.
func TestUnsummedMalformed(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	s.in.Unsummed = true
	icmp := tcp4(1, 5).back().packet(nil, false)
	icmp[9] = 1
	fragment := tcp4(1, 5).back().packet(bytesOf(64, 0), false)
	fragment[6] = 0x20
	for _, p := range [][]byte{icmp, fragment, {0x45}} {
		d := s.sealAs(p, nextUnsummed)
		s.socket.arrive(len(d), d)
	}
	foreign := tcp4(2, 5).back().packet(bytesOf(64, 0), false) // is looked at like all others
	d := s.sealAs(foreign, nextUnsummed)
	s.socket.arrive(len(d), d)
	g.settle()
	wantDrops(t, &s.Counters.Drops, map[drop.Reason]int{drop.InnerMalformed: 3, drop.InnerSource: 1})
	if n := len(g.tun.written()); n != 0 {
		t.Errorf("%d packets are written", n)
	}
}

package integration

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
)

// TestReplayFromElsewhereMovesNothing sends old datagrams of A to B again, as if A had another port now: B must go on sending to
// where A is.
func TestReplayFromElsewhereMovesNothing(t *testing.T) {
	t.Parallel()
	var capture *lab.Capture
	p := newPair(t, pairOptions{Options: lab.Options{NICLike: true, OnePacketPerFrame: true}, before: func(p *pair) {
		var err error
		capture, err = p.A.Gateway.Capture(lab.WAN)
		must(t, err)
	}})
	const n = 20
	if r := ping(t, lab.Ping{From: p.A.Host, To: p.B.Host4, Count: n, Interval: time.Millisecond}); r.Received != n {
		t.Fatalf("before: %v", r)
	}
	source := p.A.Outside4.As4()
	var recorded [][]byte
	must(t, capture.Frames(func(frame []byte) {
		if len(frame) > 60 && [4]byte(frame[26:30]) == source && frame[23] == unix.IPPROTO_UDP && binary.BigEndian.Uint32(frame[42:]) >= 256 {
			f := slices.Clone(frame)
			const port, other = 34, 14500
			sum := addOnes(addOnes(^binary.BigEndian.Uint16(f[offsetUDPChecksum:]), ^binary.BigEndian.Uint16(f[port:])), other)
			binary.BigEndian.PutUint16(f[port:], other)
			binary.BigEndian.PutUint16(f[offsetUDPChecksum:], ^sum)
			recorded = append(recorded, f)
		}
	}))
	if len(recorded) < n {
		t.Fatalf("recorded %d datagrams, expected at least %d", len(recorded), n)
	}
	before := status(t, p.b)
	want := before.AllDrops()["replayed"] + uint64(len(recorded))
	inject(t, p.A.Gateway, lab.WAN, recorded)
	waitDrops(t, p.b, want, "replayed")
	if was, is := before.Tunnels[0].Peer, status(t, p.b).Tunnels[0].Peer; is != was {
		t.Errorf("B sent to %s and now sends to %s", was, is)
	}
	if r := ping(t, lab.Ping{From: p.A.Host, To: p.B.Host4, Count: n, Interval: time.Millisecond}); r.Received != n {
		t.Errorf("afterwards: %v", r)
	}
}

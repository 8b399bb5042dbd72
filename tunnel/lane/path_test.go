package lane

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"vpngw/offload"
)

// flowName names the flow of a packet by what gopacket and offload agree on.
func flowName(t testing.TB, packet []byte) string {
	var h offload.Headers
	if err := offload.ParseHeaders(packet, &h); err != nil {
		t.Fatalf("what came through does not parse: %v", err)
	}
	return fmt.Sprintf("%v:%d>%v:%d/%d", h.Src, h.SrcPort, h.Dst, h.DstPort, h.Proto)
}

// TestTwoLanesGiveBackWhatTheyTook sends random traffic of several tunnels through
// two lanes: every flow comes out packet for packet and byte for byte as the
// sender's stack would have put it on a wire.
func TestTwoLanesGiveBackWhatTheyTook(t *testing.T) {
	a, b := newGate(t), newGate(t)
	const tunnels = 4
	var ends []*site
	for n := range tunnels {
		near, far := a.site(n, false), b.site(n, true)
		join(near, far)
		ends = append(ends, near, far)
	}
	port := uint16(1000)
	rapid.Check(t, func(rt *rapid.T) {
		// What a draw that was given up midway left behind.
		a.settle()
		b.settle()
		b.tun.written()
		port += 10
		var flows []*flow
		for n := range tunnels {
			f4 := tcp4(n, port)
			f6 := &flow{src: host6(n, false), dst: host6(n, true), srcPort: port, dstPort: 443, seq: 1<<32 - 5000}
			flows = append(flows, f4, f6,
				&flow{src: f4.src, dst: f4.dst, udp: true, srcPort: port, dstPort: 53},
				&flow{src: f6.src, dst: f6.dst, udp: true, srcPort: port, dstPort: 53})
		}
		want := map[string][][]byte{}
		for i := range rapid.IntRange(1, 60).Draw(rt, "packets") {
			f := rapid.SampledFrom(flows).Draw(rt, "flow")
			var p []byte
			switch rapid.IntRange(0, 2).Draw(rt, "kind") {
			case 0: // a bare ACK, or a small datagram
				p = f.plain(nil)
			case 1:
				p = f.plain(bytesOf(rapid.IntRange(1, 1400).Draw(rt, "length"), byte(i)))
			case 2:
				size := rapid.IntRange(8, 1398).Draw(rt, "size")
				most := 60000
				if f.udp {
					most = 64 * size
				}
				p = f.super(bytesOf(rapid.IntRange(1, min(most, 60000)).Draw(rt, "length"), byte(i)), size)
			}
			for _, segment := range cut(t, p) {
				name := flowName(t, segment)
				want[name] = append(want[name], segment)
			}
			a.tun.push(p)
			if rapid.Bool().Draw(rt, "turn") {
				a.step()
			}
			if rapid.Bool().Draw(rt, "turn there") {
				b.step()
			}
		}
		a.settle()
		b.settle()
		got := map[string][][]byte{}
		for _, super := range b.tun.written() {
			for _, segment := range cut(t, super) {
				name := flowName(t, segment)
				got[name] = append(got[name], segment)
			}
		}
		for name := range got {
			if want[name] == nil {
				rt.Fatalf("flow %s was never sent", name)
			}
		}
		for name, packets := range want {
			if len(got[name]) != len(packets) {
				rt.Fatalf("flow %s: %d packets came through of %d", name, len(got[name]), len(packets))
			}
			for i := range packets {
				if !bytes.Equal(got[name][i], packets[i]) {
					rt.Fatalf("flow %s: packet %d differs\n got %x\nwant %x", name, i, got[name][i], packets[i])
				}
			}
		}
	})
	for _, g := range []*gate{a, b} {
		wantDrops(t, &g.lane.counters.Drops, nil)
	}
	for _, s := range ends {
		wantDrops(t, &s.Counters.Drops, nil)
	}
}

// TestSuperpacketsCrossWhole counts system calls: one superpacket costs one read and one
// write. It does not fit a train when sealed: the trains of a burst are filled across
// superpackets, and end with one, so that it costs a send and a quarter.
func TestSuperpacketsCrossWhole(t *testing.T) {
	a, b := newGate(t), newGate(t)
	near, far := a.site(1, false), b.site(1, true)
	join(near, far)
	f := tcp4(1, 5000)
	const supers = 10
	for range supers {
		a.tun.push(f.super(bytesOf(45*1398, 1), 1398))
	}
	a.settle()
	b.settle()
	c, d := &a.lane.counters, &b.lane.counters
	if got := c.TUNRead.Packets.Load(); got != 45*supers {
		t.Errorf("%d packets were read, want %d", got, 45*supers)
	}
	if sends := c.UDPSend.Calls.Load(); sends > supers+supers/4+1 {
		t.Errorf("%d sends for %d superpackets: trains are not filled across them", sends, supers)
	}
	if writes := d.TUNWrite.Calls.Load(); writes > supers+supers/4 {
		t.Errorf("%d writes for %d superpackets", writes, supers)
	}
	if got := near.Counters.PacketsOut.Load(); got != 45*supers {
		t.Errorf("the sender counts %d packets, want %d", got, 45*supers)
	}
	wantBytes := uint64(supers * 45 * (1398 + 40))
	if in, out := far.Counters.BytesIn.Load(), near.Counters.BytesOut.Load(); in != wantBytes || out != wantBytes {
		t.Errorf("%d bytes out and %d in, want %d", out, in, wantBytes)
	}
	if got := far.Counters.PacketsIn.Load(); got != 45*supers {
		t.Errorf("the receiver counts %d packets, want %d", got, 45*supers)
	}
	if near.Counters.LastOut.Load() == 0 || far.Counters.LastIn.Load() == 0 {
		t.Error("a tunnel that carried packets has no time stamp")
	}
}

// TestPaddingIsNotWritten: behind the inner packet may be padding that hides its length
// (RFC 4303 §2.7).
func TestPaddingIsNotWritten(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	f := tcp4(1, 5).back()
	var want [][]byte
	for i := range 4 {
		p := f.packet(bytesOf(100, byte(i)), false)
		want = append(want, p)
		d := s.sealAs(append(append([]byte(nil), p...), bytesOf(50*i, 9)...), nextIPv4)
		s.socket.arrive(len(d), d)
	}
	g.settle()
	if writes := wantWritten(t, g.tun, want); writes != 1 {
		t.Errorf("%d writes, want 1", writes)
	}
	if got := s.Counters.BytesIn.Load(); got != uint64(len(want)*len(want[0])) {
		t.Errorf("%d bytes count as received, want %d", got, len(want)*len(want[0]))
	}
}

// TestACKsShareTrains: packets of one length of one tunnel leave by one send, also
// those of different flows.
func TestACKsShareTrains(t *testing.T) {
	g := newGate(t)
	s := g.site(1, false)
	for port := range uint16(tunReads) {
		g.tun.push(tcp4(1, 1000+port).plain(nil))
	}
	g.settle()
	if len(s.socket.trains) != 1 || s.socket.trains[0] != tunReads {
		t.Fatalf("%d ACKs left in trains of %v", tunReads, s.socket.trains)
	}
	for i, p := range s.opened(t) {
		if want := tcp4(1, 1000+uint16(i)).packet(nil, false); !bytes.Equal(p, want) {
			t.Errorf("ACK %d: %x, want %x", i, p, want)
		}
	}
}

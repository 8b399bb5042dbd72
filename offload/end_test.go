package offload

import (
	"encoding/binary"
	"testing"
)

// endPacket makes a TCP packet over IPv4 that may be glued, with right checksums.
func endPacket(id uint16, seq uint32, payload int, change func([]byte)) []byte {
	p := make([]byte, 40+payload)
	p[0], p[8], p[9] = 0x45, 64, protoTCP
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	binary.BigEndian.PutUint16(p[4:], id)
	copy(p[12:], []byte{10, 1, 0, 1, 10, 2, 0, 1})
	binary.BigEndian.PutUint16(p[20:], 1000)
	binary.BigEndian.PutUint16(p[22:], 80)
	binary.BigEndian.PutUint32(p[24:], seq)
	p[32], p[33] = 5<<4, tcpACK
	if change != nil {
		change(p)
	}
	binary.BigEndian.PutUint16(p[10:], 0)
	binary.BigEndian.PutUint16(p[10:], ^Sum(p[:20], 0))
	binary.BigEndian.PutUint16(p[36:], ^Sum(p[20:], PseudoSum(p[12:20], protoTCP, len(p)-20)))
	return p
}

// TestEnds glues two packets and then gives one that differs in one thing.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		want  End
		third []byte
	}{
		{EndBatch, endPacket(3, 2000, 1000, nil)},
		{EndPush, endPacket(3, 2000, 1000, func(p []byte) { p[33] |= tcpPSH })},
		{EndShort, endPacket(3, 2000, 999, nil)},
		{EndAlone, endPacket(3, 2000, 1000, func(p []byte) { p[33] |= 1 })},
		{EndLength, endPacket(3, 2000, 1001, nil)},
		{EndTOS, endPacket(3, 2000, 1000, func(p []byte) { p[1] = 3 })},
		{EndTTL, endPacket(3, 2000, 1000, func(p []byte) { p[8] = 63 })},
		{EndID, endPacket(4, 2000, 1000, nil)},
		{EndSequence, endPacket(3, 3000, 1000, nil)},
		{EndFlags, endPacket(3, 2000, 1000, func(p []byte) { p[33] |= tcpECE })},
		{EndACK, endPacket(3, 2000, 1000, func(p []byte) { p[31] = 1 })},
		{EndFragment, endPacket(3, 2000, 1000, func(p []byte) { p[6] = 0x20 })},
		{EndChecksum, func() []byte { p := endPacket(3, 2000, 1000, nil); p[100] ^= 1; return p }()},
	} {
		t.Run(c.want.String(), func(t *testing.T) {
			coalescer := NewCoalescer(CoalesceOptions{TCP4: true})
			coalescer.Add(endPacket(1, 0, 1000, nil))
			coalescer.Add(endPacket(2, 1000, 1000, nil))
			coalescer.Add(c.third)
			coalescer.ends[EndBatch] = 0
			var got [EndCount]uint64
			take := func(e End, n uint64) { got[e] += n }
			if c.want == EndBatch {
				coalescer.Flush()
			}
			coalescer.TakeEnds(take)
			for e, n := range got {
				if want := map[bool]uint64{true: 1}[End(e) == c.want]; n != want {
					t.Errorf("%v: %d, want %d", End(e), n, want)
				}
			}
			coalescer.TakeEnds(func(e End, n uint64) { t.Errorf("counted twice: %v", e) })
		})
	}
}

package offload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// flatten lays the vectors of a superpacket side by side, as writev does.
func flatten(s Superpacket) (VirtioHeader, []byte) {
	all := bytes.Join(s.Vecs, nil)
	var vh VirtioHeader
	vh.Decode(all)
	return vh, all[VirtioHeaderLen:]
}

// glue has c glue a batch, and judges what comes out: every packet once,
// unchanged and in order inside its flow; alone with a zero header, or in a
// superpacket that is cut back into the same bytes.
func glue(t interface{ Fatalf(string, ...any) }, c *Coalescer, batch [][]byte) []Superpacket {
	var copies [][]byte
	var additions []addition
	place := map[*byte]int{} // by first byte: the packets are in memory of their own
	for i, pkt := range batch {
		copies = append(copies, bytes.Clone(pkt))
		additions = append(additions, addition{pkt, i&8 != 0 && len(batch)&1 != 0}) // some of some batches without checksum
		place[&pkt[0]] = i
		c.Add(pkt)
	}
	checkFollow(t, c.options, additions)
	out := c.Flush()
	seen := make([]bool, len(batch))
	lastOfFlow, lastOfHosts, lastFragment := map[string]int{}, map[string]int{}, map[string]int{}
	lastFirst := -1
	for n, s := range out {
		bytesInVecs := 0
		for _, v := range s.Vecs {
			bytesInVecs += len(v)
		}
		if s.Bytes != bytesInVecs {
			t.Fatalf("superpacket %d: Bytes %d, want %d", n, s.Bytes, bytesInVecs)
		}
		first := place[&s.Packets[0][0]]
		if first <= lastFirst {
			t.Fatalf("superpacket %d begins with packet %d, the one before with %d", n, first, lastFirst)
		}
		lastFirst = first
		for _, pkt := range s.Packets {
			i, known := place[&pkt[0]]
			if !known || seen[i] || len(pkt) != len(batch[i]) {
				t.Fatalf("superpacket %d: packet %d came out twice, or is none of the batch", n, i)
			}
			seen[i] = true
			flow, hosts, fragment := flowOf(pkt)
			after := max(lastOfFlow[flow], lastFragment[hosts])
			if fragment { // of any flow of these hosts
				after = max(lastOfHosts[hosts], lastFragment[hosts])
				lastFragment[hosts] = i
			}
			if i < after {
				t.Fatalf("packet %d came out behind packet %d of its flow", i, after)
			}
			lastOfFlow[flow] = i
			lastOfHosts[hosts] = max(lastOfHosts[hosts], i)
		}
		vh, whole := flatten(s)
		if len(s.Packets) == 1 {
			if vh != (VirtioHeader{}) || len(s.Vecs) != 2 || !bytes.Equal(whole, s.Packets[0]) {
				t.Fatalf("superpacket %d: a packet alone has virtio header %+v and %d vectors", n, vh, len(s.Vecs))
			}
			continue
		}
		if len(whole) > MaxPacket {
			t.Fatalf("superpacket %d: %d bytes", n, len(whole))
		}
		var segmenter Segmenter
		if err := segmenter.Reset(vh, whole); err != nil {
			t.Fatalf("superpacket %d: %v", n, err)
		}
		for i, want := range s.Packets {
			if got := segmenter.Next(); !bytes.Equal(got, want) {
				t.Fatalf("superpacket %d, segment %d of %d:\ngot  % x\nwant % x", n, i, len(s.Packets), got, want)
			}
		}
		if segmenter.Next() != nil {
			t.Fatalf("superpacket %d has more segments than packets", n)
		}
	}
	for i := range batch {
		if !seen[i] {
			t.Fatalf("packet %d was lost", i)
		}
		if !bytes.Equal(batch[i], copies[i]) {
			t.Fatalf("packet %d was changed", i)
		}
	}
	return out
}

// flowOf names the flow of a packet, in which order must be kept, and its two hosts.
func flowOf(pkt []byte) (flow, hosts string, fragment bool) {
	var h Headers
	if ParseHeaders(pkt, &h) != nil {
		return string(pkt), "", false
	}
	hosts = fmt.Sprint(h.Src, h.Dst)
	return fmt.Sprint(hosts, h.Proto, h.SrcPort, h.DstPort), hosts, h.Fragment
}

func groupSizes(out []Superpacket) []int {
	var sizes []int
	for _, s := range out {
		sizes = append(sizes, len(s.Packets))
	}
	return sizes
}

// stream returns n packets of size bytes of payload that a superpacket could be cut into.
func stream(v6, udp bool, n, size int) []packet {
	p := packet{
		udp: udp, tos: 2, ttl: 64, id: 0xfffe, fragment: 0x4000, flowLabel: 77, srcPort: 443, dstPort: 5000,
		seq: 0xfffffff0, ack: 1, flags: tcpACK, window: 500, options: timestamps(1, 2), payload: payload(7, n*size),
	}
	p.src, p.dst = addresses(v6, 1)
	return p.cut(size)
}

func drawBatch(t *rapid.T) [][]byte {
	var flows [][]packet
	for range rapid.IntRange(1, 12).Draw(t, "flows") {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		p := drawPacket(t, kind.v6, kind.udp)
		// Few addresses and ports, so that flows are near neighbours.
		p.src, p.dst = addresses(kind.v6, rapid.ByteMax(1).Draw(t, "host"))
		p.srcPort, p.dstPort = rapid.Uint16Max(1).Draw(t, "sport"), 443
		size := rapid.SampledFrom([]int{1, 2, 99, 100, 1398}).Draw(t, "size")
		p.payload = payload(uint64(len(flows)), rapid.IntRange(0, 20*size).Draw(t, "payload"))
		flows = append(flows, p.cut(size))
	}
	var batch [][]byte
	for len(batch) < maxBatch && len(flows) > 0 {
		i := rapid.IntRange(0, len(flows)-1).Draw(t, "flow")
		for range rapid.IntRange(1, 8).Draw(t, "run") {
			if len(flows[i]) == 0 || len(batch) == maxBatch {
				break
			}
			p := flows[i][0]
			if rapid.IntRange(0, 9).Draw(t, "again") > 0 { // else it comes once more, a retransmit
				flows[i] = flows[i][1:]
			}
			batch = append(batch, damage(t, p))
		}
		if len(flows[i]) == 0 {
			flows = slices.Delete(flows, i, i+1)
		}
	}
	return batch
}

// damage changes one packet in five by one thing.
func damage(t *rapid.T, p packet) []byte {
	raw := func(b []byte) []byte { return b }
	switch rapid.IntRange(0, 5*20).Draw(t, "damage") {
	case 1:
		p.tos++
	case 2:
		p.ttl--
	case 3:
		p.id++
	case 4:
		p.fragment ^= 0x4000
	case 5:
		p.fragment |= 0x2000
	case 6:
		p.fragment |= 0x0001
	case 7:
		p.ipOptions = []byte{1, 1, 1, 0}
	case 8:
		p.options = timestamps(9, 9)
	case 9:
		p.ack++
	case 10:
		p.window++
	case 11:
		p.flags = rapid.Uint8().Draw(t, "flags")
	case 12:
		p.flags |= tcpPSH
	case 13:
		p.payload = nil
	case 14:
		p.payload = append(bytes.Clone(p.payload), 1)
	case 15:
		p.urgent++
	case 16: // one wrong bit anywhere
		raw = func(b []byte) []byte {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			return b
		}
	case 17: // a runt
		raw = func(b []byte) []byte { return b[:rapid.IntRange(1, len(b)).Draw(t, "runt")] }
	case 18:
		raw = func(b []byte) []byte { return append(b, 0, 0) }
	case 19: // a runt with its IP length right
		raw = func(b []byte) []byte {
			b = b[:rapid.IntRange(p.l4(), len(b)).Draw(t, "short")]
			if b[0]>>4 == 4 {
				binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
			} else {
				binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
			}
			return b
		}
	case 20:
		p.flowLabel++
	}
	return raw(p.bytes(false))
}

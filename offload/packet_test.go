package offload

import (
	"encoding/binary"
	"net/netip"

	"pgregory.net/rapid"
)

// referenceSum is RFC 1071 §1 word by word, for the tests to judge by.
func referenceSum(b []byte, initial uint32) uint16 {
	sum := initial
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		sum += word
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// packet describes one TCP or UDP packet; bytes builds it. Written from the RFCs
// and sharing nothing with the code under test.
type packet struct {
	src, dst         netip.Addr // both IPv4 or both IPv6
	udp              bool
	tos, ttl         uint8
	id, fragment     uint16 // IPv4: fragment holds the flag bits and the offset
	flowLabel        uint32 // IPv6
	ipOptions        []byte // IPv4
	srcPort, dstPort uint16
	seq, ack         uint32
	flags, reserved  uint8 // reserved: the low four bits beside the data offset
	window, urgent   uint16
	options          []byte
	payload          []byte
}

func (p *packet) l4() int {
	if p.src.Is4() {
		return 20 + len(p.ipOptions)
	}
	return 40
}

func (p *packet) headerLen() int {
	if p.udp {
		return p.l4() + 8
	}
	return p.l4() + 20 + len(p.options)
}

func (p *packet) proto() uint8 {
	if p.udp {
		return 17
	}
	return 6
}

func (p *packet) checksumAt() int {
	if p.udp {
		return 6
	}
	return 16
}

// bytes returns the packet with right checksums; partial leaves the partial
// checksum of an offloaded packet in the upper-layer field.
func (p *packet) bytes(partial bool) []byte {
	b := make([]byte, p.headerLen(), p.headerLen()+len(p.payload))
	b = append(b, p.payload...)
	src, dst := p.src.AsSlice(), p.dst.AsSlice()
	if p.src.Is4() {
		b[0] = 0x40 | uint8(p.l4()/4)
		b[1] = p.tos
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		binary.BigEndian.PutUint16(b[4:], p.id)
		binary.BigEndian.PutUint16(b[6:], p.fragment)
		b[8] = p.ttl
		b[9] = p.proto()
		copy(b[12:], src)
		copy(b[16:], dst)
		copy(b[20:], p.ipOptions)
		binary.BigEndian.PutUint16(b[10:], ^referenceSum(b[:p.l4()], 0))
	} else {
		binary.BigEndian.PutUint32(b, 6<<28|uint32(p.tos)<<20|p.flowLabel&0xfffff)
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
		b[6] = p.proto()
		b[7] = p.ttl
		copy(b[8:], src)
		copy(b[24:], dst)
	}
	l4 := b[p.l4():]
	binary.BigEndian.PutUint16(l4[0:], p.srcPort)
	binary.BigEndian.PutUint16(l4[2:], p.dstPort)
	if p.udp {
		binary.BigEndian.PutUint16(l4[4:], uint16(len(l4)))
	} else {
		binary.BigEndian.PutUint32(l4[4:], p.seq)
		binary.BigEndian.PutUint32(l4[8:], p.ack)
		l4[12] = uint8(5+len(p.options)/4)<<4 | p.reserved
		l4[13] = p.flags
		binary.BigEndian.PutUint16(l4[14:], p.window)
		binary.BigEndian.PutUint16(l4[18:], p.urgent)
		copy(l4[20:], p.options)
	}
	pseudo := append(append([]byte{}, src...), dst...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(l4)))
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(p.proto()))
	sum := referenceSum(pseudo, 0)
	if !partial {
		sum = ^referenceSum(l4, uint32(sum))
		if p.udp && sum == 0 {
			sum = 0xffff
		}
	}
	binary.BigEndian.PutUint16(l4[p.checksumAt():], sum)
	return b
}

// virtio returns the header that belongs before bytes(true).
func (p *packet) virtio(size int) VirtioHeader {
	vh := VirtioHeader{
		Flags: FlagNeedsCsum, HdrLen: uint16(p.headerLen()), GSOSize: uint16(size),
		CsumStart: uint16(p.l4()), CsumOffset: uint16(p.checksumAt()),
	}
	switch {
	case p.udp:
		vh.GSOType = GSOUDPL4
	case p.src.Is4():
		vh.GSOType = GSOTCPv4
	default:
		vh.GSOType = GSOTCPv6
	}
	if !p.udp && p.flags&0x80 != 0 {
		vh.GSOType |= GSOECN
	}
	return vh
}

// cut returns the packets that a sender without offload would have sent in place
// of the superpacket p.
func (p *packet) cut(size int) []packet {
	var all []packet
	for rest, first := p.payload, true; first || len(rest) > 0; first = false {
		one := *p
		n := min(size, len(rest))
		one.payload = rest[:n:n]
		done := len(p.payload) - len(rest)
		rest = rest[len(one.payload):]
		one.id += uint16(len(all))
		one.seq += uint32(done)
		if len(rest) > 0 {
			one.flags &^= 0x01 | 0x08 // FIN, PSH
		}
		if !first {
			one.flags &^= 0x80 // CWR
		}
		all = append(all, one)
	}
	return all
}

// Kinds of packets that can be superpackets.
var kinds = []struct {
	name    string
	v6, udp bool
}{
	{"TCP4", false, false}, {"TCP6", true, false}, {"UDP4", false, true}, {"UDP6", true, true},
}

func addresses(v6 bool, n byte) (src, dst netip.Addr) {
	if v6 {
		return netip.AddrFrom16([16]byte{0xfd, 1, 15: n}), netip.AddrFrom16([16]byte{0xfd, 2, 15: 1})
	}
	return netip.AddrFrom4([4]byte{10, 1, 0, n}), netip.AddrFrom4([4]byte{10, 2, 0, 1})
}

// timestamps are TCP options of the usual kind.
func timestamps(value, echo uint32) []byte {
	b := []byte{1, 1, 8, 10}
	b = binary.BigEndian.AppendUint32(b, value)
	return binary.BigEndian.AppendUint32(b, echo)
}

// drawPacket draws the headers of a packet of a flow, without payload.
func drawPacket(t *rapid.T, v6, udp bool) packet {
	p := packet{
		udp: udp, ttl: rapid.Uint8().Draw(t, "ttl"), tos: rapid.Uint8().Draw(t, "tos"),
		id: rapid.Uint16().Draw(t, "id"), fragment: rapid.SampledFrom([]uint16{0, 0x4000}).Draw(t, "df"),
		flowLabel: rapid.Uint32Max(0xfffff).Draw(t, "label"),
		srcPort:   rapid.Uint16().Draw(t, "sport"), dstPort: rapid.Uint16().Draw(t, "dport"),
		seq: rapid.Uint32().Draw(t, "seq"), ack: rapid.Uint32().Draw(t, "ack"),
		flags: 0x10, window: rapid.Uint16().Draw(t, "window"),
	}
	p.src, p.dst = addresses(v6, rapid.Byte().Draw(t, "address"))
	if rapid.Bool().Draw(t, "timestamps") {
		p.options = timestamps(rapid.Uint32().Draw(t, "ts"), rapid.Uint32().Draw(t, "echo"))
	}
	return p
}

// payload makes n bytes that differ with n and seed. A draw byte by byte would
// spend all of a property's time.
func payload(seed uint64, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		seed += 0x9e3779b97f4a7c15
		x := seed
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		binary.LittleEndian.PutUint64(b[i:], x^x>>27)
	}
	return b[:n:n]
}

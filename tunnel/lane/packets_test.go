package lane

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"vpngw/offload"
)

// flow makes the packets of one inner flow.
type flow struct {
	src, dst         netip.Addr
	udp              bool
	srcPort, dstPort uint16
	id               uint16
	seq              uint32
	tos              uint8
}

// packet returns one whole packet with right checksums, built by gopacket.
func (f *flow) packet(payload []byte, push bool) []byte {
	var ip interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	}
	proto := layers.IPProtocolTCP
	if f.udp {
		proto = layers.IPProtocolUDP
	}
	if f.src.Is4() {
		ip = &layers.IPv4{Version: 4, TOS: f.tos, TTL: 64, Id: f.id, Flags: layers.IPv4DontFragment, Protocol: proto, SrcIP: f.src.AsSlice(), DstIP: f.dst.AsSlice()}
	} else {
		ip = &layers.IPv6{Version: 6, TrafficClass: f.tos, HopLimit: 64, NextHeader: proto, SrcIP: f.src.AsSlice(), DstIP: f.dst.AsSlice()}
	}
	buf := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	var err error
	if f.udp {
		l4 := &layers.UDP{SrcPort: layers.UDPPort(f.srcPort), DstPort: layers.UDPPort(f.dstPort)}
		_ = l4.SetNetworkLayerForChecksum(ip)
		err = gopacket.SerializeLayers(buf, options, ip, l4, gopacket.Payload(payload))
	} else {
		l4 := &layers.TCP{SrcPort: layers.TCPPort(f.srcPort), DstPort: layers.TCPPort(f.dstPort), Seq: f.seq, Ack: 7, ACK: true, PSH: push, Window: 501}
		_ = l4.SetNetworkLayerForChecksum(ip)
		err = gopacket.SerializeLayers(buf, options, ip, l4, gopacket.Payload(payload))
	}
	if err != nil {
		panic(err)
	}
	f.id++
	f.seq += uint32(len(payload))
	return append([]byte(nil), buf.Bytes()...)
}

// plain is packet as read from a TUN.
func (f *flow) plain(payload []byte) []byte {
	return append(make([]byte, offload.VirtioHeaderLen), f.packet(payload, false)...)
}

// super is a superpacket as read from a TUN: segments of size bytes of payload.
func (f *flow) super(payload []byte, size int) []byte {
	p := f.packet(payload, true)
	f.id += uint16((len(payload)+size-1)/size - 1)
	l4, addresses, proto, field := 20, p[12:20], byte(6), 16
	kind := offload.GSOTCPv4
	if f.src.Is6() {
		l4, addresses, kind = 40, p[8:40], offload.GSOTCPv6
	}
	if f.udp {
		proto, field, kind = 17, 6, offload.GSOUDPL4
	}
	sum := uint32(proto) + uint32(len(p)-l4)
	for i := 0; i < len(addresses); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(addresses[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(p[l4+field:], uint16(sum))
	b := make([]byte, offload.VirtioHeaderLen, offload.VirtioHeaderLen+len(p))
	(&offload.VirtioHeader{Flags: offload.FlagNeedsCsum, GSOType: kind, GSOSize: uint16(size), CsumStart: uint16(l4), CsumOffset: uint16(field)}).Encode(b)
	return append(b, p...)
}

// cut gives the packets that a superpacket, virtio header first, stands for.
func cut(t testing.TB, b []byte) (packets [][]byte) {
	t.Helper()
	b = append([]byte(nil), b...)
	var vh offload.VirtioHeader
	vh.Decode(b)
	var s offload.Segmenter
	if err := s.Reset(vh, b[offload.VirtioHeaderLen:]); err != nil {
		t.Fatalf("not a superpacket: %v", err)
	}
	for p := s.Next(); p != nil; p = s.Next() {
		packets = append(packets, append([]byte(nil), p...))
	}
	return packets
}

func bytesOf(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(uint32(i)*2654435761>>23) ^ seed
	}
	return b
}

// tcp4 is a TCP flow through tunnel n from the near to the far side.
func tcp4(n int, port uint16) *flow {
	return &flow{src: host4(n, false), dst: host4(n, true), srcPort: port, dstPort: 80, id: 100, seq: 1 << 31}
}

// back is the flow in the other direction.
func (f *flow) back() *flow {
	return &flow{src: f.dst, dst: f.src, udp: f.udp, srcPort: f.dstPort, dstPort: f.srcPort, id: 5, seq: 9}
}

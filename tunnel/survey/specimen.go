//go:build linux

package survey

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"vpngw/offload"
	"vpngw/offload/tun"
)

// The superpacket of the self-test: the last segment is shorter.
const (
	testSegment  = 1000
	testPayload  = 10*testSegment + 500
	testSequence = 1_000_000 // of the first TCP segment
)

// specimen is a superpacket for the self-test, over IPv4 or IPv6 as its addresses are.
type specimen struct {
	proto    uint8 // TCP or UDP
	from, to netip.Addr
}

func (s specimen) String() string {
	name := map[uint8]string{unix.IPPROTO_TCP: "TCP", unix.IPPROTO_UDP: "UDP"}[s.proto]
	if s.to.Is6() {
		return name + " over IPv6"
	}
	return name
}

// ip is the length of the IP header, transport that of TCP's or UDP's.
func (s specimen) ip() int {
	if s.to.Is6() {
		return 40
	}
	return 20
}

func (s specimen) transport() int {
	if s.proto == unix.IPPROTO_UDP {
		return 8
	}
	return 20
}

// addresses are those of a packet that has an IP header of this kind.
func (s specimen) addresses(p []byte) []byte {
	if s.to.Is6() {
		return p[8:40]
	}
	return p[12:20]
}

// packet makes the superpacket, with its virtio header.
func (s specimen) packet() []byte {
	ip, transport, checksumAt := s.ip(), s.transport(), 16
	h := offload.VirtioHeader{Flags: offload.FlagNeedsCsum, GSOType: offload.GSOTCPv4, GSOSize: testSegment, CsumStart: uint16(ip)}
	if s.to.Is6() {
		h.GSOType = offload.GSOTCPv6
	}
	if s.proto == unix.IPPROTO_UDP {
		checksumAt, h.GSOType = 6, offload.GSOUDPL4
	}
	h.HdrLen, h.CsumOffset = uint16(ip+transport), uint16(checksumAt)
	b := make([]byte, tun.HeaderLen+ip+transport+testPayload)
	h.Encode(b)
	p := b[tun.HeaderLen:]
	if s.to.Is6() {
		p[0], p[6], p[7] = 0x60, s.proto, 64
		binary.BigEndian.PutUint16(p[4:], uint16(len(p)-ip))
		copy(s.addresses(p), s.from.AsSlice())
		copy(s.addresses(p)[16:], s.to.AsSlice())
	} else {
		p[0], p[8], p[9] = 0x45, 64, s.proto
		binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
		copy(s.addresses(p), s.from.AsSlice())
		copy(s.addresses(p)[4:], s.to.AsSlice())
		binary.BigEndian.PutUint16(p[10:], ^offload.Sum(p[:ip], 0))
	}
	t := p[ip:]
	binary.BigEndian.PutUint16(t[0:], 7)
	binary.BigEndian.PutUint16(t[2:], 7)
	if s.proto == unix.IPPROTO_UDP {
		binary.BigEndian.PutUint16(t[4:], uint16(len(t)))
	} else {
		binary.BigEndian.PutUint32(t[4:], testSequence)
		t[12], t[13] = 5<<4, 0x18 // ACK, PSH
		binary.BigEndian.PutUint16(t[14:], 65535)
	}
	for i := range testPayload {
		t[transport+i] = byte(uint32(i) * 2654435761 >> 24)
	}
	binary.BigEndian.PutUint16(t[checksumAt:], offload.PseudoSum(s.addresses(p), s.proto, len(t)))
	return b
}

// is tells whether a packet read from a device is one of this kind; the kernel sends some
// of its own.
func (s specimen) is(p []byte) bool {
	if len(p) <= s.ip() {
		return false
	}
	if s.to.Is6() {
		return p[0]>>4 == 6 && p[6] == s.proto
	}
	return p[0]>>4 == 4 && p[9] == s.proto
}

// check compares the headers of a packet with those of the n-th segment, before which so
// many bytes of payload came; whole says that it is the superpacket itself.
func (s specimen) check(p []byte, n, before int, whole bool) error {
	ip, size := s.ip(), min(testSegment, testPayload-before)
	says := int(binary.BigEndian.Uint16(p[2:]))
	if s.to.Is6() {
		says = ip + int(binary.BigEndian.Uint16(p[4:]))
	}
	if whole {
		size = testPayload
	}
	sent := s.packet()[tun.HeaderLen:]
	t := p[ip:]
	switch {
	case says != len(p):
		return fmt.Errorf("segment %d has %d bytes but says %d", n, len(p), says)
	case !bytes.Equal(s.addresses(p), s.addresses(sent)) || !bytes.Equal(t[:4], sent[ip:][:4]):
		return fmt.Errorf("segment %d has other addresses or ports", n)
	case s.to.Is4() && offload.Sum(p[:ip], 0) != 0xffff:
		return fmt.Errorf("segment %d has a wrong IP checksum", n)
	case s.proto == unix.IPPROTO_TCP && binary.BigEndian.Uint32(t[4:]) != uint32(testSequence+before):
		return fmt.Errorf("segment %d has sequence number %d, not %d", n, binary.BigEndian.Uint32(t[4:]), testSequence+before)
	case s.proto == unix.IPPROTO_UDP && int(binary.BigEndian.Uint16(t[4:])) != len(t):
		return fmt.Errorf("segment %d has %d bytes of UDP but says %d", n, len(t), binary.BigEndian.Uint16(t[4:]))
	case len(t)-s.transport() != size:
		return fmt.Errorf("segment %d has %d bytes in all for %d of payload", n, len(p), size)
	case !whole && offload.Sum(t, offload.PseudoSum(s.addresses(p), s.proto, len(t))) != 0xffff:
		return fmt.Errorf("segment %d has a wrong checksum", n)
	}
	return nil
}

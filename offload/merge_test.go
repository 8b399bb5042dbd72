package offload

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// What is done to packet 3 of 8 decides how the eight are glued.
func TestCoalescerRule(t *testing.T) {
	type change = func(*packet)
	const every, tcp, udp, v4, v6 = "", "TCP", "UDP", "4", "6"
	for _, test := range []struct {
		name string
		kind string              // what of the four kinds it applies to
		then change              // done to packet 3 (from 0) as it is built
		all  change              // done to packets 3 to 7
		raw  func([]byte) []byte // done to packet 3's bytes
		want []int               // packets in each superpacket
	}{
		{"nothing", every, nil, nil, nil, []int{8}},
		{"TOS", every, func(p *packet) { p.tos = 0 }, nil, nil, []int{3, 1, 4}},
		{"ECN mark", every, func(p *packet) { p.tos |= 1 }, nil, nil, []int{3, 1, 4}},
		{"ECN mark from there on", every, nil, func(p *packet) { p.tos |= 1 }, nil, []int{3, 5}},
		{"TTL", every, func(p *packet) { p.ttl = 63 }, nil, nil, []int{3, 1, 4}},
		{"flow label", v6, func(p *packet) { p.flowLabel = 78 }, nil, nil, []int{3, 1, 4}},
		{"DF", v4, func(p *packet) { p.fragment = 0 }, nil, nil, []int{3, 1, 4}},
		{"reserved IP flag", v4, func(p *packet) { p.fragment |= 0x8000 }, nil, nil, []int{3, 1, 4}},
		{"first fragment", v4, func(p *packet) { p.fragment = 0x2000 }, nil, nil, []int{3, 1, 4}},
		{"first fragments from there on", v4, nil, func(p *packet) { p.fragment = 0x2000 }, nil, []int{3, 1, 1, 1, 1, 1}},
		{"later fragment", v4, func(p *packet) { p.fragment = 0x0010 }, nil, nil, []int{3, 1, 4}},
		{"IP options", v4, func(p *packet) { p.ipOptions = []byte{1, 1, 1, 0} }, nil, nil, []int{3, 1, 4}},
		{"IP options from there on", v4, nil, func(p *packet) { p.ipOptions = []byte{1, 1, 1, 0} }, nil, []int{3, 1, 1, 1, 1, 1}},
		{"ID not up", v4, func(p *packet) { p.id-- }, nil, nil, []int{3, 1, 4}},
		{"IDs skip one", v4, nil, func(p *packet) { p.id++ }, nil, []int{3, 5}},
		{"IP header checksum wrong", v4, nil, nil, func(b []byte) []byte { b[10] ^= 1; return b }, []int{3, 1, 4}},
		{"IP header checksum missing", v4, nil, nil, func(b []byte) []byte { b[10], b[11] = 0, 0; return b }, []int{3, 1, 4}},
		{"checksum wrong", every, nil, nil, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, []int{3, 1, 4}},
		{"bytes behind", every, nil, nil, func(b []byte) []byte { return append(b, 0) }, []int{3, 1, 4}},
		// As though they were payload: the length two more, the word behind two less.
		{"bytes behind that fit the checksum", tcp, func(p *packet) { p.payload = p.payload[:98] }, nil, func(b []byte) []byte { return append(b, 0xff, 0xfd) }, []int{3, 1, 4}},
		{"shorter", every, func(p *packet) { p.payload = p.payload[:99] }, nil, nil, []int{4, 4}},
		{"longer", tcp, func(p *packet) { p.payload = append(p.payload, 1) }, nil, nil, []int{3, 1, 4}},
		// Packet 4 is the shorter and last one behind packet 3.
		{"longer", udp, func(p *packet) { p.payload = append(p.payload, 1) }, nil, nil, []int{3, 2, 3}},
		{"no payload", every, func(p *packet) { p.payload = nil }, nil, nil, []int{3, 1, 4}},
		{"other flow", tcp, func(p *packet) { p.srcPort++ }, nil, nil, []int{3, 1, 4}},
		{"other flow", "UDP4", func(p *packet) { p.srcPort++ }, nil, nil, []int{3, 1, 4}},
		// No number tells that one is missing.
		{"other flow", "UDP6", func(p *packet) { p.srcPort++ }, nil, nil, []int{7, 1}},
		{"extension header", v6, nil, nil, withExtension, []int{3, 1, 4}},
		{"UDP length short", udp, nil, nil, func(b []byte) []byte { b[len(b)-100-3]--; return b }, []int{3, 1, 4}},
		{"no UDP checksum", udp, nil, nil, func(b []byte) []byte { b[len(b)-100-2], b[len(b)-100-1] = 0, 0; return b }, []int{3, 1, 4}},
		{"sequence gap", tcp, nil, func(p *packet) { p.seq += 100 }, nil, []int{3, 5}},
		{"retransmit", tcp, func(p *packet) { p.seq -= 100 }, nil, nil, []int{3, 1, 4}},
		{"other acknowledgement from there on", tcp, nil, func(p *packet) { p.ack++ }, nil, []int{3, 5}},
		{"other window", tcp, func(p *packet) { p.window++ }, nil, nil, []int{3, 1, 4}},
		{"other timestamp from there on", tcp, nil, func(p *packet) { p.options = timestamps(2, 2) }, nil, []int{3, 5}},
		{"no options", tcp, func(p *packet) { p.options = nil }, nil, nil, []int{3, 1, 4}},
		{"PSH", tcp, func(p *packet) { p.flags |= 0x08 }, nil, nil, []int{4, 4}},
		{"PSH on all from there on", tcp, nil, func(p *packet) { p.flags |= 0x08 }, nil, []int{4, 1, 1, 1, 1}},
		{"FIN", tcp, func(p *packet) { p.flags |= 0x01 }, nil, nil, []int{3, 1, 4}},
		{"FIN from there on", tcp, nil, func(p *packet) { p.flags |= 0x01 }, nil, []int{3, 1, 1, 1, 1, 1}},
		{"SYN", tcp, func(p *packet) { p.flags |= 0x02 }, nil, nil, []int{3, 1, 4}},
		{"SYN from there on", tcp, nil, func(p *packet) { p.flags |= 0x02 }, nil, []int{3, 1, 1, 1, 1, 1}},
		{"RST", tcp, func(p *packet) { p.flags |= 0x04 }, nil, nil, []int{3, 1, 4}},
		{"RST from there on", tcp, nil, func(p *packet) { p.flags |= 0x04 }, nil, []int{3, 1, 1, 1, 1, 1}},
		{"URG", tcp, func(p *packet) { p.flags |= 0x20; p.urgent = 1 }, nil, nil, []int{3, 1, 4}},
		{"URG from there on", tcp, nil, func(p *packet) { p.flags |= 0x20 }, nil, []int{3, 1, 1, 1, 1, 1}},
		{"urgent pointer", tcp, nil, func(p *packet) { p.urgent = 1 }, nil, []int{3, 1, 1, 1, 1, 1}},
		{"no ACK", tcp, nil, func(p *packet) { p.flags = 0 }, nil, []int{3, 1, 1, 1, 1, 1}},
		{"CWR", tcp, func(p *packet) { p.flags |= 0x80 }, nil, nil, []int{3, 1, 4}},
		{"CWR from there on", tcp, nil, func(p *packet) { p.flags |= 0x80 }, nil, []int{3, 1, 1, 1, 1, 1}},
		{"ECE", tcp, func(p *packet) { p.flags |= 0x40 }, nil, nil, []int{3, 1, 4}},
		{"ECE from there on", tcp, nil, func(p *packet) { p.flags |= 0x40 }, nil, []int{3, 5}},
		{"reserved TCP bits", tcp, func(p *packet) { p.reserved = 1 }, nil, nil, []int{3, 1, 4}},
		{"data offset too small", tcp, nil, nil, func(b []byte) []byte { b[len(b)-100-32+12] = 0x40; return b }, []int{3, 1, 4}},
	} {
		for _, kind := range kinds {
			if !strings.Contains(kind.name, test.kind) {
				continue
			}
			t.Run(test.name+"/"+kind.name, func(t *testing.T) {
				var batch [][]byte
				for i, p := range stream(kind.v6, kind.udp, 8, 100) {
					if i == 3 && test.then != nil {
						test.then(&p)
					}
					if i >= 3 && test.all != nil {
						test.all(&p)
					}
					b := p.bytes(false)
					if i == 3 && test.raw != nil {
						b = test.raw(b)
					}
					batch = append(batch, b)
				}
				out := glue(t, NewCoalescer(allKinds), batch)
				if got := groupSizes(out); !slices.Equal(got, test.want) {
					t.Errorf("glued as %d, want %d", got, test.want)
				}
			})
		}
	}
}

// withExtension puts destination options into an IPv6 packet.
func withExtension(b []byte) []byte {
	longer := bytes.Join([][]byte{b[:40], extension(b[6]), b[40:]}, nil)
	longer[6] = 60
	binary.BigEndian.PutUint16(longer[4:], uint16(len(longer)-40))
	return longer
}

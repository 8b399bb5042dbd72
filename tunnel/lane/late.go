package lane

import (
	"encoding/binary"

	"vpngw/offload"
)

// When a path is found to have become narrow, what was sent since it did is lost, and TCP
// would only hear of it by the ICMP error about its next retransmission: seconds later on a
// long path, after some in vain. So a tunnel remembers the heads of large packets, of each
// flow the last, and their senders are told as soon as the path is known to be narrower.
// TCP then sends again at once what it has in flight. One whose packet did arrive is not
// concerned: a host ignores errors about what is acknowledged (RFC 5927 §4.1).

const (
	lateFlows = 16
	lateHead  = 96          // bytes: IPv6 with some extension headers, and TCP
	lateFor   = 10 * second // after which it is old
)

// late is the large packets that a tunnel was given last, by flow.
type late [lateFlows]latePacket

type latePacket struct {
	at      int64 // lane time; 0: none
	segment int   // its length, of a superpacket that of its segments
	n       int   // bytes of head
	head    [lateHead]byte
}

// note remembers a packet that nobody but its sender may fragment.
func (l *late) note(now int64, flow uint64, packet []byte, segment int) {
	p := &l[flow%lateFlows]
	p.at, p.segment = now, segment
	p.n = copy(p.head[:], packet)
}

// tellLate tells the senders of packets that were lately sent and are too long for t.
func (l *Lane) tellLate(t *Tunnel) {
	h := &l.headers
	for i := range t.late {
		p := &t.late[i]
		if p.at == 0 || l.now-p.at > lateFor || p.segment <= t.mtu {
			continue
		}
		p.at = 0
		packet := p.head[:p.n]
		if packet[0]>>4 == 4 {
			binary.BigEndian.PutUint16(packet[2:], uint16(len(packet))) // all that is left of it
		} else {
			binary.BigEndian.PutUint16(packet[4:], uint16(len(packet)-40))
		}
		if offload.ParseHeaders(packet, h) == nil {
			l.complain(t, packet, p.segment)
		}
	}
}

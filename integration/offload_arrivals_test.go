package integration

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
)

// ptr is the address of a slice's first byte.
func ptr(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

// arrivals are the UDP packets that host B was given, by flow, in order, in words that are the same whenever the same is sent.
type arrivals map[string][]string

// trafficOf plays the script through a pair whose tunnel carries packets of inner bytes, both ways, and returns the packets that
// came to host B.
func trafficOf(t *testing.T, p *pair, inner int) arrivals {
	t.Helper()
	capture, err := p.B.Host.Capture(lab.HostDevice)
	must(t, err)
	// First of all, so that the hosts' neighbours know them: a kernel keeps little for those it has yet to find.
	for _, size := range []int{8, 9, 56, min(1201, inner-48)} {
		for _, to := range []netip.Addr{p.B.Host4, p.B.Host6} {
			if to.Is6() && inner < 1280 {
				continue
			}
			r := ping(t, lab.Ping{From: p.A.Host, To: to, Count: 3, Interval: time.Millisecond, Size: size})
			if r.Received != 3 || r.Duplicates > 0 {
				t.Errorf("ping of %d bytes to %s: %v", size, to, r)
			}
		}
	}
	names := map[netip.AddrPort]string{} // of flows, by the receiver: IPv4 and IPv6 may have the same port
	for _, way := range []struct{ from, to *lab.Site }{{&p.A, &p.B}, {&p.B, &p.A}} {
		for _, line := range udpFlows(inner) {
			var flows []*udpRun
			for _, f := range line {
				r := openUDPRun(t, f, way.from, way.to)
				defer r.close()
				flows = append(flows, r)
				if way.to == &p.B {
					names[r.receiver.LocalAddr().(*net.UDPAddr).AddrPort()] = f.name
				}
			}
			udpTraffic(t, flows...)
		}
	}
	tcpTraffic(t, p, inner)
	got := arrivals{}
	first := map[string]uint16{} // ID of a flow's first packet
	must(t, capture.Frames(func(frame []byte) {
		if err := got.add(frame, p, inner, names, first); err != nil {
			t.Error(err)
		}
	}))
	return got
}

// add notes a frame, if it came to host B, and says what is wrong with it.
func (a arrivals) add(frame []byte, p *pair, inner int, names map[netip.AddrPort]string, first map[string]uint16) error {
	if len(frame) < 14+20 {
		return nil
	}
	switch h := frame[14:]; binary.BigEndian.Uint16(frame[12:]) {
	case unix.ETH_P_IP:
		return a.add4(h[:min(len(h), int(binary.BigEndian.Uint16(h[2:])))], p, inner, names, first)
	case unix.ETH_P_IPV6:
		if len(h) < 40 {
			return nil
		}
		return a.add6(h[:min(len(h), 40+int(binary.BigEndian.Uint16(h[4:])))], p, inner, names)
	}
	return nil
}

func (a arrivals) add4(h []byte, p *pair, inner int, names map[netip.AddrPort]string, first map[string]uint16) error {
	header := int(h[0]&0xf) * 4
	if [4]byte(h[16:20]) != p.B.Host4.As4() || len(h) < header+8 {
		return nil
	}
	if sum(h[:header]) != 0xffff {
		return fmt.Errorf("IPv4 packet with a wrong header checksum: % x", h[:header])
	}
	if len(h) > inner {
		return fmt.Errorf("IPv4 packet of %d bytes", len(h))
	}
	payload, fragment := h[header:], binary.BigEndian.Uint16(h[6:])
	name := "IPv4 fragments"
	if fragment&0x3fff == 0 {
		if err := summed(h[9], h[12:20], payload); err != nil || h[9] != unix.IPPROTO_UDP {
			return err
		}
		name = names[netip.AddrPortFrom(p.B.Host4, binary.BigEndian.Uint16(payload[2:]))]
		payload = payload[8:]
	} else if fragment&0x1fff == 0 {
		payload = payload[8:] // without the ports and the sum of them
	}
	id := binary.BigEndian.Uint16(h[4:])
	if _, known := first[name]; !known {
		first[name] = id
	}
	a.note(name, fmt.Sprintf("ID +%d, TOS %#x, TTL %d, flags and offset %#x", id-first[name], h[1], h[8], fragment), payload)
	return nil
}

func (a arrivals) add6(h []byte, p *pair, inner int, names map[netip.AddrPort]string) error {
	if [16]byte(h[24:40]) != p.B.Host6.As16() || len(h) < 48 {
		return nil
	}
	if len(h) > inner {
		return fmt.Errorf("IPv6 packet of %d bytes", len(h))
	}
	if err := summed(h[6], h[8:40], h[40:]); err != nil || h[6] != unix.IPPROTO_UDP {
		return err
	}
	class := binary.BigEndian.Uint16(h) >> 4 & 0xff
	a.note(names[netip.AddrPortFrom(p.B.Host6, binary.BigEndian.Uint16(h[42:]))], fmt.Sprintf("class %#x, hop limit %d", class, h[7]), h[48:])
	return nil
}

func (a arrivals) note(name, header string, payload []byte) {
	a[name] = append(a[name], fmt.Sprintf("%s, %d bytes %x", header, len(payload), sha256.Sum256(payload)))
}

// summed says whether the checksum of a whole TCP or UDP packet is right.
func summed(protocol byte, addresses, payload []byte) error {
	if protocol != unix.IPPROTO_TCP && protocol != unix.IPPROTO_UDP {
		return nil
	}
	pseudo := binary.BigEndian.AppendUint32(append([]byte{}, addresses...), uint32(len(payload)))
	pseudo = append(pseudo, 0, protocol)
	if got := sum(append(pseudo, payload...)); got != 0xffff {
		return fmt.Errorf("packet of protocol %d with a wrong checksum: it sums to %#x", protocol, got)
	}
	return nil
}

// sum is the ones' complement sum of RFC 1071: 0xffff over anything with its checksum in it.
func sum(b []byte) uint16 {
	var s uint32
	for i, x := range b {
		if i%2 == 0 {
			s += uint32(x) << 8
		} else {
			s += uint32(x)
		}
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// compareArrivals wants what arrived to be the same packets as before.
func compareArrivals(t *testing.T, name string, want, got arrivals) {
	t.Helper()
	for _, f := range slices.Concat(udpFlows(wideInner)...) {
		w, g := want[f.name], got[f.name]
		if len(w) == 0 || len(w) != len(g) {
			t.Errorf("%s: %d packets of %s, expected %d", name, len(g), f.name, len(w))
			continue
		}
		for i := range w {
			if w[i] != g[i] {
				t.Errorf("%s: packet %d of %s: %s\nexpected %s", name, i, f.name, g[i], w[i])
				break
			}
		}
	}
}

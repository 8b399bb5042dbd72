//go:build linux

package udp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestControlRoundTrip(t *testing.T) {
	var c controlBuffer
	v4, v6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	for _, from := range []netip.Addr{v4, v6} {
		n, err := c.putSource(from)
		if err != nil {
			t.Fatal(err)
		}
		// The standard parser must see it as we do.
		messages, err := unix.ParseSocketControlMessage(c.bytes()[:n])
		if err != nil || len(messages) != 1 {
			t.Fatalf("%d messages, %v", len(messages), err)
		}
		var m metadata
		parseControl(c.bytes()[:n], &m)
		if m.to != from || m.size != 0 || m.tos != 0 {
			t.Errorf("%s came back as %+v", from, m)
		}
	}
	n := c.putSegment(1472)
	messages, err := unix.ParseSocketControlMessage(c.bytes()[:n])
	if err != nil || len(messages) != 1 || messages[0].Header.Type != unix.UDP_SEGMENT || len(messages[0].Data) != 2 {
		t.Errorf("%+v, %v", messages, err)
	}
}

func TestZones(t *testing.T) {
	lo := netip.MustParseAddr("fe80::1%lo")
	scope, err := scopeOf(lo)
	if err != nil || scope == 0 {
		t.Fatalf("zone lo: %d, %v", scope, err)
	}
	if n, err := scopeOf(lo.WithZone("77")); n != 77 || err != nil {
		t.Errorf("zone 77: %d, %v", n, err)
	}
	if _, err := scopeOf(lo.WithZone("no-such-if")); err == nil {
		t.Error("a zone without an interface is taken")
	}
	var r rawAddr
	var z zones
	want := netip.AddrPortFrom(lo.WithZone("5"), 4500)
	if n, err := r.set(want); err != nil || n != unix.SizeofSockaddrInet6 {
		t.Fatal(n, err)
	}
	if got := z.addPort(&r); got != want {
		t.Errorf("%s came back as %s", want, got)
	}
	if allocs := testing.AllocsPerRun(100, func() { z.addPort(&r) }); allocs != 0 {
		t.Errorf("%v allocations for a link-local sender", allocs)
	}
}

func FuzzParseControl(f *testing.F) {
	var c controlBuffer
	n := c.putSegment(1472)
	f.Add(append([]byte(nil), c.bytes()[:n]...))
	n, _ = c.putSource(netip.MustParseAddr("2001:db8::7"))
	f.Add(append([]byte(nil), c.bytes()[:n]...))
	data, n := c.put(unix.SOL_UDP, unix.UDP_GRO, 4)
	binary.NativeEndian.PutUint32(data, 1472)
	f.Add(append([]byte(nil), c.bytes()[:n]...))
	data, n = c.put(unix.IPPROTO_IP, unix.IP_TOS, 1)
	data[0] = 3
	f.Add(append([]byte(nil), c.bytes()[:n]...))
	data, n = c.put(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 4)
	data[0] = 3
	f.Add(append([]byte(nil), c.bytes()[:n]...))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var c controlBuffer
		b = c.bytes()[:copy(c.bytes(), b)]
		var m metadata
		parseControl(b, &m)
		messages, err := unix.ParseSocketControlMessage(b)
		if err != nil {
			return // one bad message makes that parser give up on all
		}
		if want := secondReader(messages); m != want {
			t.Errorf("%+v, want %+v", m, want)
		}
	})
}

// secondReader reads the same from messages that another parser has cut.
func secondReader(messages []unix.SocketControlMessage) (m metadata) {
	type kind struct{ level, kind int32 }
	for _, message := range messages {
		data := message.Data
		switch (kind{message.Header.Level, message.Header.Type}) {
		case kind{unix.SOL_UDP, unix.UDP_GRO}:
			if len(data) >= 4 {
				m.size = int(int32(binary.NativeEndian.Uint32(data)))
			}
		case kind{unix.IPPROTO_IP, unix.IP_TOS}:
			if len(data) >= 1 {
				m.tos = data[0]
			}
		case kind{unix.IPPROTO_IPV6, unix.IPV6_TCLASS}:
			if len(data) >= 4 {
				m.tos = uint8(binary.NativeEndian.Uint32(data))
			}
		case kind{unix.IPPROTO_IP, unix.IP_PKTINFO}:
			if len(data) >= 12 {
				m.to = netip.AddrFrom4([4]byte(data[4:8]))
			}
		case kind{unix.IPPROTO_IPV6, unix.IPV6_PKTINFO}:
			if len(data) >= 20 {
				m.to = netip.AddrFrom16([16]byte(data[:16]))
			}
		}
	}
	return m
}

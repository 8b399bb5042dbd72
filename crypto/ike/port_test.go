package ike

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// portEnd is a machine that has IKE's own port beside another one.
type portEnd struct {
	t     *testing.T
	m     *Machine
	addr  netip.Addr
	out   []Send
	ups   []Up
	where netip.AddrPort // of the last Endpoint
	kids  []Child
}

func newPortEnd(t *testing.T, seed byte, addr string, peer Peer) *portEnd {
	spi := uint32(seed) << 16
	e := &portEnd{t: t, addr: netip.MustParseAddr(addr), m: New(Config{
		Rand: rand.NewChaCha8([32]byte{seed}), IKEPort: Port, SPI: func() (uint32, error) { spi++; return spi, nil },
	})}
	e.step(AddPeer{peer})
	return e
}

func (e *portEnd) step(ev Event) {
	for _, a := range e.m.Step(time.Unix(1, 0), ev) {
		switch a := a.(type) {
		case Send:
			e.out = append(e.out, a)
		case Up:
			e.ups = append(e.ups, a)
		case Endpoint:
			e.where = a.Remote
		case InstallChild:
			e.kids = append(e.kids, a.Child)
		}
	}
}

// at is an end's address with a port.
func (e *portEnd) at(port uint16) netip.AddrPort { return netip.AddrPortFrom(e.addr, port) }

// portPair is two ends of which a knows b at its port 500.
func portPair(t *testing.T) (a, b *portEnd) {
	pa, pb := pairConfig()
	pa.Remote = netip.AddrPortFrom(pa.Remote.Addr(), Port)
	pb.Remote = netip.AddrPort{}
	return newPortEnd(t, 1, "192.0.2.1", pa), newPortEnd(t, 2, "192.0.2.2", pb)
}

// carry brings every message to its end. Messages leave from the port that Send names,
// or 4500; change may have one come from and to elsewhere.
func carry(a, b *portEnd, change func(s *Send, from *uint16)) (crossed []string) {
	for len(a.out)+len(b.out) > 0 {
		from, to := a, b
		if len(a.out) == 0 {
			from, to = b, a
		}
		s := from.out[0]
		from.out = from.out[1:]
		port := s.Local.Port()
		if port == 0 {
			port = NATTPort
		}
		if change != nil {
			change(&s, &port)
		}
		crossed = append(crossed, netip.AddrPortFrom(from.addr, port).String()+" "+s.Remote.String()+" "+message.ExchangeType(s.Bytes[18]).String())
		to.step(Datagram{Local: s.Remote, Remote: from.at(port), Bytes: bytes.Clone(s.Bytes)})
	}
	return crossed
}

func TestIKEPortFloats(t *testing.T) {
	a, b := portPair(t)
	a.step(Connect{ID: 1})
	got := carry(a, b, nil)
	want := []string{
		"192.0.2.1:500 192.0.2.2:500 IKE_SA_INIT", "192.0.2.2:500 192.0.2.1:500 IKE_SA_INIT",
		"192.0.2.1:4500 192.0.2.2:4500 IKE_AUTH", "192.0.2.2:4500 192.0.2.1:4500 IKE_AUTH",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("crossed the wire:\n%q, want\n%q", got, want)
	}
	for _, e := range []*portEnd{a, b} {
		if len(e.ups) != 1 || e.ups[0].BehindNAT || e.ups[0].Local != e.at(NATTPort) || e.where.Port() != NATTPort {
			t.Errorf("%v: %+v, ESP goes to %v", e.addr, e.ups, e.where)
		}
	}
}

// TestIKEPortIsAskedFromIKEPort: whatever makes us begin, port 500 is never sent the marker.
func TestIKEPortIsAskedFromIKEPort(t *testing.T) {
	a, b := portPair(t)
	a.step(UnknownSPI{Local: a.at(NATTPort), Remote: b.at(NATTPort), SPI: 77})
	i := slices.IndexFunc(a.out, func(s Send) bool { return message.ExchangeType(s.Bytes[18]) == message.ExchangeIKESAInit })
	if i < 0 || a.out[i].Remote != b.at(Port) || a.out[i].Local != a.at(Port) {
		t.Errorf("sent %+v, want IKE_SA_INIT from %v to %v", a.out, a.at(Port), b.at(Port))
	}
}

// TestIKEPortMapped: both ends tell a NAT from none by what they see on port 500.
func TestIKEPortMapped(t *testing.T) {
	a, b := portPair(t)
	a.step(Connect{ID: 1})
	carry(a, b, func(s *Send, from *uint16) {
		switch { // a NAT in front of a
		case *from == Port && s.Remote == b.at(Port):
			*from = 1500
		case *from == NATTPort && s.Remote == b.at(NATTPort):
			*from = 14500
		case s.Remote == a.at(1500):
			s.Remote = a.at(Port)
		case s.Remote == a.at(14500):
			s.Remote = a.at(NATTPort)
		}
	})
	if len(a.ups) != 1 || !a.ups[0].BehindNAT || len(b.ups) != 1 || b.ups[0].BehindNAT {
		t.Fatalf("a: %+v, b: %+v; want the NAT in front of a", a.ups, b.ups)
	}
	if b.where != a.at(14500) {
		t.Errorf("ESP of b goes to %v", b.where)
	}
}

func TestAuthStaysOnIKEPort(t *testing.T) {
	a, b := portPair(t)
	a.step(Connect{ID: 1})
	got := carry(a, b, func(s *Send, from *uint16) {
		*from, s.Remote = Port, netip.AddrPortFrom(s.Remote.Addr(), Port)
	})
	if len(got) != 4 || len(b.ups) != 0 || len(b.kids) != 0 {
		t.Errorf("%d messages, %d times up, %d children", len(got), len(b.ups), len(b.kids))
	}
	if n := b.m.Strangers().Rejected[RejectPort]; n != 1 {
		t.Errorf("counted %d times as %v", n, RejectPort)
	}
	if s := a.m.Status(1); s.Reason.Code != ReasonInvalidSyntax {
		t.Errorf("the initiator's reason: %v", s.Reason)
	}
}

// TestEndpointNeverIKEPort: an authenticated request from port 500 does not take ESP there.
func TestEndpointNeverIKEPort(t *testing.T) {
	a, b := portPair(t)
	a.step(Connect{ID: 1})
	carry(a, b, nil)
	a.step(Probe{ID: 1})
	if len(a.out) != 1 || binary.BigEndian.Uint32(a.out[0].Bytes[20:]) == 0 {
		t.Fatalf("no request to carry: %v", a.out)
	}
	carry(a, b, func(s *Send, from *uint16) {
		if s.Remote == b.at(NATTPort) {
			*from, s.Remote = Port, b.at(Port)
		}
	})
	if b.where != a.at(NATTPort) {
		t.Errorf("ESP goes to %v", b.where)
	}
	if s := b.m.Status(7); s.Remote != a.at(NATTPort) {
		t.Errorf("IKE goes to %v", s.Remote)
	}
}

package integration

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// Each class of packets is one inner family and one TOS, with a port and a size of its
// own, by which it is known inside and on the wire.
const (
	ecnPort      = 20000
	ecnSize      = 1000 // bytes of payload of the first class's datagrams; 4 more of each next one's
	ecnDatagrams = 20   // of a class
)

type tosClass struct {
	to  netip.Addr
	tos uint8
}

// tosClasses are all ECN fields under no DSCP, expedited forwarding and AF11.
func tosClasses(p *pair) (classes []tosClass) {
	for _, to := range []netip.Addr{p.B.Host4, p.B.Host6} {
		for _, dscp := range []uint8{0, 46, 10} {
			for ecn := range uint8(4) {
				classes = append(classes, tosClass{to, dscp<<2 | ecn})
			}
		}
	}
	return classes
}

// hasUSO tells whether the kernel gives UDP superpackets to a gateway's TUN device.
func hasUSO(t *testing.T, gateway *lab.Namespace) bool {
	t.Helper()
	features, err := gateway.Features(tunnelDevice)
	must(t, err)
	return features["tx-udp-segmentation"]
}

// sendClasses gives each class's datagrams to the kernel of host A in one superpacket.
func sendClasses(t *testing.T, p *pair, classes []tosClass) {
	t.Helper()
	cut, before := !hasUSO(t, p.A.Gateway), status(t, p.a).Tunnels[0].PacketsOut
	for i, c := range classes {
		if cut { // each datagram takes a place in the device's ring, which has not as many as there are
			must(t, p.a.WaitStatus(t.Context(), upTimeout, func(s daemon.Status) error {
				if n := s.Tunnels[0].PacketsOut - before; n < uint64(i*ecnDatagrams) {
					return fmt.Errorf("%d of %d datagrams have left", n, i*ecnDatagrams)
				}
				return nil
			}))
		}
		size := ecnSize + 4*i
		must(t, p.A.Host.Do(func() error {
			family, level, option := unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_TCLASS
			var to unix.Sockaddr = &unix.SockaddrInet6{Port: ecnPort + i, Addr: c.to.As16()}
			if c.to.Is4() {
				family, level, option = unix.AF_INET, unix.IPPROTO_IP, unix.IP_TOS
				to = &unix.SockaddrInet4{Port: ecnPort + i, Addr: c.to.As4()}
			}
			fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.SetsockoptInt(fd, level, option, int(c.tos)); err != nil {
				return err
			}
			if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, size); err != nil {
				return err
			}
			return unix.Sendto(fd, randomBytes(uint64(i), ecnDatagrams*size), 0, to)
		}))
	}
}

// tosTally is how many bytes of payload were seen with each TOS, by a number that tells
// packets apart.
type tosTally map[int]map[uint8]int

func (t tosTally) add(number int, tos uint8, bytes int) {
	if t[number] == nil {
		t[number] = map[uint8]int{}
	}
	t[number][tos] += bytes
}

// udpFrames calls f with what a capture has of UDP to an address.
func udpFrames(t *testing.T, c *lab.Capture, to netip.Addr, f func(u *layers.UDP, tos uint8)) {
	t.Helper()
	must(t, c.Frames(func(frame []byte) {
		packet := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
		u, ok := packet.Layer(layers.LayerTypeUDP).(*layers.UDP)
		if !ok || packet.NetworkLayer().NetworkFlow().Dst().String() != net.IP(to.AsSlice()).String() {
			return
		}
		switch ip := packet.NetworkLayer().(type) {
		case *layers.IPv4:
			f(u, ip.TOS)
		case *layers.IPv6:
			f(u, ip.TrafficClass)
		}
	}))
}

// insideTally is what arrived at host B, by port, and the longest frame's payload.
func insideTally(t *testing.T, p *pair, c *lab.Capture) (tally tosTally, longest int) {
	t.Helper()
	tally = tosTally{}
	for _, to := range []netip.Addr{p.B.Host4, p.B.Host6} {
		udpFrames(t, c, to, func(u *layers.UDP, tos uint8) {
			tally.add(int(u.DstPort), tos, len(u.Payload))
			longest = max(longest, len(u.Payload))
		})
	}
	return tally, longest
}

// sealedLen is the length of an ESP datagram (RFC 4303 §2, RFC 4106): SPI, sequence
// number and IV, the packet with padding, pad length and next header, and the ICV.
func sealedLen(packet int) int { return 16 + (packet+2+3)/4*4 + 16 }

// ecnMarker has a router mark congestion on everything that goes through a tunnel.
func ecnMarker(t *testing.T, router *lab.Namespace) {
	t.Helper()
	program, err := systemProgram("nft")
	must(t, err)
	file := filepath.Join(t.TempDir(), "rules")
	must(t, os.WriteFile(file, []byte(`table inet congestion {
	chain forward {
		type filter hook forward priority filter
		meta nfproto ipv4 udp dport 4500 ip ecn set ce
		meta nfproto ipv6 udp dport 4500 ip6 ecn set ce
	}
}
`), 0o600))
	_, err = router.Run(t.Context(), program, "-f", file)
	must(t, err)
}

// TestECNThroughTunnel sends superpackets of every ECN field under several DSCPs through
// two gateways and a router. The fields are read on the wire and at the other host, first
// as they were sent, then with congestion marked on the way.
func TestECNThroughTunnel(t *testing.T) {
	needNAT(t) // for nft
	for _, mode := range []struct {
		name     string
		outside6 bool
		lines    []string // of gateway A's tunnel
		outer    func(tos uint8) uint8
	}{
		{"IPv4 outside", false, nil, func(tos uint8) uint8 { return tos & 3 }},
		{"IPv6 outside", true, nil, func(tos uint8) uint8 { return tos & 3 }},
		{"DSCP copied", false, []string{"dscp: copy"}, func(tos uint8) uint8 { return tos }},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, pairOptions{Options: lab.Options{Router: true, OnePacketPerFrame: true}, outside6: mode.outside6,
				edit: func(a, _ *daemon.Config) { a.Tunnels[0].Lines = mode.lines }})
			classes := tosClasses(p)
			outside := p.B.Outside4
			if mode.outside6 {
				outside = p.B.Outside6
			}
			for _, to := range []netip.Addr{p.B.Host4, p.B.Host6} {
				checkPing(t, p.A.Host, to)
			}

			for _, congested := range []bool{false, true} {
				if congested {
					ecnMarker(t, p.Router)
				}
				before := status(t, p.b).AllDrops()["congestion_not_ect"]
				wire, err := p.Router.Capture(lab.RouterDeviceA)
				must(t, err)
				arrived, err := p.B.Host.Capture(lab.HostDevice)
				must(t, err)
				sendClasses(t, p, classes)
				notECT := uint64(0)
				for _, c := range classes {
					if c.tos&3 == 0 && congested {
						notECT += ecnDatagrams
					}
				}
				if congested {
					waitDrops(t, p.b, before+notECT, "congestion_not_ect")
				}
				time.Sleep(300 * time.Millisecond) // and nothing more may come
				if got := status(t, p.b).AllDrops()["congestion_not_ect"] - before; got != notECT {
					t.Errorf("congested %t: congestion_not_ect counts %d, want %d", congested, got, notECT)
				}

				sealed := tosTally{} // by length
				udpFrames(t, wire, outside, func(u *layers.UDP, tos uint8) { sealed.add(len(u.Payload), tos, len(u.Payload)) })
				inside, longest := insideTally(t, p, arrived)
				for i, c := range classes {
					size, header := ecnSize+4*i, 28
					if c.to.Is6() {
						header = 48
					}
					length := sealedLen(header + size)
					want := map[uint8]int{mode.outer(c.tos): ecnDatagrams * length}
					if got := sealed[length]; fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("TOS %#x to %s: bytes outside by TOS %v, want %v", c.tos, c.to, got, want)
					}
					want = map[uint8]int{c.tos: ecnDatagrams * size}
					switch {
					case congested && c.tos&3 == 0:
						want = nil
					case congested:
						want = map[uint8]int{c.tos | 3: ecnDatagrams * size}
					}
					if got := inside[ecnPort+i]; fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("congested %t, TOS %#x to %s: bytes that arrived by TOS %v, want %v", congested, c.tos, c.to, got, want)
					}
				}
				if hasUSO(t, p.B.Gateway) && longest < 2*ecnSize {
					t.Errorf("congested %t: nothing was glued: the longest frame has %d bytes", congested, longest)
				}
			}
		})
	}
}

// TestECNOfTCP has two hosts speak ECN over TCP: the outer headers of the data say so.
func TestECNOfTCP(t *testing.T) {
	t.Parallel()
	p := newPair(t, pairOptions{})
	for _, host := range []*lab.Namespace{p.A.Host, p.B.Host} {
		must(t, host.Sysctl("net.ipv4.tcp_ecn", "1"))
	}
	wire, err := p.A.Gateway.Capture(lab.WAN)
	must(t, err)
	const size = 4 << 20
	checkStream(t, p.A.Host, p.B.Host, p.B.Host4, size)
	checkStream(t, p.A.Host, p.B.Host, p.B.Host6, size)
	bytes, longest := map[uint8]int{}, 0
	udpFrames(t, wire, p.B.Outside4, func(u *layers.UDP, tos uint8) {
		bytes[tos] += len(u.Payload)
		longest = max(longest, len(u.Payload))
	})
	t.Logf("bytes by TOS: %v; longest train %d bytes", bytes, longest)
	if bytes[2] < 2*size {
		t.Errorf("%d bytes of data with ECT(0) outside, want %d or more", bytes[2], 2*size)
	}
	if longest < 30_000 {
		t.Errorf("the longest train has %d bytes", longest)
	}
}

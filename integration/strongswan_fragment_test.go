package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// smallPacket is the longest IP packet of IKE in these tests, in bytes.
const smallPacket = 576

// furtherSubnets make IKE_AUTH too long for one such packet. They are behind vpngw only: strongSwan must have an address in each of
// its own.
func furtherSubnets() (list []netip.Prefix) {
	for i := range 12 {
		list = append(list, netip.MustParsePrefix(fmt.Sprintf("fd00:101:%x::/64", i)))
	}
	return list
}

// ikeMessages counts the IKE messages of a capture by exchange type, in fragments (RFC 7383) and whole, from one address.
func ikeMessages(t *testing.T, c *lab.Capture, from netip.Addr) (fragments, whole map[byte]int) {
	t.Helper()
	fragments, whole = map[byte]int{}, map[byte]int{}
	must(t, c.Frames(func(frame []byte) {
		packet := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
		ip, ok := packet.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		if !ok || !ip.SrcIP.Equal(from.AsSlice()) || !isTunnel(packet) {
			return
		}
		udp := packet.Layer(layers.LayerTypeUDP).(*layers.UDP).Payload
		if len(udp) < 32 || string(udp[:4]) != "\x00\x00\x00\x00" {
			return // ESP
		}
		const nextPayload, exchange, skf = 4 + 16, 4 + 18, 53
		if udp[nextPayload] == skf {
			fragments[udp[exchange]]++
		} else {
			whole[udp[exchange]]++
		}
		if int(ip.Length) > smallPacket {
			t.Errorf("an IKE message in a packet of %d bytes", ip.Length)
		}
	}))
	return fragments, whole
}

// Exchange types (RFC 7296 §3.1, RFC 9242).
const (
	exchangeAuth         = 35
	exchangeIntermediate = 43
)

// TestStrongSwanFragments builds and rekeys a tunnel whose IKE_AUTH is too long for one packet, either way, from each side.
func TestStrongSwanFragments(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		t.Run(choose(waits, "strongSwan", "vpngw")+" initiates", func(t *testing.T) {
			t.Parallel()
			p := newSwanPair(t, swanOptions{waits: waits, stopped: true, edit: func(a *daemon.Config, b *swanConfig) {
				a.Gateway = append(a.Gateway, fmt.Sprintf("ike_packet: %d", smallPacket), "mtu_discovery: false") // whose probes are large
				a.Tunnels[0].Local = append(a.Tunnels[0].Local, furtherSubnets()...)
				b.remoteTS = a.Tunnels[0].Local
				b.connection = append(b.connection, "fragmentation = force")
				b.charon = append(b.charon, fmt.Sprintf("fragment_size = %d", smallPacket))
			}})
			capture, err := p.A.Gateway.Capture(lab.WAN)
			must(t, err)
			must(t, p.b.start(t.Context()))
			must(t, p.a.Start())
			if waits {
				waitBound(t, p.a)
				must(t, p.b.initiate(t.Context()))
			}
			must(t, p.a.WaitUp(t.Context(), upTimeout))
			s := p.settled()
			if len(s.Children[0].Local) != 14 || len(s.Children[0].Remote) != 2 {
				t.Errorf("the child is not for all networks: %+v", s.Children[0])
			}
			p.carries()
			_, err = p.b.swanctl(t.Context(), "--rekey", "--child", swanChild)
			must(t, err)
			must(t, lab.Poll(t.Context(), settleTimeout, func() error {
				if now := p.settled(); now.Children[0].SPIIn == s.Children[0].SPIIn {
					return fmt.Errorf("no rekey")
				}
				return nil
			}))
			p.carries()
			for _, from := range []netip.Addr{p.A.Outside4, p.B.Outside4} {
				fragments, whole := ikeMessages(t, capture, from)
				if fragments[exchangeAuth] < 2 || whole[exchangeAuth] != 0 {
					t.Errorf("from %v: IKE_AUTH in %d fragments and %d whole messages", from, fragments[exchangeAuth], whole[exchangeAuth])
				}
			}
			p.waitLog("received fragment #1 of ")
			p.waitLog("splitting IKE message ")
		})
	}
}

// TestStrongSwanWithoutMLKEM offers ML-KEM to strongSwan 5, which does not know that type of transform: it must pass over the
// proposal that has it and take the next one.
func TestStrongSwanWithoutMLKEM(t *testing.T) {
	t.Parallel()
	p := newSwanPair(t, swanOptions{})
	s := p.settled()
	if strings.Contains(s.IKE.Suite, "mlkem") {
		t.Errorf("agreed on %s", s.IKE.Suite)
	}
	p.waitLog("/UNKNOWN_6_36, IKE:")
	p.carries()
}

package integration

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"vpngw/integration/lab"
)

// wireTally is what a capture of a wire outside held.
type wireTally struct {
	tunnel int      // UDP on port 4500
	link   int      // ARP, neighbour discovery, multicast listener reports, and "port unreachable" for the tunnel
	clear  []string // everything else: it should not be there
}

// tally sorts the frames of a capture, and looks into every one of them for texts that must not be there.
func tally(t *testing.T, c *lab.Capture, secrets [][]byte) (w wireTally) {
	t.Helper()
	must(t, c.Frames(func(frame []byte) {
		for _, s := range secrets {
			if bytes.Contains(frame, s) {
				w.clear = append(w.clear, fmt.Sprintf("%q inside a frame of %d bytes", s, len(frame)))
			}
		}
		packet := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
		switch {
		case packet.Layer(layers.LayerTypeARP) != nil:
			w.link++
		case isLinkICMPv6(packet), isPortUnreachable(packet):
			w.link++
		case isTunnel(packet):
			w.tunnel++
		default:
			w.clear = append(w.clear, packet.String())
		}
	}))
	return w
}

func isTunnel(p gopacket.Packet) bool {
	u, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	return ok && u.SrcPort == 4500 && u.DstPort == 4500
}

// isPortUnreachable recognises a kernel's answer to a datagram for port 4500 while no gateway runs there.
func isPortUnreachable(p gopacket.Packet) bool {
	i, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	if !ok || i.TypeCode != layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodePort) {
		return false
	}
	return isTunnel(gopacket.NewPacket(i.Payload, layers.LayerTypeIPv4, gopacket.NoCopy))
}

// isLinkICMPv6 recognises what IPv6 needs on every link: types 130 to 143 (RFC 2710, RFC 4861, RFC 3810).
func isLinkICMPv6(p gopacket.Packet) bool {
	i, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
	return ok && i.TypeCode.Type() >= 130 && i.TypeCode.Type() <= 143
}

// innerHeaders are the pairs of source and destination that stand in the inner headers, as bytes on the wire. A single IPv4
// address is short enough to turn up in ciphertext by chance.
func innerHeaders(p *pair) (pairs [][]byte) {
	for _, ends := range [][2]netip.Addr{{p.A.Host4, p.B.Host4}, {p.B.Host4, p.A.Host4}, {p.A.Host6, p.B.Host6}, {p.B.Host6, p.A.Host6}} {
		pairs = append(pairs, append(ends[0].AsSlice(), ends[1].AsSlice()...))
	}
	return pairs
}

// TestWire looks at what really crosses the wire: only UDP on port 4500, nothing of the inside in clear, and ESP sequence
// numbers from 1, each one more than the one before, as a dissector that is not ours reads them.
func TestWire(t *testing.T) {
	t.Parallel()
	needLab(t, "tshark")
	var capture *lab.Capture
	p := newPair(t, pairOptions{Options: lab.Options{OnePacketPerFrame: true}, before: func(p *pair) {
		var err error
		capture, err = p.A.Gateway.Capture(lab.WAN)
		must(t, err)
	}})
	marker := []byte("this marker must not be seen outside")
	data := bytes.Repeat(marker, 50_000)
	for _, to := range []netip.Addr{p.B.Host4, p.B.Host6} {
		var got bytes.Buffer
		_, _, err := lab.Stream(t.Context(), p.A.Host, p.B.Host, to, bytes.NewReader(data), &got)
		must(t, err)
		if !bytes.Equal(got.Bytes(), data) {
			t.Errorf("stream to %s: %d of %d bytes, or changed", to, got.Len(), len(data))
		}
		ping(t, lab.Ping{From: p.A.Host, To: to, Count: 5, Interval: 10 * time.Millisecond})
	}
	w := tally(t, capture, append(innerHeaders(p), marker))
	t.Logf("%d frames of the tunnel, %d of the link", w.tunnel, w.link)
	if w.tunnel < 2000 {
		t.Errorf("only %d frames of the tunnel", w.tunnel)
	}
	if len(w.clear) > 0 {
		t.Errorf("%d frames should not be there, the first:\n%s", len(w.clear), w.clear[0])
	}
	checkSequences(t, capture.Path())
}

// checkSequences has tshark read the ESP headers of a capture.
func checkSequences(t *testing.T, path string) {
	t.Helper()
	out, err := exec.Command("tshark", "-n", "-r", path, "-Y", "esp", "-T", "fields", "-e", "ip.src", "-e", "ipv6.src", "-e", "esp.spi", "-e", "esp.sequence").Output()
	must(t, err)
	next := map[string]uint64{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) != 4 {
			t.Fatalf("tshark wrote %q", line)
		}
		sa := f[0] + f[1] + " SPI " + f[2]
		got, err := strconv.ParseUint(f[3], 10, 64)
		must(t, err)
		if want := next[sa] + 1; got != want {
			t.Fatalf("%s: sequence number %d, expected %d", sa, got, want)
		}
		next[sa] = got
	}
	t.Logf("last ESP sequence numbers: %v", next)
	if len(next) < 2 {
		t.Errorf("tshark found %d SAs, expected one each way at least", len(next))
	}
}

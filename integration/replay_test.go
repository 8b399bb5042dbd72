package integration

import (
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// TestReplayedAndForged records datagrams of A on the wire and sends them to B again, as they were and changed.
// B must drop and count every one, and nothing of them may reach its host.
func TestReplayedAndForged(t *testing.T) {
	t.Parallel()
	// NIC-like, so that the recorded checksums are complete.
	var capture *lab.Capture
	p := newPair(t, pairOptions{Options: lab.Options{NICLike: true, OnePacketPerFrame: true}, before: func(p *pair) {
		var err error
		capture, err = p.A.Gateway.Capture(lab.WAN)
		must(t, err)
	}})
	const n = 50
	r := ping(t, lab.Ping{From: p.A.Host, To: p.B.Host4, Count: n, Interval: time.Millisecond})
	if r.Received != n {
		t.Fatalf("ping: %+v", r)
	}
	source := p.A.Outside4.As4()
	var recorded [][]byte
	must(t, capture.Frames(func(frame []byte) {
		// IPv4 from A, UDP, SPI of at least 256 and sequence number behind the UDP header.
		if len(frame) > 60 && [4]byte(frame[26:30]) == source && frame[23] == unix.IPPROTO_UDP && binary.BigEndian.Uint32(frame[42:]) >= 256 {
			recorded = append(recorded, slices.Clone(frame))
		}
	}))
	if len(recorded) < n {
		t.Fatalf("recorded %d ESP datagrams, expected at least %d", len(recorded), n)
	}
	before, err := p.B.Gateway.Counters(lab.LAN)
	must(t, err)
	dropsBefore := status(t, p.b).AllDrops()
	inject(t, p.A.Gateway, lab.WAN, recorded)
	want := uint64(len(recorded))
	replayed := waitDrops(t, p.b, want+dropsBefore["replayed"], "replayed") - dropsBefore["replayed"]

	for _, f := range recorded {
		alter(f)
		// A sequence number of its own, far ahead but inside what ESN can infer, passes the replay window's pre-check.
		seq := binary.BigEndian.Uint32(f[46:])
		setSequence(f, seq+1000)
	}
	inject(t, p.A.Gateway, lab.WAN, recorded)
	forged := waitDrops(t, p.b, want+dropsBefore["unauthentic"], "unauthentic") - dropsBefore["unauthentic"]
	t.Logf("sent %d again: replayed %d; forged %d: unauthentic %d; all drops: %s", want, replayed, want, forged, daemon.FormatDrops(status(t, p.b).AllDrops()))
	if replayed != want || forged != want {
		t.Errorf("replayed %d and unauthentic %d, expected %d each", replayed, forged, want)
	}
	after, err := p.B.Gateway.Counters(lab.LAN)
	must(t, err)
	// A few packets are the kernel's own, such as neighbour discovery.
	if leaked := after.TxPackets - before.TxPackets; leaked >= want/2 {
		t.Errorf("%d packets went on to host B", leaked)
	}
	// The window was not moved by the forged numbers.
	checkPing(t, p.A.Host, p.B.Host4)
}

// Offsets in an Ethernet frame with IPv4 without options and UDP.
const (
	offsetUDPChecksum = 14 + 20 + 6
	offsetSequence    = 14 + 20 + 8 + 4
	offsetCiphertext  = 14 + 20 + 8 + 8 + 8
)

// alter changes the ciphertext and keeps the UDP checksum right: it swaps the first two 16-bit words, which a sum does not see, or,
// where they are equal, moves one from one to the other.
func alter(frame []byte) {
	a, b := frame[offsetCiphertext:], frame[offsetCiphertext+2:]
	x, y := binary.BigEndian.Uint16(a), binary.BigEndian.Uint16(b)
	if x == y {
		x, y = addOnes(x, 1), addOnes(y, ^uint16(1))
	}
	binary.BigEndian.PutUint16(a, y)
	binary.BigEndian.PutUint16(b, x)
}

// addOnes adds as the Internet checksum does, in ones' complement.
func addOnes(a, b uint16) uint16 {
	sum := uint32(a) + uint32(b)
	return uint16(sum>>16 + sum)
}

// setSequence changes the ESP sequence number and corrects the UDP checksum (RFC 1624).
func setSequence(frame []byte, seq uint32) {
	sum := ^binary.BigEndian.Uint16(frame[offsetUDPChecksum:])
	for i := range 2 {
		old := binary.BigEndian.Uint16(frame[offsetSequence+2*i:])
		sum = addOnes(addOnes(sum, ^old), uint16(seq>>(16-16*i)))
	}
	binary.BigEndian.PutUint32(frame[offsetSequence:], seq)
	binary.BigEndian.PutUint16(frame[offsetUDPChecksum:], ^sum)
}

// inject sends frames out of a device just as they are.
func inject(t *testing.T, n *lab.Namespace, device string, frames [][]byte) {
	t.Helper()
	must(t, n.Do(func() error {
		link, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, f := range frames {
			if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// TestForgedChecksums makes sure that forged datagrams reach the gateway's socket: a wrong UDP checksum would end them before.
func TestForgedChecksums(t *testing.T) {
	for _, payload := range [][]byte{randomBytes(1, 64), make([]byte, 64), randomBytes(2, 63)} {
		frame := udpFrame(t, payload)
		for range 3 {
			before := slices.Clone(frame)
			alter(frame)
			setSequence(frame, binary.BigEndian.Uint32(frame[offsetSequence:])+0x12345)
			got := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
			u := got.Layer(layers.LayerTypeUDP).(*layers.UDP)
			must(t, u.SetNetworkLayerForChecksum(got.NetworkLayer()))
			if err, result := u.VerifyChecksum(); err != nil || !result.Valid {
				t.Fatalf("checksum: %+v %v", result, err)
			}
			if slices.Equal(before[offsetCiphertext:], frame[offsetCiphertext:]) {
				t.Fatal("the ciphertext is unchanged")
			}
		}
	}
}

func udpFrame(t *testing.T, payload []byte) []byte {
	t.Helper()
	ethernet := layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	ip := layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IPv4(192, 0, 2, 1), DstIP: net.IPv4(192, 0, 2, 2)}
	udp := layers.UDP{SrcPort: 4500, DstPort: 4500}
	must(t, udp.SetNetworkLayerForChecksum(&ip))
	b := gopacket.NewSerializeBuffer()
	must(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, &ethernet, &ip, &udp, gopacket.Payload(payload)))
	return slices.Clone(b.Bytes())
}

package offload

import (
	"bytes"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"
)

// What a Segmenter cuts, gopacket reads back field by field, and finds all
// checksums right.
func TestGopacketReadsSegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		p := drawPacket(t, kind.v6, kind.udp)
		p.flags |= rapid.SampledFrom([]uint8{0, tcpFIN, tcpPSH, tcpCWR, tcpFIN | tcpPSH | tcpCWR | tcpECE}).Draw(t, "flags")
		size := rapid.IntRange(1, 1500).Draw(t, "size")
		p.payload = payload(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, min(50*size, 60000)).Draw(t, "payload"))

		var s Segmenter
		if err := s.Reset(p.virtio(size), p.bytes(true)); err != nil {
			t.Fatal(err)
		}
		n := (len(p.payload) + size - 1) / size
		var data []byte
		for i := range n {
			read := gopacket.NewPacket(s.Next(), firstLayer(p.bytes(true)), gopacket.Default)
			if l4, ok := read.TransportLayer().(interface {
				SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
			}); !ok || l4.SetNetworkLayerForChecksum(read.NetworkLayer()) != nil {
				t.Fatalf("segment %d has no transport layer", i)
			}
			if err, wrong := read.VerifyChecksums(); err != nil || len(wrong) > 0 {
				t.Fatalf("segment %d: checksums %v %+v", i, err, wrong)
			}
			got := min(size, len(p.payload)-i*size)
			switch ip := read.NetworkLayer().(type) {
			case *layers.IPv4:
				if ip.Id != p.id+uint16(i) || int(ip.Length) != p.headerLen()+got || ip.TTL != p.ttl || ip.TOS != p.tos || uint16(ip.Flags)<<13 != p.fragment {
					t.Fatalf("segment %d: %+v of %+v", i, ip, p)
				}
			case *layers.IPv6:
				if int(ip.Length) != p.headerLen()-40+got || ip.HopLimit != p.ttl || ip.TrafficClass != p.tos || ip.FlowLabel != p.flowLabel {
					t.Fatalf("segment %d: %+v of %+v", i, ip, p)
				}
			}
			switch l4 := read.TransportLayer().(type) {
			case *layers.TCP:
				last := i == n-1
				if l4.Seq != p.seq+uint32(i*size) || l4.Ack != p.ack || l4.Window != p.window ||
					l4.FIN != (last && p.flags&tcpFIN != 0) || l4.PSH != (last && p.flags&tcpPSH != 0) ||
					l4.CWR != (i == 0 && p.flags&tcpCWR != 0) || l4.ECE != (p.flags&tcpECE != 0) || !l4.ACK {
					t.Fatalf("segment %d of %d: %+v of %+v", i, n, l4, p)
				}
				if p.options != nil && (len(l4.Options) != 3 || !bytes.Equal(l4.Options[2].OptionData, p.options[4:])) {
					t.Fatalf("segment %d: options %v, want % x", i, l4.Options, p.options)
				}
				data = append(data, l4.Payload...)
			case *layers.UDP:
				if int(l4.Length) != 8+got {
					t.Fatalf("segment %d: UDP length %d, want %d", i, l4.Length, 8+got)
				}
				data = append(data, l4.Payload...)
			default:
				t.Fatalf("segment %d has no transport layer", i)
			}
		}
		if !bytes.Equal(data, p.payload) {
			t.Fatal("the payloads together are not what was sent")
		}
	})
}

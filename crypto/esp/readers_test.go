package esp

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// outer puts an ESP datagram into IPv4 and UDP, port 4500 (RFC 3948).
func outer(t *testing.T, datagram []byte) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IPv4(192, 0, 2, 1), DstIP: net.IPv4(192, 0, 2, 2)}
	udp := &layers.UDP{SrcPort: 4500, DstPort: 4500}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, ip, udp, gopacket.Payload(datagram)); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// innerEcho is an ICMP echo request from 10.1.0.7 to 10.2.0.9.
func innerEcho(t *testing.T, payload int) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: net.IPv4(10, 1, 0, 7), DstIP: net.IPv4(10, 2, 0, 9)}
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: 5, Seq: 6}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, ip, icmp, gopacket.Payload(pattern(payload))); err != nil {
		t.Fatal(err)
	}
	return append(make([]byte, 0, len(buffer.Bytes())+MaxTrailer), buffer.Bytes()...)
}

func TestReadByGopacket(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite, esn bool) {
		out, _ := newPair(t, s, esn)
		out.startAt(0xbeef)
		datagram := mustSeal(t, out, innerEcho(t, 40), 4)
		packet := gopacket.NewPacket(datagram, layers.LayerTypeIPSecESP, gopacket.Default)
		esp, ok := packet.Layer(layers.LayerTypeIPSecESP).(*layers.IPSecESP)
		if !ok {
			t.Fatalf("not read as ESP: %v", packet)
		}
		if esp.SPI != testSPI || esp.Seq != 0xbeef || len(esp.Encrypted) != len(datagram)-HeaderLen {
			t.Errorf("SPI %#x, sequence number %#x, %d bytes encrypted; want %#x, 0xbeef, %d",
				esp.SPI, esp.Seq, len(esp.Encrypted), testSPI, len(datagram)-HeaderLen)
		}
	})
}

// Wireshark, given the key, decrypts what we seal, checks the ICV and finds the
// trailer and the inner packet. It knows ESP with AES-GCM, not with ChaCha20.
func TestReadByTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	for _, s := range []Suite{AES256GCM, AES128GCM} {
		t.Run(s.String(), func(t *testing.T) {
			out, _ := newPair(t, s, false)
			out.startAt(77)
			file := filepath.Join(t.TempDir(), "esp.pcap")
			writePcap(t, file, outer(t, mustSeal(t, out, innerEcho(t, 41), 4)))

			sa := fmt.Sprintf(`uat:esp_sa:"IPv4","*","*","0x%08x","AES-GCM with 16 octet ICV [RFC4106]","0x%s","NULL",""`,
				uint32(testSPI), hex.EncodeToString(keymat(s)))
			cmd := exec.Command(tshark, "-r", file, "-o", "esp.enable_encryption_decode:TRUE",
				"-o", "esp.enable_authentication_check:TRUE", "-o", sa, "-T", "fields", "-E", "separator=|",
				"-e", "esp.spi", "-e", "esp.sequence", "-e", "esp.pad_len", "-e", "esp.protocol", "-e", "esp.icv_good",
				"-e", "ip.src", "-e", "ip.dst", "-e", "icmp.type", "-e", "icmp.checksum.status")
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
			var stderr strings.Builder
			cmd.Stderr = &stderr
			output, err := cmd.Output()
			if err != nil {
				t.Fatalf("tshark: %v\n%s", err, stderr.String())
			}
			const want = "0xc0ffee01|77|1|0x04|1|192.0.2.1,10.1.0.7|192.0.2.2,10.2.0.9|8|1"
			if got := strings.TrimSpace(string(output)); got != want {
				t.Errorf("tshark reads %s\nwant         %s\n%s", got, want, stderr.String())
			}
		})
	}
}

func writePcap(t *testing.T, path string, packet []byte) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65536, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	info := gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: len(packet), Length: len(packet)}
	if err := w.WritePacket(info, packet); err != nil {
		t.Fatal(err)
	}
}

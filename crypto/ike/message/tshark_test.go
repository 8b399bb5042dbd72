package message

import (
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

// writePcap puts msg into a capture file as a UDP datagram to port 500.
func writePcap(t *testing.T, msg []byte) string {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{192, 0, 2, 1}, DstIP: net.IP{192, 0, 2, 2}}
	udp := &layers.UDP{SrcPort: 500, DstPort: 500}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, udp, gopacket.Payload(msg)); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "message.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65535, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	n := len(buf.Bytes())
	if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(0, 0), CaptureLength: n, Length: n}, buf.Bytes()); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestTshark has every sample read by a dissector that nobody here wrote.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed: the second reader of marshalled messages is left out")
	}
	payloads := plainSamples()
	for i, p := range payloads {
		if p.PayloadType() == PayloadCERT { // tshark takes every other encoding for a certificate
			payloads[i] = &CERT{Encoding: CertHashURL, Data: []byte("01234567890123456789http://ca.example/1")}
		}
	}
	msg, err := Marshal(&Message{
		Header:   Header{InitiatorSPI: 0x0102030405060708, Version: Version2, Exchange: ExchangeIKESAInit, Flags: FlagInitiator, MessageID: 9},
		Payloads: payloads,
	})
	if err != nil {
		t.Fatal(err)
	}
	fields := []struct{ name, want string }{
		{"isakmp.ispi", "0102030405060708"},
		{"isakmp.version", "0x20"},
		{"isakmp.exchangetype", "34"},
		{"isakmp.flags", "0x08"},
		{"isakmp.messageid", "0x00000009"},
		{"isakmp.prop.number", "1,2"},
		{"isakmp.prop.protoid", "1,3"},
		{"isakmp.prop.transforms", "3,2"},
		{"isakmp.tf.type", "1,2,4,1,5"},
		{"isakmp.tf.id.encr", "20,28"},
		{"isakmp.tf.id.prf", "5"},
		{"isakmp.tf.id.dh", "31"},
		{"isakmp.tf.id.esn", "0"},
		{"isakmp.ike2.attr.type", "14,15,16"},
		{"isakmp.ike2.attr.key_length", "256"},
		{"isakmp.key_exchange.dh_group", "19"},
		{"isakmp.id.type", "2,1"},
		{"isakmp.id.data.fqdn", "gw-a.example"},
		{"isakmp.id.data.ipv4_addr", "192.0.2.1"},
		{"isakmp.cert.encoding", "12"},
		{"isakmp.cert.x509.url", "http://ca.example/1"},
		{"isakmp.certreq.type", "4"},
		{"isakmp.auth.method", "2"},
		{"isakmp.nonce", "7369787465656e206279746573202e2e"},
		{"isakmp.notify.protoid", "0,3"},
		{"isakmp.notify.msgtype", "16390,16393"},
		{"isakmp.delete.protoid", "1,3"},
		{"isakmp.spinum", "0,2"},
		{"isakmp.ts.number", "2,1"},
		{"isakmp.ts.type", "7,10,8"},
		{"isakmp.ts.start_port", "80,65535"},
		{"isakmp.ts.end_port", "443,0"},
		{"isakmp.ts.start_ipv4", "10.1.0.0"},
		{"isakmp.ts.end_ipv4", "10.1.255.255"},
		{"isakmp.ts.end_ipv6", "2001:db8::ffff"},
		{"_ws.malformed", ""},
		{"_ws.expert.message", ""}, // warnings of any kind
	}
	args := []string{"-r", writePcap(t, msg), "-T", "fields", "-E", "occurrence=a", "-E", "separator=/t"}
	for _, f := range fields {
		args = append(args, "-e", f.name)
	}
	out, err := exec.Command(tshark, args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\t")
	if len(got) != len(fields) {
		t.Fatalf("tshark printed %d fields of %d: %q", len(got), len(fields), out)
	}
	for i, f := range fields {
		if got[i] != f.want {
			t.Errorf("%s: tshark reads %q, want %q", f.name, got[i], f.want)
		}
	}
}

package main

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"vpngw/crypto/ike/message"
)

// TestJunk: the kinds are what they are called, all of one kind of one length.
func TestJunk(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const spi = 0xc0ffee
	for _, kind := range junkKinds {
		lengths := map[int]bool{}
		for range 200 {
			b := kind.build(r, spi)
			lengths[len(b)] = true
			first := binary.BigEndian.Uint32(b)
			switch {
			case strings.HasPrefix(kind.name, "ESP, known") && first != spi,
				strings.HasPrefix(kind.name, "ESP, unknown") && (first == spi || first < 256):
				t.Errorf("%s: SPI %x", kind.name, first)
			case strings.HasPrefix(kind.name, "IKE"):
				checkIKE(t, kind.name, b)
			}
		}
		if len(lengths) != 1 {
			t.Errorf("%s: lengths %v", kind.name, lengths)
		}
	}
}

// checkIKE reads a message with the gateway's codec.
func checkIKE(t *testing.T, kind string, b []byte) {
	t.Helper()
	h, err := message.ParseHeader(b[markerLen:])
	if binary.BigEndian.Uint32(b) != 0 || err != nil || int(h.Length) != len(b)-markerLen || h.InitiatorSPI == 0 || h.Flags != message.FlagInitiator {
		t.Fatalf("%s: header %+v of %d bytes, %v", kind, h, len(b), err)
	}
	m, err := message.Parse(b[markerLen:])
	switch kind {
	case "IKE_SA_INIT":
		if err != nil || len(m.Payloads) != 6 || h.Exchange != message.ExchangeIKESAInit {
			t.Fatalf("%s: %v", kind, err)
		}
		sa, _ := m.Payloads[0].(*message.SA)
		ke, _ := m.Payloads[1].(*message.KE)
		if sa == nil || len(sa.Proposals[0].Transforms) != 3 || ke == nil || len(ke.Data) != 32 {
			t.Fatalf("%s: payloads %+v", kind, m.Payloads)
		}
	case "IKE_SA_INIT, garbage inside":
		if err == nil {
			t.Errorf("%s: it can be read", kind)
		}
	default:
		if err != nil || h.NextPayload != message.PayloadSK || h.ResponderSPI == 0 {
			t.Errorf("%s: %+v, %v", kind, h, err)
		}
	}
}

// TestWrap has gopacket judge headers and checksums, for odd lengths too.
func TestWrap(t *testing.T) {
	from, to := netip.MustParseAddrPort("198.51.100.7:4500"), netip.MustParseAddrPort("192.0.2.2:4599")
	for n := range 40 {
		payload := randomBytes(rand.New(rand.NewPCG(3, uint64(n))), n)
		b := wrap(from, to, payload)
		p := gopacket.NewPacket(b, layers.LayerTypeIPv4, gopacket.Default)
		ip, _ := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		udp, _ := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		if ip == nil || udp == nil || string(udp.Payload) != string(payload) || ip.SrcIP.String() != "198.51.100.7" || udp.DstPort != 4599 {
			t.Fatalf("%d bytes: %v", n, p)
		}
		if onesSum(0, b[:ipv4Len]) != 0xffff {
			t.Errorf("%d bytes: IPv4 checksum", n)
		}
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		if err, wrong := p.VerifyChecksums(); err != nil || len(wrong) > 0 {
			t.Errorf("%d bytes: %v, wrong checksums %v", n, err, wrong)
		}
	}
}

func TestFloodCases(t *testing.T) {
	if got := len(floodCases("")); got != 2*len(junkKinds)+1 {
		t.Errorf("%d cases", got)
	}
	if got := floodCases("from many"); len(got) != 1 || got[0].String() != "IKE_SA_INIT from many addresses" {
		t.Errorf("cases %v", got)
	}
	if got := floodCases("no such case"); got != nil {
		t.Errorf("cases %v", got)
	}
}

func TestFloodBars(t *testing.T) {
	cases := floodCases("IKE_AUTH")
	good := func() (rounds []floodRound) {
		for round, gbit := range []float64{5, 7, 6} {
			for _, c := range cases {
				rounds = append(rounds,
					floodRound{Case: c.String(), Round: round, Gbit: gbit, Sent: 50_000},
					floodRound{Case: c.String(), Round: round, Listening: true, Gbit: 0.95 * gbit, Sent: 49_000,
						Length: 100, Datagrams: 1000, Grown: 5 << 20, Replies: replies{Count: 10, Bytes: 1000, Longest: 100}})
			}
		}
		return rounds
	}
	verdicts := judgeFloods(cases, good())
	if v := verdicts[0]; math.Abs(v.with-5.7) > 1e-9 || v.without != 6 || v.rate != 49_000 || v.replies != 30 || v.replyShare != 0.01 {
		t.Errorf("verdict %+v", v)
	}
	if got := missed(floodBars(verdicts)); got != nil {
		t.Errorf("missed: %q", got)
	}
	for name, spoil := range map[string]func(*floodRound){
		"TCP ÷":            func(r *floodRound) { r.Gbit *= 0.9 },
		"memory":           func(r *floodRound) { r.Grown = 17 << 20 },
		"replies longer":   func(r *floodRound) { r.Replies.Longest = 101 },
		"bytes of replies": func(r *floodRound) { r.Replies.Bytes = 11_000 },
	} {
		rounds := good()
		for i := range rounds {
			if rounds[i].Listening && rounds[i].Case == cases[1].String() {
				spoil(&rounds[i])
			}
		}
		if got := missed(floodBars(judgeFloods(cases, rounds))); len(got) != 1 || !strings.Contains(got[0], name) {
			t.Errorf("%s: missed %q", name, got)
		}
	}
	if got := missed(floodBars(judgeFloods(cases, nil))); len(got) != len(cases) {
		t.Errorf("without a round: missed %q", got)
	}
}

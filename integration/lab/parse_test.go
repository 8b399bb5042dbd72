package lab

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	c, err := parseStat("cpu  100 20 300 4000 50 6 70 8 0 0\ncpu0 1 2 3\n")
	want := CPU{User: 1.2, System: 3, SoftIRQ: 0.76, Idle: 40.5}
	if err != nil || math.Abs(c.Busy()-want.Busy()) > 1e-9 || c.Idle != want.Idle || c.User != want.User {
		t.Errorf("%+v %v, expected %+v", c, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2", "cpu 1 2 3 4 5 6 x 8\n", "intr 1 2 3 4 5 6 7 8\n"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("took %q", bad)
		}
	}
	if c, err := CPUSeconds(); err != nil || c.Busy() <= 0 || c.Idle <= 0 {
		t.Errorf("this machine: %+v %v", c, err)
	}
}

func TestParseIperf(t *testing.T) {
	// Shortened reports of iperf3 3.12.
	tcp := `{"intervals":[{"sum":{"bits_per_second":9e9,"omitted":true}},{"sum":{"bits_per_second":2e9,"omitted":false}}],
		"end":{"sum_sent":{"seconds":1,"bytes":300000000,"bits_per_second":2.4e9,"retransmits":7},
		"sum_received":{"seconds":1,"bytes":250000000,"bits_per_second":2e9},
		"sum_received_bidir_reverse":{"bytes":125000000,"bits_per_second":1e9},"sum_sent_bidir_reverse":{"retransmits":2}}}`
	r, err := parseIperf([]byte(tcp), false)
	if err != nil || r.Gbit != 2 || r.GbitReverse != 1 || r.Bytes != 375_000_000 || r.Retransmits != 9 || len(r.Intervals) != 1 || r.Intervals[0] != 2 {
		t.Errorf("TCP: %+v %v", r, err)
	}
	udp := `{"end":{"sum":{"seconds":2,"bytes":1000000,"bits_per_second":4e6,"jitter_ms":0.5,"lost_packets":25,"packets":1000},
		"sum_sent":{"bytes":1000000},"sum_received":{"bytes":1000000,"bits_per_second":4e6}}}`
	r, err = parseIperf([]byte(udp), false)
	if err != nil || r.LossPercent() != 2.5 || math.Abs(r.Gbit-0.0039) > 1e-9 || r.Bytes != 975_000 || r.Jitter != 0.5 {
		t.Errorf("UDP: %+v %v", r, err)
	}
	for _, bad := range []string{"", "{", `{"error":"unable to connect to server"}`} {
		if _, err := parseIperf([]byte(bad), false); err == nil {
			t.Errorf("took %q", bad)
		}
	}
}

func TestIperfArguments(t *testing.T) {
	address := netip.MustParseAddr("10.2.0.2")
	for want, i := range map[string]Iperf{
		"-C cubic":      {},
		"-C bbr":        {Congestion: "bbr"},
		"-t 9 -P 4":     {Seconds: 9, Streams: 4},
		"-u -R -b 100M": {UDP: true, Reverse: true, RateMbit: 100},
		"--bidir":       {Bidirectional: true},
		"-l 64 -O 1":    {Length: 64, OmitSeconds: 1},
	} {
		i.Address = address
		if got := strings.Join(i.clientArgs(5201), " "); !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}

func TestListens(t *testing.T) {
	table := `  sl  local_address rem_address   st tx_queue
   0: 0202000A:1451 00000000:0000 0A 00000000:00000000
   1: 0202000A:1452 0102000A:1453 01 00000000:00000000
`
	if !listens(table, 0x1451) || listens(table, 0x1452) || listens(table, 0x1453) {
		t.Error("a listener is a local port in state 0A, nothing else")
	}
}

func TestEchoReply(t *testing.T) {
	v4 := append([]byte{0x45, 19: 0}, 0, 0, 1, 2, 0xab, 0xcd, 0, 9)
	for what, c := range map[string]struct {
		b  []byte
		ok bool
	}{
		"IPv4 with header":  {v4, true},
		"IPv6 or stripped":  {[]byte{129, 0, 1, 2, 0xab, 0xcd, 0, 9}, true},
		"a request":         {[]byte{8, 0, 1, 2, 0xab, 0xcd, 0, 9}, false},
		"another's":         {[]byte{0, 0, 1, 2, 0xab, 0xce, 0, 9}, false},
		"short":             {[]byte{0, 0, 1, 2, 0xab}, false},
		"header that lies":  {[]byte{0x4f, 0, 0, 0}, false},
		"nothing":           {nil, false},
		"another ICMP code": {[]byte{0, 1, 1, 2, 0xab, 0xcd, 0, 9}, false},
	} {
		seq, ok := parseEchoReply(c.b, 0xabcd)
		if ok != c.ok || ok && seq != 9 {
			t.Errorf("%s: %d %t", what, seq, ok)
		}
	}
	// RFC 1071 §3's example, and an odd length.
	if got := onesComplementSum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Errorf("checksum %04x", got)
	}
	if got := onesComplementSum([]byte{1}); got != ^uint16(0x0100) {
		t.Errorf("checksum of one byte %04x", got)
	}
}

func TestPingTally(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(100, 0).Add(time.Duration(ms) * time.Millisecond) }
	tally := pingTally{sent: []time.Time{at(0), at(10), at(20)}, seen: make([]bool, 3)}
	for _, r := range []reply{{0, at(1)}, {2, at(50)}, {2, at(51)}, {9, at(60)}} {
		tally.add(r)
	}
	got := tally.result()
	want := PingResult{Sent: 3, Received: 2, Duplicates: 1, Min: time.Millisecond, Max: 30 * time.Millisecond,
		Mean: 15500 * time.Microsecond, Median: 30 * time.Millisecond, P99: 30 * time.Millisecond, LongestGap: 49 * time.Millisecond}
	if got != want {
		t.Errorf("%+v, expected %+v", got, want)
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", "")
	if _, err := lookTool("sh"); err != nil {
		t.Errorf("a program of the system is not found without PATH: %v", err)
	}
	if _, err := lookTool("no-such-program-of-vpngw"); err == nil {
		t.Error("found a program that does not exist")
	}
	if m := Missing("no-such-program-of-vpngw"); len(m) != 0 {
		t.Errorf("a program that labs do not know is missing: %v", m)
	}
}

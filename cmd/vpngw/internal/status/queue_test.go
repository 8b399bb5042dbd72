package status

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"vpngw/tunnel"
)

// queues is a gateway with a shaped uplink that three tunnels want, and a second one.
func queues() *tunnel.Status {
	kind := func(backlog int64, marks, aqm uint64, p50, p99 float64) tunnel.KindStatus {
		return tunnel.KindStatus{
			BacklogBytes: backlog, Marks: marks, Drops: map[string]uint64{"aqm": aqm, "overload": 1},
			Sojourn: tunnel.SojournStatus{Slices: 100, P50: p50, P99: p99},
		}
	}
	return &tunnel.Status{
		Uplinks: []tunnel.UplinkStatus{
			{Name: "eth0", Queue: "fair", InFlight: 61 << 10, InFlightLimit: 128 << 10, BacklogBytes: 3 << 20, Sends: 949.96e6, Contending: 3, Jain: 0.99849},
			{Name: "wwan0", Queue: "fifo", Rate: 20e6, Contending: 1},
		},
		Tunnels: []tunnel.TunnelStatus{
			{Name: "branch-b", State: "up", Queue: tunnel.QueueStatus{
				LimitedBy: "uplink rate", Sends: 1, Share: .254, Sparse: kind(0, 0, 0, 0.03, 0.1234), Bulk: kind(3<<20, 120, 44, 4.1, 11.8)}},
			{Name: "a-branch-with-a-long-name", State: "rekeying", Queue: tunnel.QueueStatus{
				LimitedBy: "peer socket", Sends: 1, Share: 1, Sparse: kind(1023<<10+950, 12345678, 1e9, 1000, 8388.6), Bulk: kind(0, 0, 1e9, 999.9, 8388.6)}},
			{Name: "branch-c", State: "connecting", Queue: tunnel.QueueStatus{LimitedBy: "nothing"}},
		},
	}
}

const queueScreen = `
uplink             rate              sends     waiting        in flight / limit    Jain index
eth0               unshaped   950.0 Mbit/s     3.0 MiB     61.0 KiB / 128.0 KiB    0.998 of 3
wwan0, fifo        20Mbit        0.0 bit/s         0 B                        –             –

tunnel             limited by   share     waiting    sparse waits      bulk waits    marks    drops
branch-b           uplink rate   25 %     3.0 MiB  0.03 / 0.12 ms  4.10 / 11.8 ms      120       46
a-branch-with-a-…  peer socket  100 %  1023.9 KiB  1000 / 8389 ms  1000 / 8389 ms   12.3 M    2.0 G
branch-c           connecting       –         0 B               –               –        0        0

Waits are the median / 99 % of the last seconds; marks and drops all that the queue made.
`

func TestQueueScreen(t *testing.T) {
	var out bytes.Buffer
	printQueues(&out, queues())
	if got := out.String(); got != queueScreen {
		t.Errorf("got\n%s\nwant\n%s", got, queueScreen)
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// TestManyTunnels: each adds one line to the table of queues.
func TestManyTunnels(t *testing.T) {
	s := queues()
	for len(s.Tunnels) < 500 {
		s.Tunnels = append(s.Tunnels, s.Tunnels[0])
	}
	var out bytes.Buffer
	printQueues(&out, s)
	if lines, want := strings.Count(out.String(), "\n"), 500+len(s.Uplinks)+6; lines != want {
		t.Errorf("%d lines, want %d", lines, want)
	}
}

func TestNumbersFitTheirColumns(t *testing.T) {
	for _, n := range []uint64{0, 9999999, 10000000, 999949999, 999950000, 1 << 40, 1<<64 - 1} {
		if s := count(n); len(s) > 7 {
			t.Errorf("%d is written %q", n, s)
		}
	}
	for _, v := range []float64{0, 999.94, 999.95, 1e6, 999.96e9, 1e15} {
		if s := bitrate(v); len(s) > 12 {
			t.Errorf("%v is written %q", v, s)
		}
	}
	for _, ms := range []float64{0, 0.004, 9.994, 9.996, 99.94, 99.96, 8388.608} {
		if s := milliseconds(ms); len(s) > 4 {
			t.Errorf("%v ms is written %q", ms, s)
		}
	}
}

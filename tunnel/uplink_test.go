package tunnel

import (
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/tunnel/lane"
	"vpngw/tunnel/meter"
)

// three is a gateway of three tunnels with one lane that does not run.
func three(t *testing.T) *Gateway {
	t.Helper()
	c := valid()
	c.Uplink = Uplink{Rate: 950e6, Overhead: 14}
	c.Uplinks = map[string]Uplink{"wwan0": {Rate: 20e6}}
	for _, name := range []string{"c", "d"} {
		more := c.Tunnels[0]
		more.Name = name
		c.Tunnels = append(c.Tunnels, more)
	}
	c.Tunnels[2].Weight = 2
	g, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	lanes, err := lane.NewGroup(lane.Config{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lanes.Close)
	g.useLanes(lanes)
	return g
}

// settled has the lane do what it was told.
func settled(t *testing.T, g *Gateway) {
	t.Helper()
	done := make(chan error)
	go func() { done <- g.lanes.Lanes()[0].Run() }()
	g.lanes.Stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestLaneTunnel: what the lane must know of a tunnel's configuration reaches it.
func TestLaneTunnel(t *testing.T) {
	c := valid()
	c.Fairness.NoECN, c.Tunnels[0].CopyDSCP = true, true
	for _, want := range []bool{true, false} {
		g, err := New(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if l := g.tunnels[0].lane; l.NoECN != want || l.CopyDSCP != want || l.Name != "b" {
			t.Errorf("want %v: NoECN %v, CopyDSCP %v", want, l.NoECN, l.CopyDSCP)
		}
		c.Fairness.NoECN, c.Tunnels[0].CopyDSCP = false, false
	}
}

// TestUplinkFollowsTheRoute: tunnels of one interface share an uplink with the settings
// of that interface, and one whose route changes gets another.
func TestUplinkFollowsTheRoute(t *testing.T) {
	g := three(t)
	g.tunnels[0].link, g.tunnels[1].link = "eth0", "eth0"
	g.openUplinks()
	b, c, d := g.tunnels[0], g.tunnels[1], g.tunnels[2]
	if b.uplink != c.uplink || b.uplink.cfg != g.cfg.Uplink {
		t.Errorf("b is on %+v, c on %+v", b.uplink, c.uplink)
	}
	if d.uplink == nil || d.uplink.name != "" {
		t.Errorf("d, whose path is not known, is on %+v", d.uplink)
	}
	if up := g.queueStatuses(t).Uplinks; len(up) != 1 || up[0].Name != "eth0" || len(up[0].Shares) != 2 {
		t.Errorf("status shows the uplinks %+v", up)
	}
	d.link, c.link = "wwan0", "wwan0"
	c.recent.Add(time.Now(), meter.Tunnel{})
	g.useUplink(c)
	g.useUplink(d)
	if c.uplink != d.uplink || c.uplink.cfg != (Uplink{Rate: 20e6}) || c.uplink == b.uplink {
		t.Errorf("after the change b is on %+v, c on %+v, d on %+v", b.uplink, c.uplink, d.uplink)
	}
	if c.recent.Len() != 0 {
		t.Error("samples of another queue's counters are kept")
	}
	settled(t, g)
	for _, tn := range g.tunnels {
		if l := tn.uplink.lanes[0].Load(); l == nil || l.Name != tn.link || tn.lane.Queue() == nil {
			t.Errorf("the lane has %s on %+v", tn.cfg.Name, l)
		}
	}
	var names []string
	for _, u := range g.queueStatuses(t).Uplinks {
		names = append(names, u.Name)
	}
	if got := strings.Join(names, " "); got != "eth0 wwan0" {
		t.Errorf("status shows the uplinks %q", got)
	}
}

// TestMeasureFindsTheUplink asks the kernel.
func TestMeasureFindsTheUplink(t *testing.T) {
	g := three(t)
	tn := g.tunnels[0]
	tn.remote = netip.MustParseAddrPort("127.0.0.2:4500")
	tn.source = netip.MustParseAddr("127.0.0.1")
	g.measure(tn)
	if tn.link != "lo" || tn.uplink == nil || tn.uplink.name != "lo" || tn.inner == 0 {
		t.Errorf("a peer on the loopback is reached by %q on %+v", tn.link, tn.uplink)
	}
	tn.source = netip.MustParseAddr("203.0.113.77") // which is not ours any more
	tn.link = ""
	if g.measure(tn); tn.link != "lo" {
		t.Errorf("without the address that was the source: %q", tn.link)
	}
	tn.source, tn.remote = netip.Addr{}, netip.MustParseAddrPort("[2001:db8:ffff::1]:4500")
	if g.measure(tn); tn.link == "" || tn.uplink == nil {
		t.Error("a peer that is not reached for now takes the tunnel from its uplink")
	}
}

// queueStatuses is the part of the status that needs no TUN device.
func (g *Gateway) queueStatuses(t *testing.T) *Status {
	t.Helper()
	s := new(Status)
	for _, tn := range g.tunnels {
		s.Tunnels = append(s.Tunnels, g.tunnelStatus(tn, time.Now()))
	}
	s.Uplinks = g.uplinkStatus(s.Tunnels)
	return s
}

// TestQueueStatus: two tunnels that contend at the shaper and one that asks for little,
// from made-up samples to the JSON.
func TestQueueStatus(t *testing.T) {
	g := three(t)
	for _, tn := range g.tunnels {
		tn.link = "eth0"
	}
	g.openUplinks()
	settled(t, g)
	now := time.Now()
	u := g.tunnels[0].uplink
	for i := range 5 {
		at := now.Add(time.Duration(i) * time.Second)
		sent := func(bytes uint64, backlog int64) meter.Tunnel {
			w := meter.Waits{13: uint64(100 * i)} // under 8.192 ms
			return meter.Tunnel{Bytes: bytes * uint64(i), Backlog: backlog, Bulk: w}
		}
		u.recent.Add(at, meter.Uplink{ByRate: time.Duration(i) * 900 * time.Millisecond})
		g.tunnels[0].recent.Add(at, sent(1e6, 5e5))
		g.tunnels[1].recent.Add(at, sent(1e6, 0))
		g.tunnels[2].recent.Add(at, sent(2e6, 5e5)) // weight 2
	}
	s := g.queueStatuses(t)
	b, c, d := s.Tunnels[0].Queue, s.Tunnels[1].Queue, s.Tunnels[2].Queue
	if b.LimitedBy != "uplink rate" || c.LimitedBy != "nothing" || d.LimitedBy != "uplink rate" {
		t.Errorf("limited by %q, %q, %q", b.LimitedBy, c.LimitedBy, d.LimitedBy)
	}
	if b.Share != .25 || d.Share != .5 || b.Sends != 8e6 || b.Recent != 4 || b.Uplink != "eth0" {
		t.Errorf("b: %+v, d: %+v", b, d)
	}
	if j := b.Bulk.Sojourn; j.Slices != 400 || j.Max != 8.192 || j.P50 < 4.096 || j.P50 > j.P99 || j.P99 > j.Max {
		t.Errorf("sojourn %+v", j)
	}
	up := s.Uplinks[0]
	if math.Abs(up.Jain-1) > 1e-9 || up.Contending != 2 || up.Sends != 32e6 || up.Queue != "fair" || up.Rate != 950e6 || len(up.Shares) != 3 || up.Shares[1].Contended {
		t.Errorf("uplink %+v", up)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"limited_by":"uplink rate"`, `"sparse":{"backlog_bytes":0`, `"drops":{"aqm":0,"overload":0}`, `"histogram_log2_us":[]`,
		`"shares":[{"tunnel":"b","weight":1,"share":0.25,"contended":true}`, `"in_flight_limit":`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

// TestSamples: taken once a second, of counters that the lane counts.
func TestSamples(t *testing.T) {
	g := three(t)
	g.tunnels[0].link = "eth0"
	g.openUplinks()
	settled(t, g)
	now := time.Now()
	g.sampleAt = now
	if wait := g.untilDeadline(); wait > time.Second {
		t.Errorf("the first sample is in %v", wait)
	}
	g.onTime(t.Context(), now)
	if !g.sampleAt.Equal(now.Add(sampleInterval)) || g.tunnels[0].recent.Len() != 1 || g.tunnels[0].uplink.recent.Len() != 1 {
		t.Errorf("next at %v, %d samples", g.sampleAt, g.tunnels[0].recent.Len())
	}
	k := g.tunnels[0].lane.Queue()
	k.Kind[0].Bytes.Add(100)
	k.Kind[1].Bytes.Add(200)
	k.Kind[1].Waits[3].Add(7)
	k.Kind[1].Backlog.Add(1000)
	k.Throttled.Add(int64(time.Second))
	k.Blocked.Add(int64(time.Second))
	g.onTime(t.Context(), now.Add(sampleInterval/2))
	g.onTime(t.Context(), now.Add(sampleInterval))
	if g.tunnels[0].recent.Len() != 2 {
		t.Fatalf("%d samples", g.tunnels[0].recent.Len())
	}
	want := meter.Tunnel{Bytes: 300, Backlog: 1000, ByRate: time.Second, Blocked: time.Second, Bulk: meter.Waits{3: 7}}
	if got := *g.tunnels[0].recent.At(1); got != want {
		t.Errorf("sample %+v, want %+v", got, want)
	}
	k.BlockedSince.Store(1)
	if s := g.tunnelSample(k, now.Add(time.Hour)); s.Blocked < time.Hour {
		t.Errorf("a socket that is full since the start was so for %v after an hour", s.Blocked)
	}
}

package tunnel

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/crypto/ike"
)

func TestRepeats(t *testing.T) {
	var r repeats
	now := time.Unix(1000, 0)
	for i, c := range []struct {
		after  time.Duration
		text   string
		ok     bool
		unsaid int
	}{
		{0, "a", true, 0},
		{time.Second, "a", false, 0},
		{time.Second, "a", false, 0},
		{time.Second, "b", true, 0},
		{time.Second, "b", false, 0},
		{58 * time.Second, "b", false, 0},
		{time.Second, "b", true, 2},
		{time.Second, "b", false, 0},
		{time.Hour, "b", true, 1},
		{time.Hour, "b", true, 0},
	} {
		now = now.Add(c.after)
		if unsaid, ok := r.say(c.text, now); ok != c.ok || unsaid != c.unsaid {
			t.Errorf("step %d: %d unsaid, said %v; want %d, %v", i, unsaid, ok, c.unsaid, c.ok)
		}
	}
}

// TestFailingRetriesAreSaidOnce holds the log to one line for retries that fail alike,
// whoever makes them.
func TestFailingRetriesAreSaidOnce(t *testing.T) {
	var log strings.Builder
	g, err := New(valid(), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		g.down(ike.Down{ID: 0, Reason: ike.Reason{Code: ike.ReasonNoResponse}})
		g.refused(ike.Refused{IDs: []ike.PeerID{0}, Reason: ike.Reason{Code: ike.ReasonAuth, Detail: "who are you"}})
		g.refused(ike.Refused{Remote: netip.MustParseAddrPort("192.0.2.9:1"), Reason: ike.Reason{Code: ike.ReasonAuth, Detail: time.Now().String()}})
	}
	if n := strings.Count(log.String(), "\n"); n != 3 {
		t.Errorf("%d lines, want one of each:\n%s", n, log.String())
	}
	g.down(ike.Down{ID: 0, Reason: ike.Reason{Code: ike.ReasonAuth}})
	if n := strings.Count(log.String(), "tunnel is down"); n != 2 {
		t.Errorf("another reason is not said:\n%s", log.String())
	}
}

// TestRefusedIsInStatus: who was turned away shows in the tunnel that it seems to be
// about, until the tunnel is up.
func TestRefusedIsInStatus(t *testing.T) {
	c := valid()
	c.Tunnels = append(c.Tunnels, c.Tunnels[0])
	c.Tunnels[1].Name = "other"
	g, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	g.refused(ike.Refused{IDs: []ike.PeerID{1}, Reason: ike.Reason{Code: ike.ReasonAuth, Detail: "192.0.2.2:4500 says that it is x"}})
	if s := g.tunnelStatus(g.tunnels[0], time.Now()); s.Refused != "" || s.RefusedAgo != -1 {
		t.Errorf("a tunnel that it is not about: %q, %v", s.Refused, s.RefusedAgo)
	}
	s := g.tunnelStatus(g.tunnels[1], time.Now().Add(7*time.Second))
	if !strings.Contains(s.Refused, "192.0.2.2:4500 says that it is x") || s.RefusedAgo < 6.9 || s.RefusedAgo > 60 {
		t.Errorf("%q, %v s ago", s.Refused, s.RefusedAgo)
	}
	g.tunnels[1].cameUp()
	if s := g.tunnelStatus(g.tunnels[1], time.Now()); s.Refused != "" {
		t.Errorf("up, and still %q", s.Refused)
	}
}

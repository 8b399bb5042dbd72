package tunnel

import (
	"net/netip"
	"testing"
	"time"

	"vpngw/tunnel/lane"
)

// path drives a strand by what the lanes would tell of its path.
type path struct {
	*testing.T
	g    *Gateway
	s    *strand
	now  time.Time
	lane int64 // time of the lanes
}

func newPath(t *testing.T) *path {
	g, s := spreadGateway(t)
	g.cfg.Port = 0 // any that is free
	return &path{t, g, s, time.Now(), 0}
}

func (p *path) passes(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); p.now = p.now.Add(100 * time.Millisecond) {
		p.g.tendStrands(p.s.tunnel, p.now)
		p.lane += int64(100 * time.Millisecond)
	}
}

// answers is the peer's answer to what is asked now, by the strand or by the tunnel itself.
func (p *path) answers(l *lane.Tunnel) {
	p.g.pathAnswered(lane.PathAnswered{Tunnel: l, Asked: p.lane}, p.now)
}

// silent is a question on the strand without an answer.
func (p *path) silent() {
	p.lane++
	p.g.strandSilent(p.s, lane.PathSilent{Tunnel: p.s.lane, Asked: p.lane}, p.now)
	p.lane++
}

// dies is the path of the strand that dies alone.
func (p *path) dies() {
	p.silent()
	p.answers(p.s.tunnel.lane)
	p.silent()
}

func (p *path) expect(what string, inUse, open bool) {
	p.Helper()
	if s := p.s; s.inUse != inUse || s.remote.IsValid() != open || open && s.opener && s.remote != s.tunnel.remote {
		p.Errorf("%s: in use %v, connected to %v", what, s.inUse, s.remote)
	}
	if p.s.inUse == (p.s.reason() != "") {
		p.Errorf("%s: in use %v, because %q", what, p.s.inUse, p.s.reason())
	}
}

// TestStrandOpener follows a strand that we open: it carries packets once it was answered,
// and none when its path is dead, the tunnel down or a child missing.
func TestStrandOpener(t *testing.T) {
	p := newPath(t)
	g, s := p.g, p.s
	g.strandInstalls(s, true)
	p.expect("installed", false, false)
	g.strandSends(s, true, p.now)
	p.expect("has a child", false, true)
	if port := s.local.Port(); port == 0 || port == 4500 || s.beatAt.Sub(p.now) != strandRest {
		t.Errorf("from port %d, the next question in %v", port, s.beatAt.Sub(p.now))
	}
	g.strandHeard(s, p.now)
	p.expect("heard", false, true)
	p.answers(s.lane)
	p.expect("answered", true, true)
	p.passes(time.Minute)
	p.expect("idle", true, true)
	p.silent()
	p.expect("silent, as all may be", true, true)
	p.answers(s.lane)
	p.answers(s.tunnel.lane)
	p.expect("answered after all", true, true)
	p.silent()
	p.answers(s.tunnel.lane)
	p.answers(s.lane)
	p.silent()
	p.expect("answered after the tunnel itself, at the end of an outage", true, true)
	p.answers(s.lane)
	p.dies()
	p.expect("dead", false, true)
	if s.lost != 1 || s.beatAt.Sub(p.now) != strandRest {
		t.Errorf("lost %d times, tried again in %v", s.lost, s.beatAt.Sub(p.now))
	}
	p.answers(s.lane)
	p.expect("answered again", true, true)
	g.strandMoved(s, lane.Moved{Remote: netip.MustParseAddrPort("127.0.0.1:1")}, p.now)
	p.expect("the other end seems to be elsewhere", true, true)
	g.followTunnel(s.tunnel, p.now)
	p.expect("the same addresses", true, true)
	s.tunnel.remote = netip.MustParseAddrPort("127.0.0.1:45998")
	g.followTunnel(s.tunnel, p.now)
	p.expect("another address of the peer", false, true)
	p.answers(s.lane)
	g.strandSends(s, false, p.now)
	p.expect("no child", false, true)
	g.strandSends(s, true, p.now)
	p.expect("another child", true, true)
	g.strandInstalls(s, false)
	p.expect("now the peer opens", false, false)
	p.answers(s.lane)
	p.expect("an answer from before", false, false)
	g.closeStrands(s.tunnel)
	p.expect("down", false, false)
	if !s.beatAt.IsZero() {
		t.Error("a strand that is down goes on")
	}
}

// TestStrandOfPeer follows a strand that the peer opens: it is connected to where the peer
// was heard.
func TestStrandOfPeer(t *testing.T) {
	p := newPath(t)
	g, s := p.g, p.s
	g.strandInstalls(s, false)
	g.strandHeard(s, p.now)
	g.strandSends(s, true, p.now)
	if s.remote.IsValid() || s.inUse {
		t.Errorf("connected to %v before it is known where", s.remote)
	}
	for _, port := range []uint16{40001, 40002} {
		at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
		g.strandMoved(s, lane.Moved{Local: netip.MustParseAddrPort("127.0.0.1:4500"), Remote: at}, p.now)
		if s.remote != at || s.inUse != (port == 40002) {
			t.Errorf("heard from %v, connected to %v, in use %v", at, s.remote, s.inUse)
		}
		p.answers(s.lane)
		p.expect("answered", true, true)
	}
	p.dies()
	s.beatAt = time.Time{}
	g.strandHeard(s, p.now)
	if !s.beatAt.IsZero() {
		t.Error("it is tried again at once, since the peer is heard")
	}
	p.now = p.now.Add(strandRest)
	if g.strandHeard(s, p.now); s.beatAt.IsZero() {
		t.Error("it is not tried again, although the peer is heard")
	}
	g.closeStrands(s.tunnel)
	s.tunnel.up = false
	g.strandMoved(s, lane.Moved{Local: netip.MustParseAddrPort("127.0.0.1:4500"), Remote: netip.MustParseAddrPort("127.0.0.1:40003")}, p.now)
	if s.remote.IsValid() {
		t.Error("a strand of a tunnel that is down is connected")
	}
}

// TestStrandOutage: where nothing is answered, the tunnel itself included, the strand stays
// in use; an answer to what the tunnel asked before the strand does not count.
func TestStrandOutage(t *testing.T) {
	p := newPath(t)
	p.g.strandInstalls(p.s, true)
	p.g.strandSends(p.s, true, p.now)
	p.answers(p.s.lane)
	for range 20 {
		before := p.lane
		p.silent()
		p.g.pathAnswered(lane.PathAnswered{Tunnel: p.s.tunnel.lane, Asked: before}, p.now)
		p.passes(time.Second)
	}
	p.expect("an outage", true, true)
	p.answers(p.s.lane)
	p.answers(p.s.tunnel.lane)
	p.expect("its end", true, true)
	if p.s.lost != 0 {
		t.Errorf("lost %d times", p.s.lost)
	}
}

// TestStrandTriedAgain: a dead path is tried again less and less often, after a few times
// from another port. One that dies again and again is tried less often, too, and one that
// was well for long at once.
func TestStrandTriedAgain(t *testing.T) {
	p := newPath(t)
	p.g.strandInstalls(p.s, true)
	p.g.strandSends(p.s, true, p.now)
	p.answers(p.s.lane)
	ports := map[uint16]bool{p.s.local.Port(): true}
	p.dies()
	var waits []time.Duration
	last := p.now
	for len(waits) < 8 {
		due := p.s.beatAt
		p.passes(100 * time.Millisecond)
		if p.s.beatAt != due {
			waits = append(waits, p.now.Sub(last))
			last = p.now
			ports[p.s.local.Port()] = true
		}
	}
	for i, least := range []time.Duration{2, 4, 8, 16, 32, 60, 60, 60} {
		if d := waits[i] - least*time.Second; d < 0 || d > 500*time.Millisecond {
			t.Errorf("try %d after %v, want %v", i+1, waits[i], least*time.Second)
		}
	}
	if n := len(ports); n < 4 {
		t.Errorf("from %d ports", n)
	}
	p.answers(p.s.lane)
	for i, want := range []time.Duration{4, 8, 16} {
		p.passes(time.Second)
		p.dies()
		if got := p.s.beatAt.Sub(p.now); got != want*time.Second {
			t.Errorf("lost again, time %d: tried again in %v, want %v", i+1, got, want*time.Second)
		}
		p.answers(p.s.lane)
	}
	p.passes(strandWell)
	p.dies()
	if got := p.s.beatAt.Sub(p.now); got != strandRest || p.s.lost != 5 {
		t.Errorf("lost after it was well: tried again in %v, lost %d times", got, p.s.lost)
	}
}

// TestStrandOpenedByTheOther: where nothing gets through from the end that opens a strand,
// the other one does, and the first follows.
func TestStrandOpenedByTheOther(t *testing.T) {
	other, opener := newPath(t), newPath(t)
	at := netip.MustParseAddrPort("127.0.0.1:40001")
	for _, p := range []*path{other, opener} {
		p.g.strandInstalls(p.s, p == opener)
		p.g.strandSends(p.s, true, p.now)
		p.passes(5 * time.Second)
	}
	opener.g.strandMoved(opener.s, lane.Moved{Local: netip.MustParseAddrPort("127.0.0.1:4500"), Remote: at}, opener.now)
	other.expect("too early", false, false)
	opener.expect("too early", false, true)
	for _, p := range []*path{other, opener} {
		p.passes(20 * time.Second)
	}
	if other.s.remote != other.s.tunnel.remote {
		t.Errorf("the other end is connected to %v", other.s.remote)
	}
	opener.g.strandMoved(opener.s, lane.Moved{Local: netip.MustParseAddrPort("127.0.0.1:4500"), Remote: at}, opener.now)
	for _, p := range []*path{other, opener} {
		p.answers(p.s.lane)
		if !p.s.inUse || p.s.opener && p.s.remote != at {
			t.Errorf("opener %v: in use %v, connected to %v", p.s.opener, p.s.inUse, p.s.remote)
		}
	}
}

package lane

import (
	"net/netip"
	"testing"
)

// initMessage is an IKE_SA_INIT request as far as the lane looks at it.
func initMessage(cookie bool) []byte {
	m := make([]byte, ikeHeaderLen+8)
	m[ikeExchange] = exchangeInit
	if cookie {
		m[ikeNextPayload] = payloadNotify
		m[ikeHeaderLen+6], m[ikeHeaderLen+7] = notifyCookie>>8, notifyCookie&0xff
	}
	return m
}

// many gives n addresses, no two of which share a cell.
func many(t *testing.T, a *admission, n int) (addresses []netip.Addr) {
	t.Helper()
	taken := map[uint8]bool{}
	for i := 0; len(addresses) < n; i++ {
		at := netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
		if c := a.cell(at); !taken[c] {
			taken[c] = true
			addresses = append(addresses, at)
		}
	}
	return addresses
}

// count tells how many of the senders' messages are let through.
func count(from []netip.Addr, admit func(netip.Addr) bool) (n int) {
	for _, at := range from {
		if admit(at) {
			n++
		}
	}
	return n
}

// TestAdmissionOfRequests: one address uses up only its own share, unknown ones
// together only theirs, and neither that of peers and of those with a cookie.
func TestAdmissionOfRequests(t *testing.T) {
	a := newAdmission()
	everyone := many(t, &a, 200)
	peer, alone, strangers := everyone[0], everyone[1], everyone[2:]
	a.known[peer] = 1
	first, withCookie := initMessage(false), initMessage(true)
	const now = admitWindow
	admit := func(message []byte) func(netip.Addr) bool {
		return func(at netip.Addr) bool { return a.request(now, at, message) }
	}
	again := make([]netip.Addr, 100)
	for i := range again {
		again[i] = alone
	}
	if got := count(again, admit(first)); got != initPerCell {
		t.Errorf("one address: %d requests are let through, want %d", got, initPerCell)
	}
	if got := count(strangers, admit(first)); got != initOthers-initPerCell {
		t.Errorf("many addresses: %d requests are let through, want the %d left", got, initOthers-initPerCell)
	}
	if got := count(strangers, admit(withCookie)); got != initCookies {
		t.Errorf("%d requests with a cookie are let through, want %d", got, initCookies)
	}
	if !a.request(now, peer, first) {
		t.Error("a peer's request drowns in those of others")
	}
	if mapped := netip.AddrFrom16(peer.As16()); !a.request(now, mapped, first) {
		t.Error("a peer's request to an IPv6 socket drowns in those of others")
	}
	if a.request(now+admitWindow-1, strangers[0], first) {
		t.Error("the window ends too early")
	}
	if got := count(strangers, func(at netip.Addr) bool { return a.request(now+admitWindow, at, first) }); got != initOthers {
		t.Errorf("the next window lets %d through, want %d", got, initOthers)
	}
}

// TestAdmissionOfHints: likewise for unknown SPIs.
func TestAdmissionOfHints(t *testing.T) {
	a := newAdmission()
	everyone := many(t, &a, 100)
	peer, strangers := everyone[0], everyone[1:]
	a.known[peer] = 1
	hint := func(at netip.Addr) bool { return a.hint(admitWindow, at) }
	if got := count(append(strangers, strangers...), hint); got != hintOthers {
		t.Errorf("%d hints are let through, want %d", got, hintOthers)
	}
	if got := count([]netip.Addr{peer, peer, peer}, hint); got != hintPerCell {
		t.Errorf("%d hints of a peer are let through, want %d", got, hintPerCell)
	}
}

// TestAdmissionOfStrays: likewise for messages that name no SA.
func TestAdmissionOfStrays(t *testing.T) {
	a := newAdmission()
	everyone := many(t, &a, 100)
	peer, strangers := everyone[0], everyone[1:]
	a.known[peer] = 1
	stray := func(at netip.Addr) bool { return a.stray(admitWindow, at) }
	if got := count(append(strangers, strangers...), stray); got != strayOthers {
		t.Errorf("%d messages are let through, want %d", got, strayOthers)
	}
	if got := count([]netip.Addr{peer, peer, peer, peer, peer, peer}, stray); got != strayPerCell {
		t.Errorf("%d messages of a peer are let through, want %d", got, strayPerCell)
	}
}

// TestAdmissionCells: a host with a /64 has one cell.
func TestAdmissionCells(t *testing.T) {
	a := newAdmission()
	one := netip.MustParseAddr("2001:db8:1:2::1")
	if other := netip.MustParseAddr("2001:db8:1:2:ffff::9"); a.cell(one) != a.cell(other) {
		t.Error("two addresses of a /64 have two cells")
	}
	cells := map[uint8]bool{}
	for i := range 64 {
		b := one.As16()
		b[7] = byte(i)
		cells[a.cell(netip.AddrFrom16(b))] = true
	}
	if len(cells) < 32 {
		t.Errorf("64 networks have %d cells", len(cells))
	}
}

// TestExpectedPeers: two peers may be behind one address, and one of them may move.
func TestExpectedPeers(t *testing.T) {
	g := newGate(t)
	known := func(at string) bool { return g.lane.admission.known[netip.MustParseAddr(at)] > 0 }
	nat, other := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("::ffff:198.51.100.2")
	g.lane.MovePeer(netip.Addr{}, nat)
	g.lane.MovePeer(netip.Addr{}, nat)
	g.lane.MovePeer(nat, other)
	if !known("198.51.100.1") || !known("198.51.100.2") {
		t.Error("a peer is not expected where it is")
	}
	g.lane.MovePeer(nat, netip.Addr{})
	g.lane.MovePeer(other, netip.Addr{})
	if n := len(g.lane.admission.known); n != 0 {
		t.Errorf("%d addresses are left when all peers have gone", n)
	}
}

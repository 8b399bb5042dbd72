package lane

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
)

// What anybody can send must not cost more than a bounded share of the machine,
// however much of it comes: what it makes control do is let through by a budget of
// messages per window. Messages of exchanges under way are not held back here: they
// name an SA by an SPI that cannot be guessed, and are cheap to refuse if they do not.
const (
	admitWindow = second / 100
	admitCells  = 256

	// initPerCell bounds what one address can use up, initOthers what all together can
	// that no tunnel knows. Each message costs control some 10 µs, most of it the answer.
	initPerCell = 8
	initOthers  = 24
	// initCookies is for those that bring a cookie back: who answered once is not to
	// drown in a flood of first requests.
	initCookies = 16

	hintPerCell = 1
	hintOthers  = 8
)

// admission counts what was let through in this window.
type admission struct {
	seed          maphash.Seed
	known         map[netip.Addr]int // addresses of peers, with how many have each: they need no share of what others get
	since         int64              // lane time
	inits, hints  [admitCells]uint8  // by address
	others        int                // first requests of strangers
	cookies       int                // requests with a cookie
	hintsOfOthers int
}

func newAdmission() admission {
	return admission{seed: maphash.MakeSeed(), known: map[netip.Addr]int{}}
}

// open begins a new window if it is time.
func (a *admission) open(now int64) {
	if now-a.since < admitWindow && a.since != 0 {
		return
	}
	a.since = now
	a.inits, a.hints = [admitCells]uint8{}, [admitCells]uint8{}
	a.others, a.cookies, a.hintsOfOthers = 0, 0, 0
}

// cell is whom an address counts for. A host has a /64 of IPv6 to choose from. Who
// does not know the seed cannot choose whom to share with.
func (a *admission) cell(from netip.Addr) uint8 {
	b := from.As16()
	n := 16
	if !from.Is4() && !from.Is4In6() {
		n = 8
	}
	return uint8(maphash.Bytes(a.seed, b[:n]))
}

// request tells whether an IKE_SA_INIT request may go to control.
func (a *admission) request(now int64, from netip.Addr, message []byte) bool {
	a.open(now)
	cell := &a.inits[a.cell(from)]
	if *cell >= initPerCell {
		return false
	}
	if _, known := a.known[from.Unmap()]; !known {
		budget, most := &a.others, initOthers
		if bringsCookie(message) {
			budget, most = &a.cookies, initCookies
		}
		if *budget >= most {
			return false
		}
		*budget++
	}
	*cell++
	return true
}

// hint tells whether control may hear of an unknown SPI.
func (a *admission) hint(now int64, from netip.Addr) bool {
	a.open(now)
	cell := &a.hints[a.cell(from)]
	if *cell >= hintPerCell {
		return false
	}
	if _, known := a.known[from.Unmap()]; !known {
		if a.hintsOfOthers >= hintOthers {
			return false
		}
		a.hintsOfOthers++
	}
	*cell++
	return true
}

// Of a message of IKE (RFC 7296 §3.1, §3.10), as far as it is looked at here.
const (
	ikeHeader      = 28
	ikeNextPayload = 16
	ikeExchange    = 18
	ikeFlags       = 19

	exchangeInit  = 34
	flagResponse  = 0x20
	payloadNotify = 41
	notifyCookie  = 16390
)

// isInit tells whether a message says that it is an IKE_SA_INIT request.
func isInit(message []byte) bool {
	return len(message) >= ikeHeader && message[ikeExchange] == exchangeInit && message[ikeFlags]&flagResponse == 0
}

// bringsCookie tells whether a request begins with a cookie, as it must (RFC 7296 §2.6).
func bringsCookie(message []byte) bool {
	return len(message) >= ikeHeader+8 && message[ikeNextPayload] == payloadNotify &&
		binary.BigEndian.Uint16(message[ikeHeader+6:]) == notifyCookie
}

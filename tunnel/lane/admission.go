package lane

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"

	"vpngw/tunnel/drop"
)

// What anybody can send must not cost more than a bounded share of the machine,
// however much of it comes: what it makes control do is let through by a budget of
// messages per window. Messages of exchanges under way are not held back: they name an
// SA by an SPI that we made, which nobody can guess.
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

	// A hint that the peer or we lost an SA is acted on at most once a second.
	hintPerCell = 1
	hintOthers  = 8

	// strayPerCell and strayOthers are for IKE messages that name no SPI of ours: hints
	// too, if they are not junk.
	strayPerCell = 4
	strayOthers  = 16
)

// admission counts what was let through in this window.
type admission struct {
	seed  maphash.Seed
	known map[netip.Addr]int // addresses of peers, with how many have each: they need no share of what others get
	since int64              // lane time

	requests, hints, strays budget
	cookies                 int // requests of others that brought one
}

// budget is what was let through of one sort.
type budget struct {
	cells  [admitCells]uint8 // by address
	others int               // of addresses that no peer has
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
	a.requests, a.hints, a.strays, a.cookies = budget{}, budget{}, budget{}, 0
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

// admit takes one of what is left for an address: of at most perCell, and of count's
// most if no peer is there.
func (a *admission) admit(from netip.Addr, b *budget, perCell uint8, count *int, most int) bool {
	cell := &b.cells[a.cell(from)]
	if *cell >= perCell {
		return false
	}
	if a.known[from.Unmap()] == 0 {
		if *count >= most {
			return false
		}
		*count++
	}
	*cell++
	return true
}

// request tells whether an IKE_SA_INIT request may go to control.
func (a *admission) request(now int64, from netip.Addr, message []byte) bool {
	a.open(now)
	if bringsCookie(message) {
		return a.admit(from, &a.requests, initPerCell, &a.cookies, initCookies)
	}
	return a.admit(from, &a.requests, initPerCell, &a.requests.others, initOthers)
}

// hint tells whether control may hear of an unknown SPI of ESP.
func (a *admission) hint(now int64, from netip.Addr) bool {
	a.open(now)
	return a.admit(from, &a.hints, hintPerCell, &a.hints.others, hintOthers)
}

// stray tells whether an IKE message that names no SPI of ours may go to control.
func (a *admission) stray(now int64, from netip.Addr) bool {
	a.open(now)
	return a.admit(from, &a.strays, strayPerCell, &a.strays.others, strayOthers)
}

// Of a message of IKE (RFC 7296 §3.1, §3.10), as far as it is looked at here.
const (
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
	return len(message) >= ikeHeaderLen && message[ikeExchange] == exchangeInit && message[ikeFlags]&flagResponse == 0
}

// bringsCookie tells whether a request begins with a cookie, as it must (RFC 7296 §2.6).
func bringsCookie(message []byte) bool {
	return len(message) >= ikeHeaderLen+8 && message[ikeNextPayload] == payloadNotify &&
		binary.BigEndian.Uint16(message[ikeHeaderLen+6:]) == notifyCookie
}

// refuseIKE tells why a message may not go to control, or forward.
func (l *Lane) refuseIKE(from netip.Addr, message []byte) drop.Reason {
	switch {
	case isInit(message):
		if !l.admission.request(l.now, from, message) {
			return drop.IKELimited
		}
	case l.mark != nil && !l.mark.ours(message) && !l.admission.stray(l.now, from):
		return drop.IKEUnknownSPI
	}
	return forward
}

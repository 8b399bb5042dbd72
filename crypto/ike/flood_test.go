package ike

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"vpngw/crypto/ike/message"
)

// TestFloodIsBounded sends a hundred thousand IKE_SA_INIT requests from as many
// addresses, and half-opens as many as can be.
func TestFloodIsBounded(t *testing.T) {
	st := hold(t, message.ExchangeIKESAInit, false, false)
	var reply []byte
	st.w.filter = func(p *packet) bool { reply = p.ike; return false }
	m := st.b.m
	st.b.log = nil
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	junk := bytes.Clone(st.held)
	from := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 4500)
	}
	before := heap()
	for i := range 100000 {
		binary.BigEndian.PutUint64(junk, uint64(i+1))
		for _, a := range m.Step(st.w.now, Datagram{Remote: from(i), Bytes: junk}) {
			if s, ok := a.(Send); ok && len(s.Bytes) > len(junk) {
				t.Fatalf("answer of %d bytes to %d", len(s.Bytes), len(junk))
			}
		}
	}
	if m.halfOpen.open != 30 || m.strangers.Rejected[RejectCookie] != 100000-30 {
		t.Errorf("%d half-open, %v", m.halfOpen.open, m.strangers.Rejected)
	}
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("%d bytes more after junk without cookies", grown)
	}

	// Now initiators that do send their cookie back.
	before = heap()
	h, _ := message.ParseHeader(junk)
	for i := range 2000 {
		msg, err := message.Parse(st.held)
		if err != nil {
			t.Fatal(err)
		}
		msg.InitiatorSPI = message.SPI(1<<32 + i)
		raw, _ := message.Marshal(msg)
		reply = nil
		st.b.step(Datagram{Remote: from(1<<20 + i), Bytes: raw})
		answer, err := message.Parse(reply)
		if err != nil {
			break // no answer: the table is full
		}
		n := message.FindNotify(answer.Payloads, message.NotifyCookie)
		if n == nil {
			break
		}
		msg.Payloads = append([]message.Payload{n}, msg.Payloads...)
		raw, _ = message.Marshal(msg)
		st.b.step(Datagram{Remote: from(1<<20 + i), Bytes: raw})
		_ = h
	}
	if m.halfOpen.open != 1024 {
		t.Errorf("%d half-open, want 1024", m.halfOpen.open)
	}
	each := (int64(heap()) - int64(before)) / 994
	t.Logf("%d bytes for each half-open SA", each)
	if each > 4096 {
		t.Errorf("%d bytes for each half-open SA", each)
	}
	st.w.trace.Reset()
	st.w.run(11 * time.Second)
	if m.halfOpen.open != 0 || len(m.halfOpen.byInit) != 0 || len(m.sas) != 0 || len(m.halfOpen.perAddr) != 0 {
		t.Errorf("left after their life: %d half-open, %d SAs", m.halfOpen.open, len(m.sas))
	}
}

// TestShortRequestNeedsCookie gives a request that is shorter than its answer a cookie
// first, for each suite with the answer's length known before it is made.
func TestShortRequestNeedsCookie(t *testing.T) {
	for _, c := range allCiphers {
		for _, g := range allGroups {
			w := newWorld(t, 1)
			st := &stage{w: w}
			longest := 0
			w.filter = func(p *packet) bool {
				if st.held == nil {
					st.held = p.ike
					return false
				}
				if p.from.String() == addrB {
					longest = max(longest, len(p.ike))
				}
				return false
			}
			st.a, st.b = pair(w, func(a, b *Peer) {
				a.Ciphers, a.Groups, a.PRFs = []Cipher{c}, []Group{g}, []PRF{PRFSHA512}
				b.Ciphers, b.Groups = a.Ciphers, a.Groups
			})
			st.a.connect()
			msg, err := message.Parse(st.held)
			if err != nil {
				t.Fatal(err)
			}
			_, answer, _ := st.b.m.strangerPreferences(st.a.addr.Addr()).chooseIKE(msg.Payloads[0].(*message.SA))
			want := initAnswerLen(answer, g, st.b.m.initExtras(suite{}, msg.Payloads))
			st.b.step(Datagram{Local: st.b.addr, Remote: st.a.addr, Bytes: st.held})
			if longest != want || longest > len(st.held) {
				t.Errorf("%v %v: answer of %d bytes, expected %d; request %d", c, g, longest, want, len(st.held))
			}
			longest = 0
			msg.Payloads = msg.Payloads[:3] // no notifies
			short, err := message.Marshal(msg)
			if err != nil {
				t.Fatal(err)
			}
			st.b.step(Datagram{Local: st.b.addr, Remote: netip.MustParseAddrPort("203.0.113.5:500"), Bytes: short})
			if n := st.b.m.strangers.Rejected[RejectCookie]; n != 1 || longest > len(short) || longest == 0 {
				t.Errorf("%v %v: %d cookies, answer of %d bytes to %d", c, g, n, longest, len(short))
			}
		}
	}
}

// TestHalfOpenPerAddress lets one address have three, and three more with a cookie:
// somebody who pretends to be there cannot shut out who is.
func TestHalfOpenPerAddress(t *testing.T) {
	st := hold(t, message.ExchangeIKESAInit, false, false)
	m := st.b.m
	var reply []byte
	st.w.filter = func(p *packet) bool { reply = p.ike; return false }
	from := netip.MustParseAddrPort("203.0.113.5:4500")
	for i := range 10 {
		raw := bytes.Clone(st.held)
		binary.BigEndian.PutUint64(raw, uint64(i+1))
		for range 3 { // retransmissions do not count
			st.b.step(Datagram{Local: st.b.addr, Remote: netip.AddrPortFrom(from.Addr(), uint16(1000+i)), Bytes: raw})
		}
	}
	if n := m.halfOpen.open; n != 3 {
		t.Errorf("%d half-open without cookies, want 3", n)
	}
	if n := m.strangers.Rejected[RejectCookie]; n != 21 {
		t.Errorf("%d cookies demanded, want 21", n)
	}
	for i := range 10 {
		msg, err := message.Parse(st.held)
		if err != nil {
			t.Fatal(err)
		}
		msg.InitiatorSPI = message.SPI(100 + i)
		raw, _ := message.Marshal(msg)
		reply = nil
		st.b.step(Datagram{Local: st.b.addr, Remote: from, Bytes: raw})
		answer, err := message.Parse(reply)
		if err != nil {
			continue // no answer
		}
		n := message.FindNotify(answer.Payloads, message.NotifyCookie)
		if n == nil {
			t.Fatal("no cookie is demanded")
		}
		msg.Payloads = append([]message.Payload{n}, msg.Payloads...)
		raw, _ = message.Marshal(msg)
		st.b.step(Datagram{Local: st.b.addr, Remote: from, Bytes: raw})
	}
	if n := m.halfOpen.open; n != 6 {
		t.Errorf("%d half-open with cookies, want 6", n)
	}
	if n := m.strangers.Rejected[RejectHalfOpenAddr]; n != 7 {
		t.Errorf("%d rejected, want 7", n)
	}
}

// TestHintsAreBounded gives each address one hint a second, and no more than so many
// addresses.
func TestHintsAreBounded(t *testing.T) {
	var l hintLimiter
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for second := range 3 {
		allowed := 0
		for range 2 {
			for i := range 2 * maxHinted {
				if l.allow(now, addr(i+second)) {
					allowed++
				}
			}
		}
		if allowed != maxHinted || len(l.told) != maxHinted {
			t.Errorf("second %d: %d hints, %d addresses remembered; want %d", second, allowed, len(l.told), maxHinted)
		}
		now = now.Add(complainGap)
	}
}

// TestCookieRotation accepts the cookies of this secret and of the last one only.
func TestCookieRotation(t *testing.T) {
	w := newWorld(t, 1)
	_, b := pair(w, nil)
	m := b.m
	m.now = w.now
	nonce, from := []byte("nonce"), netip.MustParseAddrPort(addrA)
	if err := m.cookies.rotate(m); err != nil {
		t.Fatal(err)
	}
	c := cookie(m.cookies.current, nonce, from, 1)
	for i, want := range []bool{true, true, false} {
		if err := m.cookies.rotate(m); err != nil {
			t.Fatal(err)
		}
		if got := m.cookies.check(c, nonce, from, 1); got != want {
			t.Errorf("after %d rotations: %v", i, got)
		}
		m.now = m.now.Add(cookieLife)
	}
	c = cookie(m.cookies.current, nonce, from, 1)
	if m.cookies.check(c, []byte("other"), from, 1) || m.cookies.check(c, nonce, netip.MustParseAddrPort(addrB), 1) ||
		m.cookies.check(c, nonce, netip.AddrPortFrom(from.Addr(), 1), 1) || m.cookies.check(c, nonce, from, 2) ||
		m.cookies.check(nil, nonce, from, 1) {
		t.Error("a cookie is good for more than what it was made for")
	}
}

package crowd

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"time"

	"vpngw/crypto/ike"
)

// tick is what timers are late by at most. Between two ticks nothing is looked for, so that a crowd costs little.
const tick = 10 * time.Millisecond

// nonESP stands before an IKE message that shares its port with ESP (RFC 3948 §2.2).
var nonESP = []byte{0, 0, 0, 0}

// run takes messages and lets time pass, until Stop.
func (w *Crowd) run() error {
	for _, m := range w.all {
		w.do(m, m.machine.Step(time.Now(), ike.Connect{}))
	}
	b, oob := make([]byte, 64<<10), make([]byte, 256)
	next := time.Now()
	for !w.stop.Load() {
		if now := time.Now(); !now.Before(next) {
			next = w.tick(now)
		}
		if err := w.conn.SetReadDeadline(next); err != nil {
			return err
		}
		n, oobn, _, from, err := w.conn.ReadMsgUDPAddrPort(b, oob)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return err
		default:
			w.receive(b[:n], oob[:oobn], from)
		}
	}
	return nil
}

// tick steps the members whose time has come, and tells when to look again.
func (w *Crowd) tick(now time.Time) time.Time {
	for _, m := range w.all {
		if d := m.machine.Deadline(); !d.IsZero() && !now.Before(d) {
			w.do(m, m.machine.Step(now, ike.Tick{}))
		}
	}
	return time.Now().Add(tick)
}

// receive takes a datagram: an IKE message, or ESP, of which nothing becomes.
func (w *Crowd) receive(b, oob []byte, from netip.AddrPort) {
	message, ok := bytes.CutPrefix(b, nonESP)
	m := w.at[destination(oob)]
	if !ok || m == nil {
		return
	}
	w.messages.Add(1)
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	here := netip.AddrPortFrom(m.Address, Port)
	w.do(m, m.machine.Step(time.Now(), ike.Datagram{Local: here, Remote: from, Bytes: message}))
}

// do carries out what a member's machine wants.
func (w *Crowd) do(m *member, actions []ike.Action) {
	for _, a := range actions {
		switch a := a.(type) {
		case ike.Send:
			w.send(m, a.Remote, a.Bytes)
		case ike.SendFragmentable:
			w.send(m, a.Remote, a.Bytes)
		case ike.Up:
			if !m.up {
				m.up = true
				w.up.Add(1)
			}
		case ike.Down:
			if m.up {
				m.up = false
				w.up.Add(-1)
			}
		}
	}
}

// send sends from the member's address. What fails is lost: a machine repeats what matters.
func (w *Crowd) send(m *member, to netip.AddrPort, message []byte) {
	b := append(bytes.Clone(nonESP), message...)
	_, _, _ = w.conn.WriteMsgUDPAddrPort(b, source(m.Address), to)
}

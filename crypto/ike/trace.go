package ike

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"vpngw/crypto/ike/message"
)

// hex32 prints an SPI of ESP.
type hex32 uint32

func (h hex32) String() string { return fmt.Sprintf("%08x", uint32(h)) }

// traceMessage logs a message in outline: payload types, and of notifies their names.
// No payload's contents are logged, so no secret can be.
func (m *Machine) traceMessage(what string, remote netip.AddrPort, h message.Header, ps []message.Payload) {
	if !m.tracing() {
		return
	}
	m.log.Log(context.Background(), LevelTrace, what, "exchange", h.Exchange, "id", h.MessageID,
		"response", h.Flags.Response(), "spi_i", h.InitiatorSPI, "spi_r", h.ResponderSPI,
		"remote", remote, "payloads", outline(ps))
}

func outline(ps []message.Payload) string {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte(' ')
		}
		switch p := p.(type) {
		case *message.Notify:
			fmt.Fprintf(&b, "N(%v)", p.Type)
		case *message.Delete:
			fmt.Fprintf(&b, "D(%v×%d)", p.Protocol, len(p.SPIs))
		case *message.TSi:
			fmt.Fprintf(&b, "TSi%v", p.Selectors)
		case *message.TSr:
			fmt.Fprintf(&b, "TSr%v", p.Selectors)
		case *message.SA:
			fmt.Fprintf(&b, "SA[%s]", proposalText(p))
		default:
			b.WriteString(p.PayloadType().String())
		}
	}
	return b.String()
}

// reject counts and logs a message that is dropped or refused.
func (m *Machine) reject(c *Counters, why RejectReason, remote netip.AddrPort, detail string) {
	m.rejectf(c, why, remote, "%s", detail)
}

// rejectf is reject for a detail that is put into words only where somebody reads the
// log: messages that anybody can send come by the ten thousand a second.
func (m *Machine) rejectf(c *Counters, why RejectReason, remote netip.AddrPort, format string, args ...any) {
	c.Rejected[why]++
	if m.log.Enabled(context.Background(), slog.LevelDebug) {
		m.log.Debug("message rejected", "why", why, "remote", remote, "detail", fmt.Sprintf(format, args...))
	}
}

package message

// Notify is the Notify payload (RFC 7296 section 3.10).
type Notify struct {
	Generic
	// Protocol of the SA that SPI names; ProtocolNone without an SPI (others
	// are accepted then, and mean nothing).
	Protocol ProtocolID
	// SPI of an ESP or AH SA, 4 bytes (see ChildSPI), or nil. Notifications
	// about the IKE SA have none.
	SPI  []byte
	Type NotifyType
	Data []byte // depends on Type
}

// PayloadType returns PayloadNotify.
func (*Notify) PayloadType() PayloadType { return PayloadNotify }

// notifySPILen reports whether n is a length that an SPI can have beside p.
func notifySPILen(p ProtocolID, n int) bool {
	switch p {
	case ProtocolNone, ProtocolIKE:
		return n == 0
	case ProtocolAH, ProtocolESP:
		return n == 0 || n == 4
	}
	return true
}

func parseNotify(g Generic, r *reader) *Notify {
	p := &Notify{Generic: g, Protocol: ProtocolID(r.uint8())}
	n := int(r.uint8())
	if r.ok() && !notifySPILen(p.Protocol, n) {
		r.fail("notification about %v with an SPI of %d bytes", p.Protocol, n)
	}
	p.Type = NotifyType(r.uint16())
	p.SPI = r.take(n)
	p.Data = r.rest()
	return p
}

func (p *Notify) appendBody(w *writer) {
	if !notifySPILen(p.Protocol, len(p.SPI)) || len(p.SPI) > 255 {
		w.fail("notification about %v with an SPI of %d bytes", p.Protocol, len(p.SPI))
	}
	w.uint8(uint8(p.Protocol))
	w.uint8(uint8(len(p.SPI)))
	w.uint16(uint16(p.Type))
	w.bytes(p.SPI)
	w.bytes(p.Data)
}

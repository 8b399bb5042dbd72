package message

// Delete is the Delete payload (RFC 7296 section 3.11): SAs that its sender
// has closed.
type Delete struct {
	Generic
	// Protocol is ProtocolIKE for the IKE SA that carries the message, and
	// then there is no SPI; or ProtocolESP or ProtocolAH.
	Protocol ProtocolID
	SPIs     []uint32 // of ESP or AH, in the sender's inbound direction
}

// PayloadType returns PayloadDelete.
func (*Delete) PayloadType() PayloadType { return PayloadDelete }

// deleteSPILen is the length of an SPI of protocol p in bytes; false for a
// protocol that cannot be deleted.
func deleteSPILen(p ProtocolID) (int, bool) {
	switch p {
	case ProtocolIKE:
		return 0, true
	case ProtocolAH, ProtocolESP:
		return 4, true
	}
	return 0, false
}

func parseDelete(g Generic, r *reader) *Delete {
	p := &Delete{Generic: g, Protocol: ProtocolID(r.uint8())}
	size := int(r.uint8())
	count := int(r.uint16())
	want, ok := deleteSPILen(p.Protocol)
	switch {
	case !r.ok():
	case !ok:
		r.fail("deletion of %v", p.Protocol)
	case size != want:
		r.fail("deletion of %v with SPIs of %d bytes, not %d", p.Protocol, size, want)
	case want == 0 && count != 0:
		r.fail("deletion of the IKE SA with %d SPIs", count)
	case count > MaxDeleteSPIs:
		r.fail("deletion of %d SPIs, more than %d", count, MaxDeleteSPIs)
	case len(r.b) != count*size:
		r.fail("%d SPIs of %d bytes in %d bytes", count, size, len(r.b))
	case count > 0:
		p.SPIs = make([]uint32, count)
		for i := range p.SPIs {
			p.SPIs[i] = r.uint32()
		}
	}
	return p
}

func (p *Delete) appendBody(w *writer) {
	size, ok := deleteSPILen(p.Protocol)
	switch {
	case !ok:
		w.fail("deletion of %v", p.Protocol)
	case size == 0 && len(p.SPIs) != 0:
		w.fail("deletion of the IKE SA with %d SPIs", len(p.SPIs))
	case len(p.SPIs) > MaxDeleteSPIs:
		w.fail("deletion of %d SPIs, more than %d", len(p.SPIs), MaxDeleteSPIs)
	}
	w.uint8(uint8(p.Protocol))
	w.uint8(uint8(size))
	w.uint16(uint16(len(p.SPIs)))
	for _, spi := range p.SPIs {
		w.uint32(spi)
	}
}

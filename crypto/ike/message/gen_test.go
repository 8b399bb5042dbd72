package message

import (
	"net/netip"

	"pgregory.net/rapid"
)

// The generators draw every value that Marshal accepts, in canonical form: nil
// instead of empty slices, and Header.NextPayload and Length left to Marshal.

// drawBytes draws a slice whose content matters little: its length is drawn,
// the bytes count up from a drawn start.
func drawBytes(t *rapid.T, minLen, maxLen int) []byte {
	n := rapid.IntRange(minLen, maxLen).Draw(t, "len")
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	start := rapid.Byte().Draw(t, "byte")
	for i := range b {
		b[i] = start + byte(i)
	}
	return b
}

func drawHeader(t *rapid.T) Header {
	return Header{
		InitiatorSPI: SPI(rapid.Uint64().Draw(t, "spi_i")),
		ResponderSPI: SPI(rapid.Uint64().Draw(t, "spi_r")),
		Version:      Version(rapid.Uint8Range(0x10, 0xff).Draw(t, "version")),
		Exchange:     ExchangeType(rapid.Uint8().Draw(t, "exchange")),
		Flags:        Flags(rapid.Uint8().Draw(t, "flags")) & knownFlags,
		MessageID:    rapid.Uint32().Draw(t, "message id"),
	}
}

func drawAttribute(t *rapid.T) Attribute {
	a := Attribute{Type: rapid.Uint16Range(0, 0x7fff).Draw(t, "attribute"), Short: rapid.Bool().Draw(t, "short")}
	if a.Short {
		if a.Type == AttributeKeyLength {
			a.Type++ // a short key length has its own field
		}
		a.Value = drawBytes(t, 2, 2)
	} else {
		a.Value = drawBytes(t, 0, 20)
	}
	return a
}

func drawTransform(t *rapid.T) Transform {
	return Transform{
		Type:       TransformType(rapid.Uint8().Draw(t, "transform type")),
		ID:         TransformID(rapid.Uint16().Draw(t, "transform id")),
		KeyLength:  rapid.Uint16().Draw(t, "key length"),
		Attributes: drawSome(t, 0, 3, drawAttribute),
	}
}

// drawSome draws minLen to maxLen things; none is nil.
func drawSome[T any](t *rapid.T, minLen, maxLen int, draw func(*rapid.T) T) []T {
	var out []T
	for range rapid.IntRange(minLen, maxLen).Draw(t, "count") {
		out = append(out, draw(t))
	}
	return out
}

func drawProposal(t *rapid.T) Proposal {
	p := Proposal{
		Number:     rapid.Uint8().Draw(t, "number"),
		Protocol:   ProtocolID(rapid.Uint8Range(0, 5).Draw(t, "protocol")),
		Transforms: drawSome(t, 1, 5, drawTransform),
	}
	switch p.Protocol {
	case ProtocolIKE:
		p.SPI = drawBytes(t, 0, 1)
		if p.SPI != nil {
			p.SPI = IKESPI(SPI(rapid.Uint64().Draw(t, "spi")))
		}
	case ProtocolAH, ProtocolESP:
		p.SPI = ChildSPI(rapid.Uint32().Draw(t, "spi"))
	default:
		p.SPI = drawBytes(t, 0, 255)
	}
	return p
}

func drawIdentification(t *rapid.T) Identification {
	p := Identification{Type: IDType(rapid.Uint8Range(0, 14).Draw(t, "id type"))}
	switch p.Type {
	case IDIPv4Addr:
		p.Data = drawBytes(t, 4, 4)
	case IDIPv6Addr:
		p.Data = drawBytes(t, 16, 16)
	default:
		p.Data = drawBytes(t, 0, 70)
	}
	copy(p.Reserved[:], drawBytes(t, 0, 3))
	return p
}

func drawSelector(t *rapid.T) TrafficSelector {
	s := TrafficSelector{
		Type:  TSType(rapid.Uint8Range(6, 11).Draw(t, "ts type")),
		Proto: rapid.Uint8().Draw(t, "proto"),
	}
	size := s.Type.addrLen()
	if size == 0 {
		s.Raw = drawBytes(t, 0, 30)
		return s
	}
	a := func() netip.Addr {
		a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "address"))
		return a
	}
	s.First, s.Last = a(), a()
	if s.Last.Less(s.First) {
		s.First, s.Last = s.Last, s.First
	}
	s.StartPort = rapid.Uint16().Draw(t, "start")
	s.EndPort = rapid.Uint16().Draw(t, "end")
	if s.StartPort > s.EndPort && !s.opaquePorts() {
		s.StartPort, s.EndPort = s.EndPort, s.StartPort
	}
	return s
}

func drawSelectors(t *rapid.T) TrafficSelectors {
	return TrafficSelectors{Selectors: drawSome(t, 1, 6, drawSelector)}
}

func drawNotify(t *rapid.T) *Notify {
	p := &Notify{
		Protocol: ProtocolID(rapid.Uint8Range(0, 5).Draw(t, "protocol")),
		Type:     NotifyType(rapid.Uint16().Draw(t, "notify")),
		Data:     drawBytes(t, 0, 70),
	}
	switch {
	case p.Protocol > ProtocolESP:
		p.SPI = drawBytes(t, 0, 255)
	case p.Protocol >= ProtocolAH && rapid.Bool().Draw(t, "with spi"):
		p.SPI = ChildSPI(rapid.Uint32().Draw(t, "spi"))
	}
	return p
}

func drawDelete(t *rapid.T) *Delete {
	p := &Delete{Protocol: ProtocolID(rapid.Uint8Range(1, 3).Draw(t, "protocol"))}
	if p.Protocol != ProtocolIKE {
		p.SPIs = drawSome(t, 0, 5, func(t *rapid.T) uint32 { return rapid.Uint32().Draw(t, "spi") })
	}
	return p
}

func drawRaw(t *rapid.T) *Raw {
	p := &Raw{Body: drawBytes(t, 0, 50)}
	p.Type = PayloadType(rapid.SampledFrom([]int{1, 32, 47, 48, 49, 52, 54, 255}).Draw(t, "raw type"))
	p.Critical = p.Type.Known() && rapid.Bool().Draw(t, "critical")
	return p
}

// drawPayload draws any payload but the encrypted ones.
func drawPayload(t *rapid.T) Payload {
	g := Generic{Critical: rapid.Bool().Draw(t, "critical")}
	types := []PayloadType{PayloadSA, PayloadKE, PayloadIDi, PayloadIDr, PayloadCERT, PayloadCERTREQ, PayloadAUTH,
		PayloadNonce, PayloadNotify, PayloadDelete, PayloadVendorID, PayloadTSi, PayloadTSr, PayloadNone}
	switch rapid.SampledFrom(types).Draw(t, "payload") {
	case PayloadSA:
		return &SA{g, drawSome(t, 1, 4, drawProposal)}
	case PayloadKE:
		return &KE{g, TransformID(rapid.Uint16().Draw(t, "group")), drawBytes(t, 1, 100)}
	case PayloadIDi:
		return &IDi{drawIdentification(t)}
	case PayloadIDr:
		return &IDr{drawIdentification(t)}
	case PayloadCERT:
		return &CERT{g, CertEncoding(rapid.Uint8().Draw(t, "encoding")), drawBytes(t, 0, 90)}
	case PayloadCERTREQ:
		return &CERTREQ{g, CertEncoding(rapid.Uint8().Draw(t, "encoding")), drawBytes(t, 0, 60)}
	case PayloadAUTH:
		return &AUTH{g, AuthMethod(rapid.Uint8().Draw(t, "method")), drawBytes(t, 1, 90)}
	case PayloadNonce:
		return &Nonce{g, drawBytes(t, MinNonce, MaxNonce)}
	case PayloadNotify:
		return drawNotify(t)
	case PayloadDelete:
		return drawDelete(t)
	case PayloadVendorID:
		return &VendorID{g, drawBytes(t, 0, 50)}
	case PayloadTSi:
		return &TSi{drawSelectors(t)}
	case PayloadTSr:
		return &TSr{drawSelectors(t)}
	}
	return drawRaw(t)
}

func drawPayloads(t *rapid.T) []Payload { return drawSome(t, 0, 8, drawPayload) }

func drawMessage(t *rapid.T) *Message {
	m := &Message{Header: drawHeader(t), Payloads: drawPayloads(t)}
	switch rapid.IntRange(0, 2).Draw(t, "protection") {
	case 1:
		m.Payloads = append(m.Payloads, &Encrypted{First: PayloadType(rapid.Uint8().Draw(t, "first")), Body: drawBytes(t, 0, 90)})
	case 2:
		total := rapid.Uint16Range(1, 65535).Draw(t, "total")
		f := &EncryptedFragment{Number: rapid.Uint16Range(1, total).Draw(t, "number"), Total: total, Body: drawBytes(t, 0, 90)}
		if f.Number == 1 {
			f.First = PayloadType(rapid.Uint8().Draw(t, "first"))
		}
		m.Payloads = append(m.Payloads, f)
	}
	return m
}
